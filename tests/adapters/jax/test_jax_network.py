"""A pure function of a pytree as a landscape: its numbers, its contract and its errors."""

import copy
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

jax = pytest.importorskip("jax")
jnp = jax.numpy

import nwedge  # noqa: E402
from nwedge._random import choose, derive  # noqa: E402
from nwedge.adapters.jax import JaxLandscape  # noqa: E402
from nwedge.adapters.jax.bridge import precision  # noqa: E402


@pytest.fixture
def landscape(net):
    return JaxLandscape(net.apply, net.params, net.train, net.held_out, init=net.init)


def squared(params, batch):
    return jnp.mean((batch["x"] @ params[0] + params[1] - batch["y"]) ** 2)


def regression(**options):
    x = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    data = {"x": x, "y": x.sum(1)}
    init = lambda key: [jax.random.normal(key, (3,)), jnp.zeros(())]  # noqa: E731
    return JaxLandscape(None, init(jax.random.key(1)), data, loss=squared, init=init, **options)


def test_a_classifier_keeps_the_contract(net):
    nwedge.check_landscape(JaxLandscape(net.apply, net.params, net.train, net.held_out, init=net.init, strategy="loop"))


def test_a_loss_alone_keeps_the_contract_and_does_not_predict():
    landscape = regression(dtype=torch.float64)
    nwedge.check_landscape(landscape)
    assert not isinstance(landscape, nwedge.Predictive)
    assert not hasattr(landscape, "predict")


def test_numbers_are_those_of_jax(net, landscape):
    points = landscape.initial(3, derive(0, "points"))
    images, labels = map(jnp.asarray, net.train)

    def loss(params):
        logits = net.apply(params, images)
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()

    probabilities = landscape.predict(points)
    for row, point in enumerate(points):
        params = landscape.params(point)
        value, slope = jax.value_and_grad(loss)(params)
        torch.testing.assert_close(landscape.loss(points)[row], torch.tensor(float(value)))
        torch.testing.assert_close(landscape.gradient(points)[row], landscape.point(slope))
        expected = torch.tensor(np.asarray(jax.nn.softmax(net.apply(params, images))))
        torch.testing.assert_close(probabilities[row], expected)
        share = (expected.argmax(1) == landscape.labels).float().mean()
        torch.testing.assert_close(landscape.accuracy(points)[row], share)
    assert landscape.held_out.predict(points).shape == (3, 200, 10)
    assert isinstance(landscape, nwedge.Predictive)
    assert isinstance(copy.copy(landscape), nwedge.Predictive)


def test_points_are_raveled_pytrees(net, landscape):
    flat, _ = jax.flatten_util.ravel_pytree(net.params)
    point = landscape.point(net.params)
    assert landscape.dim == flat.size
    assert torch.equal(point, torch.tensor(np.asarray(flat)))
    assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), landscape.params(point), net.params))
    twin = JaxLandscape(net.apply, net.params, net.train, dtype=torch.float64)
    assert twin.params(twin.point(net.params))["in"]["w"].dtype == np.float64


def test_points_and_params_have_their_own_memory():
    landscape = JaxLandscape(None, np.ones(64, np.float32), np.ones((4, 64)), loss=lambda p, x: (x @ p).mean())
    weights = jnp.ones(64)
    landscape.point(weights).zero_()
    point = torch.ones(64)
    params = landscape.params(point)
    point.zero_()
    assert weights.sum() == params.sum() == 64


@pytest.mark.parametrize("numpy", [False, True])
def test_data_are_copied(numpy):
    data = torch.tensor([[1.0, 2.0]] * 64)
    train = data.numpy() if numpy else data
    landscape = JaxLandscape(None, jnp.ones(2), train, loss=lambda p, x: (x @ p).mean())
    data[:] = 0
    assert landscape.loss(torch.ones(1, 2)).item() == 3


def test_initial_points_are_the_users_and_reproducible(net, landscape):
    points = landscape.initial(3, derive(4, "initial"))
    assert torch.equal(points, landscape.initial(3, derive(4, "initial")))
    assert torch.equal(points[:1], landscape.initial(1, derive(4, "initial")))
    assert points.unique(dim=0).shape == points.shape
    assert points.std(1).min() > 0.1
    assert not jax.tree.leaves(landscape.params(points[0]))[0].any()  # the biases of `init`
    twin = JaxLandscape(net.apply, net.params, net.train, init=net.init, dtype=torch.float64)
    assert torch.equal(twin.initial(2, derive(4, "initial")), points[:2].double())


