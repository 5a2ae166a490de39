"""Counts of evaluations from specs alone, against what is really evaluated."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch.utils import _pytree as pytree

from nwedge import landscape
from nwedge.claims import _search, radial_wells, short_directions, tunnel_width, tunnels
from nwedge.claims._task import execute
from nwedge.landscapes.networks import data, network
from nwedge.landscapes.networks.evaluation import Evaluation
from nwedge.methods import curvature, probes, sheets
from nwedge.methods.kept_graph import keep_graph
from nwedge.methods.thresholds import most_visited
from nwedge.specs import configs, cost
from nwedge.specs.canonical import Spec
from nwedge.specs.claims import CLAIMS
from nwedge.specs.cost import Cost, count, total
from nwedge.specs.landscapes import ControlSpec, LandscapeSpec, NetworkSpec, WedgeSpec
from nwedge.specs.presets import PRESETS, Preset, expand
from nwedge.specs.subjects import Sheets, Subject, Training, cycles, plain, varied
from nwedge.specs.tasks import CYCLE, DECAY, OPTIMA, RATE, RUNS, SHEETS, SIZE, ClaimSpec, GroupSpec, SheetSpec, TaskSpec
from nwedge.store import Result

EXAMPLES, HELD_OUT, BATCH = 210, 397, 32
EXACT = ("no-obstacles", "tunnels", "two-halves", "m-tunnels")
SEARCHED = (
    "short-directions",
    "sections",
    "radial-wells",
    "tunnel-width",
    "intrinsic-dimension",
    "averaging",
    "ensembling",
)
SEARCH = configs.SectionsConfig(
    level=0.9, levels=(0.95,), radii=(2.0,), planes=1, rates=(0.1, 0.3), steps=3, resolution=2.0, examples=150
)


def small(seed: int) -> LandscapeSpec:
    return NetworkSpec(
        name="network",
        architecture="mlp",
        data="digits",
        strategy="vmap",
        chunk=128,
        examples=EXAMPLES,
        batch_size=BATCH,
    )


JUDGED = dataclasses.replace(plain(30, momentum=0.9, kept=6), examples=150)
LIGHT = Subject(
    "network",
    small,
    (
        Training(OPTIMA, small, JUDGED, rates=(0.1,), members=5),
        Training(RATE, small, plain(30, kept=6), rates=(0.05, 0.1)),
        Training(DECAY, small, plain(20, kept=5), rates=(0.1,), decays=(0.0, 0.01)),
        Training(SIZE, varied(small, width=0.5), plain(20, kept=4), rates=(0.1,)),
        Training(CYCLE, varied(small, batch_size=16), cycles(10, 6), rates=(0.05, 0.1)),
    ),
    Sheets((2, 3, 5), steps=7),
    settings={
        "no-obstacles": configs.NoObstaclesConfig(points=11),
        "tunnels": configs.TunnelsConfig(
            steps=20,
            samples=3,
            interior=3,
            pointwise_steps=15,
            points=9,
            bends=12,
            bend_points=5,
            examples=100,
            path_examples=120,
        ),
        "two-halves": configs.TwoHalvesConfig(steps=10, samples=3, places=2, pointwise_steps=20),
        "m-tunnels": configs.MTunnelsConfig(
            m=(2, 3, 5), points=30, examples=50, scored=20, pointwise=(2, 3), pointwise_steps=6
        ),
        "short-directions": configs.ShortDirectionsConfig(m=(2, 3), probes=2, steps=3, examples=90),
        "sections": SEARCH,
        "radial-wells": configs.RadialWellsConfig(directions=20, distances=8, long=4, threshold=1.0, examples=90),
        "tunnel-width": configs.TunnelWidthConfig(directions=5, snapshots=4, examples=90),
        "intrinsic-dimension": configs.IntrinsicDimensionConfig(search=SEARCH, probes=2, steps=3, examples=90),
        "averaging": configs.AveragingConfig(snapshots=4, examples=90),
        "ensembling": configs.EnsemblingConfig(members=4, m=5),
    },
)


@dataclass
class Counter:
    """What the network evaluates, by what is done with it."""

    forward: int = 0
    gradient: int = 0
    product: int = 0
    multiplying: bool = False

    @property
    def passes(self) -> int:
        return self.forward + 3 * self.gradient + 8 * self.product

    def reset(self) -> None:
        self.forward = self.gradient = self.product = 0


@pytest.fixture(scope="module")
def counter() -> Iterator[Counter]:
    counter, values = Counter(), Evaluation.values
    products, backward = network.hessian_products, landscape._double_backward

    def counted(self, function, points, statistics, batch, *, per_row=False, seeds=None):
        leaf = pytree.tree_leaves(batch)[0]
        seen = leaf.shape[0] * leaf.shape[1] if per_row else leaf.shape[0] * len(points)
        differentiated = points.requires_grad and torch.is_grad_enabled()
        kind = "product" if counter.multiplying else "gradient" if differentiated else "forward"
        setattr(counter, kind, getattr(counter, kind) + seen)
        return values(self, function, points, statistics, batch, per_row=per_row, seeds=seeds)

    def multiplying(function):
        def wrapped(*arguments):
            counter.multiplying = True
            try:
                return function(*arguments)
            finally:
                counter.multiplying = False

        return wrapped

    def kept(parts):
        """A graph is built once, which is left out; each vector then goes through the examples that it was built on."""
        before = counter.gradient
        graph = keep_graph(parts)
        examples, counter.gradient = counter.gradient - before, before
        multiply = graph.products

        def counted_products(vectors):
            counter.product += len(vectors) * examples
            return multiply(vectors)

        graph.products = counted_products
        return graph

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Evaluation, "values", counted)
        patch.setattr(network, "hessian_products", multiplying(products))
        patch.setattr(landscape, "_double_backward", multiplying(backward))
        patch.setattr(curvature, "keep_graph", kept)
        yield counter


@pytest.fixture(scope="module")
def done(counter: Counter) -> dict[str, list[tuple[TaskSpec, Counter]]]:
    """Every light task with what it evaluated, by folder."""
    claims = (*EXACT, *SEARCHED)
    preset = Preset({"network": (LIGHT,)})
    results: dict[str, Result] = {}
    found: dict[str, list[tuple[TaskSpec, Counter]]] = {}
    for task in expand(preset, claims=claims, landscapes=("network",), seeds=range(1), quick=False):
        if isinstance(task, ClaimSpec) and task.claim not in claims:
            continue
        counter.reset()
        results[task.id] = execute(task, {id: results[id] for id in task.needs})
        seen = Counter(counter.forward, counter.gradient, counter.product)
        found.setdefault(task.folder, []).append((task, seen))
    return found


@pytest.mark.parametrize("folder", [RUNS, SHEETS, *EXACT])
def test_the_count_is_what_is_evaluated(done, folder: str) -> None:
    assert done[folder]
    for task, seen in done[folder]:
        expected = count(task)
        assert expected.search == 0
        assert (seen.gradient, seen.product) == (expected.gradient, expected.product)
        assert seen.forward == pytest.approx(expected.forward, rel=0.02, abs=100)  # the model is tried out when built
        assert seen.passes == pytest.approx(expected.passes, rel=0.02)


@pytest.mark.parametrize("folder", SEARCHED)
def test_what_a_search_evaluates_is_no_more_than_its_bound(done, folder: str) -> None:
    assert done[folder]
    for task, seen in done[folder]:
        expected = count(task)
        assert expected.passes <= 1.02 * seen.passes
        assert seen.passes <= 1.02 * (expected.passes + expected.search)


def test_a_gradient_is_three_passes_and_a_product_eight() -> None:
    assert Cost(forward=5, gradient=7, product=11, search=13).passes == 5 + 3 * 7 + 8 * 11
    assert Cost(forward=5, gradient=7, product=11, search=13).searched == Cost(search=5 + 3 * 7 + 8 * 11 + 13)
    assert total([Cost(forward=1), Cost(gradient=2, search=3)]) * 2 == Cost(forward=2, gradient=4, search=6)
    assert total([]) == Cost()


def test_the_numbers_are_those_of_the_code_that_measures() -> None:
    assert [cost._visited(most) for most in (1, 300, 2048, 32_767)] == [
        most_visited(most) for most in (1, 300, 2048, 32_767)
    ]
    assert short_directions.BALL == cost.IN_BALL
    assert cost.STARTS == _search.DRAWS
    assert len(probes.EXTENT_GRID) + probes.HALVINGS == cost.EXTENT
    assert tunnel_width.ANGLES + tunnel_width.HALVINGS == cost.WIDTH
    assert (radial_wells.SCOUTS, len(radial_wells.RADII)) == (cost.SCOUTS, cost.RADII)
    assert cost.WIDTH_OF_WELL - radial_wells.HALVINGS == 18
    assert curvature.DRAWS == cost.BALL
    assert len(tunnels.PATHS) == 5
    assert [cost._samples(m) for m in (2, 6, 7, 10)] == [sheets.LEAST_SAMPLES, 8, 16, 128]


def test_the_examples_of_a_data_set_are_known_without_it() -> None:
    assert tuple(len(x) for x, _ in data.digits()) == cost.DATA["digits"]
    for preset in PRESETS.values():
        for task in _tasks(preset):
            if isinstance(task.landscape, NetworkSpec):
                assert task.landscape.data in cost.DATA


@pytest.mark.parametrize("preset", PRESETS)
def test_every_task_of_every_preset_can_be_counted(preset: str) -> None:
    for task in _tasks(PRESETS[preset]):
        found = count(task)
        assert all(part >= 0 for part in (found.forward, found.gradient, found.product, found.search))


def test_training_and_sheets_by_hand() -> None:
    tasks = _tasks(PRESETS["digits"])
    groups = [task for task in tasks if isinstance(task, GroupSpec) and isinstance(task.landscape, NetworkSpec)]
    for task in groups:
        own = task.landscape
        assert isinstance(own, NetworkSpec)
        examples = own.examples or 1400
        found = count(task)
        assert found.gradient == len(task.runs) * task.train.steps * min(own.batch_size, examples)
        assert found.forward == len(task.runs) * len(task.train.keep) * examples
    for task in (task for task in tasks if isinstance(task, SheetSpec)):
        samples = task.samples or max(8, 2**task.m // 8)
        batch = 128 if isinstance(task.landscape, NetworkSpec) else 1
        assert count(task) == Cost(gradient=task.steps * samples * batch)


def test_without_data_points_are_counted() -> None:
    toy = WedgeSpec(name="toy", dim=30, short=5)
    config = configs.NoObstaclesConfig(points=11)
    (ref,) = next(task.reads[:1] for task in _tasks(PRESETS["digits"]) if isinstance(task, ClaimSpec))
    found = count(ClaimSpec(claim="no-obstacles", landscape=toy, seed=0, config=config, reads=(ref, ref)))
    assert found == Cost(forward=22)
    bowl = ControlSpec(name="control-bowl", kind="bowl", dim=30)
    known = count(ClaimSpec(claim="radial-wells", landscape=bowl, seed=0, config=configs.RadialWellsConfig(), reads=()))
    law = count(ClaimSpec(claim="radial-wells", landscape=toy, seed=0, config=configs.RadialWellsConfig(), reads=()))
    assert known.search - law.search == 8 * 30 * 200


@dataclass(frozen=True, kw_only=True)
class Unknown(Spec):
    """The settings of no claim."""


def test_what_is_not_known_is_refused() -> None:
    task = _tasks(PRESETS["digits"])[-1]
    with pytest.raises(TypeError, match="no evaluations are known for the claim 'new' with a Unknown"):
        count(ClaimSpec(claim="new", landscape=task.landscape, seed=0, config=Unknown(), reads=()))
    with pytest.raises(TypeError, match="no evaluations are known for a TaskSpec; known: GroupSpec, SheetSpec"):
        count(TaskSpec(landscape=task.landscape))


def _tasks(preset: Preset) -> tuple[TaskSpec, ...]:
    claims = tuple(claim.id for claim in CLAIMS)
    return expand(preset, claims=claims, landscapes=("toy", "network", "controls"), seeds=range(2), quick=False)
