"""Fresh initialisations of a Keras model, by the initialisers of its own layers."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from torch import Generator

from nwedge._random import draw_seeds
from nwedge.adapters.tensorflow.network import KerasNetwork


def draw_initial(network: KerasNetwork, count: int, generator: Generator) -> tf.Tensor:
    """`count` points, at which every layer is made anew from its own configuration, shape (count, dim).

    Seeds that the layers' initialisers were given are replaced, so that the points differ.

    Raises:
        ValueError: trainable weights of a layer that cannot be made anew, by name.
    """
    with tf.device(network.place):
        points = []
        for seed in draw_seeds(generator, count):
            with seeded(seed):
                points.append(network.flatten(_fresh_weights(network)))
        return tf.stack(points)


def copied(network: KerasNetwork, weights: list[Any], inputs: Any) -> Any:
    """A copy of the model with the given trainable weights, not compiled.

    Raises:
        ValueError: a model that Keras cannot make anew from its configuration.
    """
    model = network.model
    with seeded(0), tf.device(network.place):
        try:
            config = keras.saving.serialize_keras_object(model)
            config.pop("compile_config", None)
            classes = {type(layer).__name__: type(layer) for layer in layers_of(model)}
            copy: Any = keras.saving.deserialize_keras_object(config, custom_objects=classes, safe_mode=False)
            if not copy.built:
                copy(inputs, training=False)
        except Exception as error:
            raise ValueError(
                f"the model '{model.name}' cannot be made anew from its configuration: give its class a get_config, or "
                "assign .weights(point) to the trainable_variables of a model that you make yourself"
            ) from error
    values = {id(variable): value for variable, value in zip(network.variables, weights, strict=True)}
    values |= {id(variable): value for variable, value in network.kept}
    for ours, theirs in zip(model.weights, copy.weights, strict=True):
        theirs.assign(values[id(ours)])
    return copy


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Python's random state, from which Keras draws the seeds that it is not given, begun at a seed and restored."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def _fresh_weights(network: KerasNetwork) -> list[Any]:
    """A fresh value of each trainable variable, from a new layer beside the one that owns it."""
    wanted = {id(variable) for variable in network.variables}
    values: dict[int, Any] = {}
    for layer in layers_of(network.model):
        own = [variable for variable in layer._trainable_variables if id(variable) in wanted - values.keys()]
        if own:
            fresh = _made_anew(layer)
            for variable, other in zip(layer._trainable_variables, fresh, strict=True):
                values[id(variable)] = other.value
    missing = [variable.path for variable in network.variables if id(variable) not in values]
    if missing:
        raise ValueError(f"no layer of the model owns {missing[0]}: draw initial points yourself, with .point")
    return [values[id(variable)] for variable in network.variables]


def _made_anew(layer: Any) -> list[Any]:
    """The own trainable variables of a new layer of the same configuration."""
    try:
        config = _reseeded(layer.get_config())
        fresh = type(layer).from_config(config)
        fresh.build_from_config(layer.get_build_config())
        found = fresh._trainable_variables
        if [tuple(one.shape) for one in found] != [tuple(one.shape) for one in layer._trainable_variables]:
            raise ValueError("other weights")
    except Exception as error:
        raise ValueError(
            f"layer '{layer.name}' ({type(layer).__name__}) cannot be made anew from its configuration: give it a "
            "get_config, or draw initial points yourself, with .point"
        ) from error
    return found


def _reseeded(config: Any) -> Any:
    """A configuration whose integer seeds are drawn anew."""
    if isinstance(config, dict):
        return {
            key: random.randrange(2**31) if key == "seed" and isinstance(value, int) else _reseeded(value)
            for key, value in config.items()
        }
    if isinstance(config, tuple | list):
        return type(config)(map(_reseeded, config))
    return config


def layers_of(model: Any) -> list[Any]:
    """The model and all layers in it."""
    return list(model._flatten_layers(include_self=True, recursive=True))
