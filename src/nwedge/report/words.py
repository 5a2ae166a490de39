"""Numbers, landscapes and outcomes in words that a reader knows."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeGuard

KINDS = ("toy", "network", "control")
"""The kinds of landscapes, in the order in which they are shown."""

PLAIN = {
    "toy-complete": "all wedges",
    "toy-sampled": "sampled wedges",
    "control-bowl": "bowl",
    "control-isolated": "isolated minima",
    "control-horseshoe": "horseshoe",
    "control-groove": "groove",
    "control-ball": "flat ball",
    "control-permuted": "shuffled levels",
    "control-repeated": "one optimum repeated",
}
"""What follows the kind in a landscape's title; a name that is not here is shown as it stands."""

SYMBOLS = {"holds": "✓", "fails": "✗", "inconclusive": "?"}


def kind(landscape: str) -> str:
    """Toy, network or control, by the landscape's name; whatever is neither toy nor control is a network."""
    prefix = landscape.split("-")[0]
    return prefix if prefix in ("toy", "control") else "network"


def title(landscape: str) -> str:
    """The landscape's name as a title: its kind, then what it is."""
    if landscape == "network":
        return "Network"
    rest = PLAIN.get(landscape, landscape.removeprefix(f"{kind(landscape)}-"))
    return f"{kind(landscape).capitalize()}: {rest}"


def ordered(landscapes: Iterable[str]) -> list[str]:
    """The landscapes without repeats: toys, networks, controls, otherwise in the order given."""
    return sorted(dict.fromkeys(landscapes), key=lambda name: KINDS.index(kind(name)))


def expected(landscape: str, outcome: str) -> bool | None:
    """Whether an outcome is as claimed: toys and networks hold, controls fail; None where it is inconclusive."""
    if outcome not in ("holds", "fails"):
        return None
    return outcome == ("fails" if kind(landscape) == "control" else "holds")


def outcome(landscape: str, outcome: str) -> str:
    """The outcome in words: a control says whether it failed as it must."""
    if kind(landscape) != "control":
        return outcome
    return outcome + {True: ", as it must", False: ", but must fail", None: ""}[expected(landscape, outcome)]


def defined(value: Any) -> TypeGuard[float]:
    """Whether a value is a number other than NaN."""
    return isinstance(value, int | float) and not math.isnan(value)


def number(value: Any, digits: int = 3) -> str:
    """A number with three significant digits, or others; null and NaN are "undefined"."""
    if not defined(value):
        return "undefined"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if isinstance(value, int) or (value == round(value) and abs(value) < 1e6):
        return f"{round(value):,}".replace("-", "−")
    mantissa, _, exponent = f"{value:.{digits}g}".partition("e")
    text = f"{mantissa}e{int(exponent)}" if exponent else mantissa
    return text.replace("-", "−")


def percent(share: Any) -> str:
    """A share in percent with one digit after the point; null and NaN are "undefined"."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%".replace("-", "−") if defined(share) else "undefined"


def degrees(angle: Any) -> str:
    """An angle in degrees with one digit after the point; null and NaN are "undefined"."""
    return f"{angle:.1f}°".replace("-", "−") if defined(angle) else "undefined"


def interval(bounds: Any, say: Callable[[Any], str] = number) -> str:
    """An interval as [low, high], each end as `say` says it; empty where it is undefined."""
    if not bounds or not all(defined(bound) for bound in bounds):
        return ""
    return f"[{', '.join(map(say, bounds))}]"


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


PLURALS = {"optimum": "optima", "pass": "passes"}
"""Of nouns that take no s."""


def count(amount: int, noun: str) -> str:
    """An amount with its noun, in the plural where it is not one."""
    return f"{amount:,} {noun if amount == 1 else PLURALS.get(noun, noun + 's')}"


def listed(things: Sequence[str]) -> str:
    """Things as a list with "and" before the last."""
    return " and ".join(filter(None, [", ".join(things[:-1]), *things[-1:]]))
