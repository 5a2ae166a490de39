import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras
import tensorflow as tf

from nwedge.adapters.tensorflow import evaluation
from nwedge.adapters.tensorflow.evaluation import Drawn, Evaluation
from nwedge.adapters.tensorflow.examples import Examples
from nwedge.adapters.tensorflow.losses import loss_of_examples
from nwedge.adapters.tensorflow.network import KerasNetwork

layers = keras.layers
KINDS = ("loss", "gradient", "product", "accuracy")
COUNT, CLASSES = 10, 3


def normal(*shape: int, seed: int = 0) -> tf.Tensor:
    return tf.random.stateless_normal(shape, (seed, 1), dtype=tf.float64)


def build(*, dense: bool = True, chunk: int | None = None) -> tuple[Evaluation, Examples]:
    if dense:
        inner = [keras.Input((6,)), layers.Dense(4, "tanh", dtype="float64")]
    else:
        convolution = layers.Conv2D(2, 2, activation="tanh", dtype="float64")
        inner = [keras.Input((3, 2, 1)), convolution, layers.Flatten(dtype="float64")]
    model = keras.Sequential([*inner, layers.Dense(CLASSES, dtype="float64")])
    inputs = normal(COUNT, 6) if dense else tf.reshape(normal(COUNT, 6), (COUNT, 3, 2, 1))
    examples = Examples(inputs, tf.constant(np.arange(COUNT) % CLASSES))
    each = loss_of_examples(None, from_logits=True, dtype=tf.float64)
    return Evaluation(KerasNetwork(model), each, examples, chunk), examples


def draws(examples: Examples, rows: int) -> dict[str, Drawn]:
    own = np.array([np.random.default_rng(row).permutation(COUNT)[:7] for row in range(rows)])
    return {
        "all": Drawn(examples),
        "shared": Drawn(examples, tf.constant(own[0])),
        "own": Drawn(examples, tf.constant(own)),
    }


def rows_of(kind: str, dim: int, count: int) -> list[tf.Tensor]:
    return [normal(count, dim, seed=seed) for seed in range(2 if kind == "product" else 1)]


def slow(evaluated: Evaluation, kind: str, drawn: Drawn, *rows: tf.Tensor) -> np.ndarray:
    """One point after another, uncompiled, each on its own examples; products by forward over reverse."""
    results = []
    for number, (point, *vector) in enumerate(zip(*rows, strict=True)):
        examples = drawn.examples
        if drawn.indices is not None:
            examples = examples.take(drawn.indices if drawn.kind == "shared" else drawn.indices[number])
        inputs, labels = examples.pair

        def slope(point: tf.Tensor, inputs=inputs, labels=labels) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(point)
                outputs = evaluated.network.outputs(point, inputs)
                loss = -tf.reduce_mean(tf.gather(tf.nn.log_softmax(outputs), labels, batch_dims=1))
            return outputs, loss, tape.gradient(loss, point)

        if kind == "product":
            with tf.autodiff.ForwardAccumulator(point, vector[0]) as forward:
                gradient = slope(point)[2]
            results.append(forward.jvp(gradient))
            continue
        outputs, loss, gradient = slope(point)
        right = np.mean(np.argmax(outputs, 1) == labels.numpy())
        both = tf.concat([gradient, [loss]], 0)
        results.append({"loss": loss, "gradient": both, "accuracy": right}[kind])
    return np.array([np.asarray(result) for result in results])


@pytest.mark.parametrize("chunk", [None, 4])
@pytest.mark.parametrize("dense", [True, False])
def test_means_are_those_of_the_slow_version(dense, chunk):
    evaluated, examples = build(dense=dense, chunk=chunk)
    for kind in KINDS:
        rows = rows_of(kind, evaluated.network.dim, 2)
        for drawn in draws(examples, 2).values():
            found = evaluated.mean(kind, drawn, *rows).numpy()
            np.testing.assert_allclose(found, slow(evaluated, kind, drawn, *rows), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", [*KINDS, "outputs"])
def test_stacked_points_have_the_values_of_the_loop(kind, monkeypatch):
    evaluated, examples = build(chunk=4)
    monkeypatch.setattr(evaluation, "STACKED_POINTS", 2)
    rows = rows_of(kind, evaluated.network.dim, 5)
    found = []
    for work in (2**21, 0):
        monkeypatch.setattr(evaluation, "STACKED_WORK", work)
        for drawn in draws(examples, 5).values():
            value = evaluated.each(kind, drawn, *rows) if kind == "outputs" else evaluated.mean(kind, drawn, *rows)
            found.append(value.numpy())
    assert {stacked for _, stacked, _ in evaluated._compiled} == {True, False}
    for stacked, looped in zip(found[:3], found[3:], strict=True):
        np.testing.assert_allclose(stacked, looped, rtol=1e-12, atol=1e-14)


def test_each_function_is_traced_once_for_all_sizes():
    evaluated, examples = build(dense=False)
    for count in (1, 3, 2, 0):
        drawn = draws(examples.take(tf.range(4 + count)), 3)["all"]
        assert evaluated.mean("gradient", drawn, normal(count, evaluated.network.dim)).shape[0] == count
    (function,) = evaluated._compiled.values()
    assert function.experimental_get_tracing_count() == 1


def test_points_are_stacked_where_layers_are_dense_and_the_work_is_small():
    for dense in (True, False):
        evaluated, examples = build(dense=dense)
        evaluated.mean("loss", Drawn(examples), normal(2, evaluated.network.dim))
        assert [stacked for _, stacked, _ in evaluated._compiled] == [dense]


def test_the_default_chunk_bounds_the_inputs(monkeypatch):
    assert build()[0].chunk == build(dense=False)[0].chunk == 2048
    monkeypatch.setattr(evaluation, "INPUTS", 6 * 100)
    assert build()[0].chunk == 2048
    assert build(dense=False)[0].chunk == 100
    assert build(dense=False, chunk=7)[0].chunk == 7


def test_nan_stays_nan():
    evaluated, examples = build()
    points = normal(2, evaluated.network.dim).numpy()
    points[1, 0] = np.nan
    for kind in ("loss", "accuracy"):
        found = evaluated.mean(kind, Drawn(examples), tf.constant(points)).numpy()
        assert np.isnan(found).tolist() == [False, True]


def test_memory_holds_one_chunk_at_a_time(monkeypatch):
    evaluated, examples = build(chunk=2)
    alive, most = [0], [0]
    chunk = evaluated._chunk

    class Counted:
        def __init__(self, value):
            self.value, self.dtype = value, value.dtype
            alive[0] += 1
            most[0] = max(most[0], alive[0])

        def __del__(self):
            alive[0] -= 1

        def __add__(self, other):
            return Counted(self.value + other.value)

        def __truediv__(self, other):
            return self.value / other

    monkeypatch.setattr(evaluated, "_chunk", lambda *arguments: Counted(chunk(*arguments)))
    evaluated.mean("loss", Drawn(examples), normal(2, evaluated.network.dim))
    assert most[0] <= 4
