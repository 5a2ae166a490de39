"""What a task evaluates, counted from its spec before anything runs: losses, gradients and products, one example each.

On a network the unit is the network at one point on one example; on a landscape without data it is one point. A search
decides on the way how much it evaluates: what it may add at most is counted apart.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from functools import singledispatch

from nwedge.specs import configs
from nwedge.specs.canonical import Spec
from nwedge.specs.landscapes import ControlSpec, LandscapeSpec, NetworkSpec, WedgeSpec
from nwedge.specs.tasks import (
    CYCLE,
    OPTIMA,
    RATE,
    SIZE,
    ClaimSpec,
    GroupSpec,
    RunRef,
    SheetSpec,
    TaskSpec,
)

GRADIENT, PRODUCT = 3, 8
"""A gradient and a Hessian-vector product, in forward passes: a backward pass costs two of them."""
DATA = {"digits": (1400, 397), "fashion-mnist": (60_000, 10_000), "cifar10": (50_000, 10_000)}
"""The training and the held-out examples of each data set."""
STARTS = 64
"""Initial points whose mean loss is the unit of levels."""
LARGEST = 32_767
"""The most weights that a network is taken to have where a search over dimensions is bounded."""
EXTENT, WIDTH, WIDTH_OF_WELL = 21 + 12, 9 + 6, 18 + 6
"""The most losses along one direction until an extent is known, or an angular width: of tunnels, of radial wells."""
SCOUTS, RADII = 64, 10
"""Of radial wells: directions along which the crossing is sought; radii at which it is rotated."""
LONG, EDGE = 2000, 60
"""The products that the long directions, and the edge of stability, of a network take: twice the most that was seen."""
BALL, IN_BALL = 200, 32
"""Points of the ball that the Hessian is averaged over where there are no data, and at which its loss is taken."""


@dataclass(frozen=True)
class Cost:
    """How often the loss of one point on one example is evaluated.

    Attributes:
        forward: without a gradient.
        gradient: with its gradient.
        product: multiplied with its Hessian.
        search: what searches add at most, in forward passes.
    """

    forward: int = 0
    gradient: int = 0
    product: int = 0
    search: int = 0

    @property
    def passes(self) -> int:
        """All but the searches in forward passes: a gradient counts as 3, a Hessian-vector product as 8."""
        return self.forward + GRADIENT * self.gradient + PRODUCT * self.product

    @property
    def searched(self) -> "Cost":
        """All of it as a search: at most so much."""
        return Cost(search=self.passes + self.search)

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.forward + other.forward,
            self.gradient + other.gradient,
            self.product + other.product,
            self.search + other.search,
        )

    def __mul__(self, times: int) -> "Cost":
        return Cost(self.forward * times, self.gradient * times, self.product * times, self.search * times)


NOTHING = Cost()


@dataclass(frozen=True)
class _Data:
    """How many examples a loss, a held-out loss and a minibatch see; 1, 0 and 1 where there are no data."""

    train: int
    held_out: int
    batch: int

    def few(self, examples: int | None) -> int:
        """So many of the training examples; all for None."""
        return _few(self.train, examples)


def _few(every: int, examples: int | None) -> int:
    return every if examples is None else min(examples, every)


def has_data(landscape: LandscapeSpec) -> bool:
    """Whether evaluations are counted per example."""
    return isinstance(landscape, NetworkSpec)


def count(task: TaskSpec) -> Cost:
    """What a task evaluates; less where optima coincide or a run stops early.

    Predictions and accuracies count as losses; distances to wedges and the exact polish on them are left out.

    Raises:
        TypeError: a task or a claim whose evaluations are not known.
    """
    data = _data(task.landscape)
    if isinstance(task, GroupSpec):
        kept = Cost(forward=len(task.train.keep) * data.few(task.train.examples))
        return (kept + _steps(task.train.steps, data)) * len(task.runs)
    if isinstance(task, SheetSpec):
        samples = _samples(task.m) if task.samples is None else task.samples
        return _steps(task.steps, data) * samples
    if isinstance(task, ClaimSpec):
        return _measured(task.config, task, data)
    raise TypeError(f"no evaluations are known for a {type(task).__name__}; known: GroupSpec, SheetSpec, ClaimSpec")


def total(costs: Iterable[Cost]) -> Cost:
    """The sum of costs."""
    return sum(costs, NOTHING)


def _data(landscape: LandscapeSpec) -> _Data:
    if not isinstance(landscape, NetworkSpec):
        return _Data(1, 0, 1)
    train, held_out = DATA[landscape.data]
    train = _few(train, landscape.examples)
    return _Data(train, held_out, min(landscape.batch_size, train))


def _steps(steps: int, data: _Data) -> Cost:
    """The steps of one point on minibatches."""
    return Cost(gradient=steps * data.batch)


def _samples(m: int) -> int:
    """The points of a sheet that a step averages over where none are asked for: see `nwedge.methods.sheets`."""
    return max(8, 2**m // 8)


def _reads(task: ClaimSpec, *roles: str) -> list[RunRef]:
    """The runs that a claim reads, of some roles; of all for none."""
    return [ref for ref in task.reads if not roles or ref.role in roles]


def _classified(points: int, data: _Data) -> Cost:
    """The loss of points; of classifiers also the accuracy, and both on the held-out data."""
    return Cost(forward=points * (2 * (data.train + data.held_out) if data.held_out else data.train))


def _hessian(landscape: LandscapeSpec, vectors: int, examples: int, *, ball: int = BALL) -> Cost:
    """Products of the Hessian averaged over a ball: on a network with vectors, elsewhere with all of the dimension."""
    if isinstance(landscape, WedgeSpec | ControlSpec):
        return Cost(product=landscape.dim * ball)
    return Cost(product=vectors * examples)


def _thresholds(config: configs.SectionsConfig, sought: int, data: _Data) -> Cost:
    """At most: thresholds of random planes, each trained at every rate and judged on some examples."""
    descents = (Cost(forward=data.few(config.examples)) + _steps(config.steps, data)) * len(config.rates)
    return (descents * (sought * _visited(config.most or LARGEST) * config.planes)).searched


def _visited(most: int) -> int:
    """The most dimensions that a search up to `most` visits: see `nwedge.methods.thresholds`."""
    return 2 * most.bit_length() + 10


@singledispatch
def _measured(config: Spec, task: ClaimSpec, data: _Data) -> Cost:
    """What a claim evaluates, by the type of its settings."""
    raise TypeError(f"no evaluations are known for the claim {task.claim!r} with a {type(config).__name__}")


@_measured.register
def _(config: configs.NoObstaclesConfig, task: ClaimSpec, data: _Data) -> Cost:
    return Cost(forward=len(task.reads) * config.points * data.few(config.examples))


@_measured.register
def _(config: configs.TunnelsConfig, task: ClaimSpec, data: _Data) -> Cost:
    whole = _steps(config.steps, data) * config.samples
    pointwise = _steps(config.pointwise_steps, data) * config.interior
    paths = 5 if data.held_out else 4  # the line to the matched copy is that of networks alone
    bends = Cost(forward=config.bends * config.bend_points * data.few(config.examples))
    seen = dataclasses.replace(
        data, train=data.few(config.path_examples), held_out=_few(data.held_out, config.path_examples)
    )
    again = NOTHING if config.path_examples is None else Cost(forward=(2 + paths) * data.train)  # ends, highest points
    return whole * 2 + pointwise + _classified(paths * config.points, seen) + again + bends


@_measured.register
def _(config: configs.TwoHalvesConfig, task: ClaimSpec, data: _Data) -> Cost:
    whole = _steps(config.steps, data) * config.samples
    pointwise = _steps(config.pointwise_steps, data) * (2 * config.places)
    return whole + pointwise + Cost(forward=2 * (2 * config.places + 1) * data.held_out)


@_measured.register
def _(config: configs.SectionsConfig, task: ClaimSpec, data: _Data) -> Cost:
    level = Cost(forward=STARTS * data.few(config.examples))
    return level + _thresholds(config, 1 + len(config.radii) + len(config.levels), data)


@_measured.register
def _(config: configs.RadialWellsConfig, task: ClaimSpec, data: _Data) -> Cost:
    examples = data.few(config.examples)
    points = STARTS + 3 + RADII + config.directions * config.distances
    sought = 1 + EXTENT * (SCOUTS + config.directions + config.long) + RADII * config.turns * WIDTH_OF_WELL
    known = NOTHING if isinstance(task.landscape, WedgeSpec) else _hessian(task.landscape, LONG, examples).searched
    return Cost(forward=points * examples) + Cost(forward=sought * examples).searched + known


@_measured.register
def _(config: configs.TunnelWidthConfig, task: ClaimSpec, data: _Data) -> Cost:
    def along(ref: RunRef) -> Cost:
        seen = config.snapshots * _data(ref.landscape).few(config.examples)
        return Cost(forward=seen, search=seen * config.directions * WIDTH)

    swept = [ref for ref in _reads(task) if ref.role != OPTIMA]
    return Cost(forward=STARTS * data.few(config.examples)) + total(map(along, swept))


@_measured.register
def _(config: configs.IntrinsicDimensionConfig, task: ClaimSpec, data: _Data) -> Cost:
    def sized(ref: RunRef) -> Cost:
        own = _data(ref.landscape)
        counted = _hessian(ref.landscape, config.probes * config.steps, own.few(config.examples))
        level = Cost(forward=STARTS * own.few(config.search.examples))
        return counted + level + _thresholds(config.search, 1, own)

    return total(map(sized, _reads(task, SIZE)))


@_measured.register
def _(config: configs.AveragingConfig, task: ClaimSpec, data: _Data) -> Cost:
    cycles = _reads(task, CYCLE)
    own = _data(cycles[0].landscape)
    examples = own.few(config.examples)
    points = 2 * config.snapshots * len(cycles)  # the snapshots and their running averages
    predicted = points * (examples + _few(own.held_out, config.examples)) if own.held_out else 0
    return Cost(forward=points * examples + predicted) + Cost(product=EDGE * examples).searched


@_measured.register
def _(config: configs.EnsemblingConfig, task: ClaimSpec, data: _Data) -> Cost:
    predicted = 2 * config.members + 1  # for the scores and for the disagreement, and the average of the weights
    one, cycles = Cost(forward=predicted * data.held_out), _reads(task, CYCLE)
    across = one.searched if len(cycles) > 1 else NOTHING  # where a rate above the lowest is stable
    return one * (1 + bool(cycles) + bool(task.sheets)) + across


@_measured.register
def _(config: configs.MTunnelsConfig, task: ClaimSpec, data: _Data) -> Cost:
    scored = config.scored or config.examples
    seen = data.few(config.examples) + _few(data.held_out, scored)  # of classifiers also their accuracy
    own = len(_reads(task, OPTIMA))

    def spanned(m: int) -> Cost:
        pointwise = m in config.pointwise
        tops = m if m > own else 1  # the highest point of the surface or, from a pool, of each optimum's region
        again = 0 if config.examples is None else tops * data.train
        points = Cost(forward=(2 + pointwise) * (config.points * seen + again) + (m + 1) * data.train)
        return points + _steps(config.pointwise_steps, data) * (pointwise * (2**m - 1 - m))

    return total(map(spanned, config.m[: len(task.sheets)]))


@_measured.register
def _(config: configs.ShortDirectionsConfig, task: ClaimSpec, data: _Data) -> Cost:
    examples, centres, rates = data.few(config.examples), 1 + len(task.sheets), len(_reads(task, RATE))
    vectors = config.probes * config.steps
    smooth = _hessian(task.landscape, vectors, examples)
    literal = _hessian(task.landscape, vectors, examples, ball=1) * (centres if config.literal else 0)
    known = len({0.0, 0.5} & set(config.positions))  # but for rounding the first optimum and the centre over two
    places = len(config.positions) + centres
    losses = Cost(forward=(1 + IN_BALL + places) * examples)
    return smooth * (places - known + rates) + (smooth * known).searched + literal + losses