@pytest.mark.parametrize("setting", [False, True])
def test_the_users_precision_does_not_matter(setting):
    """A float64 landscape computes in float64 whatever the user's setting, and a float32 one in float32."""
    values = {}
    for dtype in (torch.float32, torch.float64):
        with jax.enable_x64(setting):
            landscape = regression(dtype=dtype)
            points = torch.full((1, 4), 1 / 3, dtype=dtype)
            values[dtype] = landscape.loss(points), landscape.gradient(points), landscape.hvp(points, points)
            assert landscape.initial(1, derive(0, "x")).dtype == dtype
            assert jax.config.jax_enable_x64 == setting
        x = torch.from_numpy(np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)).to(dtype)
        residual = x.sum(1) / 3 + points[0, 3] - x.sum(1)
        torch.testing.assert_close(values[dtype][0], residual.square().mean()[None], rtol=None, atol=None)
        assert {value.dtype for value in values[dtype]} == {dtype}
    gaps = [(a.double() - b).abs().max() for a, b in zip(*values.values(), strict=True)]
    assert all(0 < gap < 1e-5 for gap in gaps)


def test_params_of_float64_give_a_float64_landscape():
    with precision(torch.float64):
        params = [jnp.ones(3), jnp.zeros(())]
    data = {"x": np.ones((4, 3)), "y": np.zeros(4)}
    landscape = JaxLandscape(None, params, data, loss=squared)
    assert landscape.dtype == torch.float64
    assert landscape.loss(landscape.point(params)[None]).item() == 9


@pytest.mark.parametrize("strategy", ["vmap", "loop"])
def test_no_points_have_no_losses(strategy):
    landscape = regression(strategy=strategy)
    none = torch.empty(0, 4)
    assert landscape.loss(none).shape == (0,)
    assert nwedge.hvp(landscape, none, none).shape == (0, 4)


def test_subsets_and_epochs(landscape):
    points = landscape.initial(2, derive(0, "points"))
    some = landscape.take(choose(landscape.examples, 60, derive(0, "subset")))
    assert (some.examples, some.predict(points).shape) == (60, (2, 60, 10))
    views = landscape.epoch(derive(0, "epoch"))
    assert len(views) == 10
    torch.testing.assert_close(torch.stack([view.loss(points) for view in views]).mean(0), landscape.loss(points))
    with pytest.raises(ValueError, match="drawn for 3 points, one generator each; got 2"):
        landscape.minibatch([derive(0, i) for i in range(3)]).loss(points)


@pytest.mark.parametrize("strategy", ["vmap", "loop"])
def test_the_losses_of_examples_are_those_of_the_examples_alone(strategy):
    landscape = regression(strategy=strategy)
    points = torch.randn(3, landscape.dim, generator=derive(0, "points"))
    losses = landscape.example_losses(points)
    torch.testing.assert_close(losses.mean(1), landscape.loss(points))
    few = torch.tensor([5, 0, 7])
    singles = torch.stack([landscape.take(one[None]).loss(points) for one in few], 1)
    torch.testing.assert_close(losses[:, few], singles)
    torch.testing.assert_close(landscape.take(few).example_losses(points), singles)


def test_nan_is_counted_not_hidden(landscape):
    points = landscape.initial(2, derive(0, "points"))
    points[1] = torch.nan
    assert landscape.loss(points).isnan().tolist() == [False, True]
    assert landscape.accuracy(points).isnan().tolist() == [False, True]


def test_every_method_runs_on_a_network_trained_in_jax(net):
    """Descent in JAX alone; then tunnels, m-tunnels and curvature."""
    landscape = JaxLandscape(net.apply, net.params, net.train, net.held_out, init=net.init)
    images, labels = map(jnp.asarray, net.train)

    @jax.jit
    def step(params):
        def loss(params):
            logs = jax.nn.log_softmax(net.apply(params, images))
            return -jnp.take_along_axis(logs, labels[:, None], 1).mean()

        return jax.tree.map(lambda weight, slope: weight - 0.5 * slope, params, jax.grad(loss)(params))

    optima = []
    for seed in range(3):
        params = net.init(jax.random.key(seed))
        for _ in range(200):
            params = step(params)
        optima.append(landscape.point(params))
    optima = torch.stack(optima)
    assert landscape.held_out.accuracy(optima).min() > 0.8

    middle = landscape.loss((optima[:1] + optima[1:2]) / 2)
    tunnel = nwedge.tunnel(landscape, optima[0], optima[1], steps=30, generator=derive(0, "tunnel"))
    along = landscape.loss(tunnel.path.embed(torch.linspace(0, 1, 9)[:, None]))
    assert along.max() < middle
    sheet = nwedge.m_tunnel(landscape, optima, steps=30, generator=derive(0, "sheet"))
    assert landscape.loss(sheet.center[None]) < landscape.loss(optima.mean(0, keepdim=True))
    exact, ball = (
        nwedge.short_directions(
            landscape, optima[0], [0.3], radius=radius, method="lanczos", steps=20, generator=derive(0, "curvature")
        )
        for radius in (0.0, 0.05)
    )
    assert 0 < float(exact.counts) < landscape.dim / 2
    assert 0 < float(ball.counts) < landscape.dim / 2


def test_bad_params_are_refused_by_place(net):
    def refuse(params, error, words):
        with pytest.raises(error, match=words):
            JaxLandscape(net.apply, params, net.train)

    refuse({**net.params, "step": jnp.zeros(2, int)}, TypeError, r"leaf \['step'\] of params has dtype int32")
    refuse({**net.params, "key": jax.random.key(0)}, TypeError, r"leaf \['key'\] of params has dtype key")
    refuse(
        {**net.params, "relu": jax.nn.relu}, TypeError, r"leaf \['relu'\] of params is a .*: leave it to the function"
    )
    refuse({**net.params, "scale": 1.0}, TypeError, r"leaf \['scale'\] of params is a float")
    refuse({**net.params, "w": jnp.array([1, jnp.nan])}, ValueError, r"leaf \['w'\] of params holds NaN or infinity")
    refuse(
        {**net.params, "w": jnp.ones(2, jnp.bfloat16)},
        TypeError,
        "one dtype, float32 or float64; got bfloat16, float32",
    )
    refuse({}, ValueError, "params hold no weights")
    refuse(np.array([np.inf]), ValueError, "^params holds NaN or infinity")


def test_bad_functions_are_refused(net):
    images, labels = net.train

    def refuse(words, apply_fn=None, data=net.train, error=ValueError, **options):
        with pytest.raises(error, match=words):
            JaxLandscape(apply_fn, net.params, data, **options)

    refuse(r"give apply_fn\(params, x\) -> logits, or loss=")
    refuse(
        r"apply_fn\(params, x\) fails on float32 \(8, 63\) from the training data: .*: give data of the shape",
        net.apply,
        (images[:, 1:], labels),
    )
    refuse(
        r"must return logits of shape .*, here \(8, classes\); got float32 \(8,\)", lambda p, x: net.apply(p, x)[:, 0]
    )
    vector = lambda params, batch: net.apply(params, batch[0])[:, 0]  # noqa: E731
    refuse(r"loss\(params, batch\) must return the mean .* shape \(\); got float32 \(8,\)", loss=vector)
    refuse(
        r"shape \(\); got \(float32 \(\), dict\)|shape \(\); got \(float32 \(\), \{",
        loss=lambda p, b: (jnp.zeros(()), {}),
    )
    half = lambda params, batch: vector(params, batch).mean().astype(jnp.float16)  # noqa: E731
    refuse("must have the landscape's dtype, float32; got float16", error=TypeError, loss=half)
    refuse(r"loss\(params, batch\) fails on \(float32 \(8, 64\), int32 \(8,\)\)", loss=lambda p, b: p["nothing"])
    refuse("chunk must be at least 1", net.apply, chunk=0)
    refuse("strategy must be one of", net.apply, strategy="scan")
    refuse(
        "dtype must be torch.float32 or torch.float64; got torch.float16", net.apply, error=TypeError, dtype=torch.half
    )


def test_bad_data_are_refused(net):
    images, labels = net.train

    def refuse(data, words, error=ValueError, **options):
        with pytest.raises(error, match=words):
            JaxLandscape(net.apply, net.params, data, **options)

    refuse((images[:0], labels[:0]), "the training data hold no examples")
    refuse((images, labels[:9]), r"one length.*500 in leaf \[0\] of the training data and 9 in leaf \[1\]")
    refuse((images, labels.astype(float)), "integer labels y of shape")
    refuse(images, r"needs?.* must be \(x, y\)|must be \(x, y\)")
    refuse((images, labels + 1), "labels must be between 0 and 9, since apply_fn gives 10 logits; got 10")
    refuse((np.where(images > 0, np.nan, images), labels), r"leaf \[0\] of the training data holds NaN or infinity")
    refuse((images, list(map(str, labels))), r"leaf \[1\]\[0\] of the training data is a str", TypeError)
    refuse((images, labels[0]), r"leaf \[1\] of the training data has no axis")
    refuse([], "the training data hold no array")
    refuse((torch.from_numpy(images).to("meta"), labels), "JAX sees no device for torch's meta: use the CPU")
    refuse((images, labels + 2**32), r"leaf \[1\] of the training data holds integers of more than 32 bits")
    with pytest.raises(ValueError, match=r"fails on float32 \(8, 5\) from the held-out data"):
        JaxLandscape(net.apply, net.params, net.train, (images[:, :5], labels))


def test_bad_points_and_initialisations_are_refused(net, landscape):
    with pytest.raises(ValueError, match=r"no leaf \['in'\]\['b'\] of params and an unexpected leaf \['inn'\]\['b'\]"):
        landscape.point({"inn": net.params["in"], "out": net.params["out"]})
    with pytest.raises(ValueError, match=r"leaf \['in'\]\['b'\] of params must have shape \(8,\); got \(9,\)"):
        landscape.point(net.init(jax.random.key(0), hidden=9) | {"out": net.params["out"]})
    with pytest.raises(ValueError, match=r"point must have shape \(batch, 610\); got \(1, 5\)"):
        landscape.params(landscape.point(net.params)[:5])
    with pytest.raises(TypeError, match=r"points must have dtype torch\.float32; got torch\.float64"):
        landscape.loss(landscape.point(net.params)[None].double())
    with pytest.raises(ValueError, match=r"initial points need init=, a function\(key\) -> params"):
        JaxLandscape(net.apply, net.params, net.train).initial(1, derive(0, "initial"))
    with pytest.raises(ValueError, match=r"what init\(key\) returns must have the leaves .*; got no leaf \['in'\]"):
        JaxLandscape(net.apply, net.params, net.train, init=lambda key: {})


def test_params_on_two_devices_are_refused_and_those_on_the_second_work():
    code = """
import jax, jax.numpy as jnp, numpy as np, torch
from nwedge.adapters.jax import JaxLandscape
first, second = jax.devices()
loss = lambda params, x: (x @ params["a"] + params["b"]).mean() ** 2
data = np.ones((4, 3), np.float32)
mixed = {"a": jax.device_put(jnp.ones(3), first), "b": jax.device_put(jnp.ones(()), second)}
try:
    JaxLandscape(None, mixed, data, loss=loss)
except ValueError as error:
    print(error)
landscape = JaxLandscape(None, jax.device_put(mixed, second), data, loss=loss, init=lambda key: mixed)
moved = JaxLandscape(None, jax.device_put(mixed, first), jax.device_put(data, second), loss=loss)
print(moved.loss(torch.ones(1, 4)).item())
print(landscape.loss(torch.ones(1, 4)).item(), landscape.hvp(torch.ones(1, 4), torch.ones(1, 4)).tolist())
"""
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout.splitlines()
    assert "params must be on one device; leaf ['a'] of params is on " in found[0]
    assert "and leaf ['b'] of params on " in found[0]
    assert found[1] == "16.0"  # data are copied to the device of params
    assert found[2] == "16.0 [[8.0, 8.0, 8.0, 8.0]]"
