"""What `nwedge sweep` varies: from NAME=VALUE,VALUE,... to values that a setting may have."""

import dataclasses
import math
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nwedge.specs.claims import Claim

SEED = "seed"
INNER = CLAIM, NETWORK, DATA = ("claim", "network", "data")
"""What a name may begin with: a setting of the claim, an argument of the network's or of the data's function."""
RANGE = re.compile(r"(-?\d+):(-?\d+)")
WORDS = {"true": True, "True": True, "false": False, "False": False, "None": None}
JOIN = "+"
"""Joins the entries of a value that is a list."""

Grid = dict[str, tuple[Any, ...]]
"""Values by name."""


@dataclass(frozen=True)
class Setting:
    """A setting of the training: its type, and what is wrong with a value, in words (empty if nothing is)."""

    kind: type
    wrong: Callable[[Any], str]

    def check(self, flag: str, value: Any) -> None:
        """Refuse a value (ValueError)."""
        if not _fits(value, self.kind):
            raise ValueError(f"{flag} must be {_kind(self.kind)}; got {value!r}")
        wrong = self.wrong(value)
        if wrong:
            raise ValueError(f"{flag} must be {wrong}; got {value!r}")


def _at_least(least: int) -> Callable[[Any], str]:
    return lambda value: "" if least <= value < math.inf else f"at least {least} and finite"


def _one_of(*names: str) -> Callable[[Any], str]:
    return lambda value: "" if value in names else f"one of {', '.join(names)}"


SETTINGS = {
    "optimizer": Setting(str, _one_of("sgd", "adam")),
    "lr": Setting(float, lambda value: "" if 0 < value < math.inf else "positive and finite"),
    "steps": Setting(int, _at_least(1)),
    "momentum": Setting(float, lambda value: "" if 0 <= value < 1 else "at least 0 and below 1"),
    "weight_decay": Setting(float, _at_least(0)),
    "schedule": Setting(str, _one_of("constant", "cosine")),
    "batch_size": Setting(int, _at_least(1)),
    "batch_norm": Setting(str, _one_of("keep", "recompute")),
    "sheet_steps": Setting(int, _at_least(0)),
}
"""Settings of the training, which are also flags of the command."""
VARIED = {SEED: Setting(int, _at_least(0)), **SETTINGS}


def grid(texts: Iterable[str], claim: Claim) -> Grid:
    """The values by name, in the order given.

    Args:
        texts: each NAME=VALUE,VALUE,... or NAME=FIRST:END.
        claim: whose settings may be varied.

    Raises:
        ValueError: a text of another form, an unknown name, or a value that the setting may not have.
    """
    found: Grid = {}
    for text in texts:
        name, _, given = text.partition("=")
        if not name or not given:
            raise ValueError(f"--vary must be NAME=VALUE,VALUE,... or NAME=FIRST:END; got {text!r}")
        if name in found:
            raise ValueError(f"--vary {name} is given twice: give all its values at once")
        values = tuple(_value(claim, name, value) for value in _values(given))
        if not values or len(set(values)) < len(values):
            raise ValueError(f"--vary {name} needs values that differ; got {given!r}")
        found[name] = values
    return found


def texts(settings: Mapping[str, Iterable[Any]]) -> tuple[str, ...]:
    """The texts of values by name.

    Raises:
        ValueError: values that would be others when they are read again.
    """
    return tuple(f"{name}={','.join(_written(name, value) for value in values)}" for name, values in settings.items())


def below(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The settings whose names begin with one of `INNER`, without it."""
    return {name.partition(".")[2]: value for name, value in row.items() if name.startswith(f"{where}.")}


def said(value: Any) -> str:
    """A value as a text, from which it can be read again."""
    if isinstance(value, list | tuple):
        return JOIN.join(map(said, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _written(name: str, value: Any) -> str:
    """The text of a value, if it is read as the same value (ValueError); lists are for settings of the claim."""
    text = repr(value) if type(value) is float else said(value)
    again: Any = _plain(text)
    if isinstance(value, list | tuple) and name.startswith(f"{CLAIM}."):
        again = type(value)(_plain(one) for one in text.split(JOIN))
    if _values(text) != [text] or again != value:
        raise ValueError(
            f"--vary {name} takes numbers, truth values, None, and words that are none of these and have no commas; "
            f"got {value!r}"
        )
    return text


def _values(given: str) -> list[str]:
    """The texts of the values: those between commas, or the integers of a range."""
    bounds = RANGE.fullmatch(given)
    return [str(one) for one in range(*map(int, bounds.groups()))] if bounds else given.split(",")


def _value(claim: Claim, name: str, text: str) -> Any:
    """The value of a setting in its type, if there is such a setting and it may have the value (ValueError)."""
    where, _, inner = name.partition(".")
    if inner and where in (NETWORK, DATA):
        return _finite(name, _plain(text))
    if inner and where == CLAIM:
        return _of_claim(claim, name, inner, text)
    if name not in VARIED:
        able = (*VARIED, *(f"{one}.NAME" for one in INNER))
        raise ValueError(f"--vary cannot vary {name!r}: it varies {', '.join(able)}")
    value = _plain(text)
    VARIED[name].check(f"--vary {name}", value)
    return float(value) if VARIED[name].kind is float else value


def _of_claim(claim: Claim, name: str, inner: str, text: str) -> Any:
    """The value of a setting of the claim: of the type of its default."""
    config = claim.config()
    able = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    able = {field: own for field, own in able.items() if not dataclasses.is_dataclass(own)}
    if inner not in able:
        known = ", ".join(f"{CLAIM}.{one}" for one in able)
        raise ValueError(f"--vary cannot vary {name!r}: {claim.id} has {known}")
    own = able[inner]
    if not isinstance(own, tuple):
        value = _finite(name, _plain(text))
        (kind, *other) = typing.get_args(typing.get_type_hints(type(config))[inner]) or (type(own),)
        if not _fits(value, kind) and type(value) not in other:
            raise ValueError(f"--vary {name} must be {_kind(kind)}{' or None' if other else ''}; got {text!r}")
        return value
    entries = tuple(_finite(name, _plain(entry)) for entry in text.split(JOIN))
    kinds: Sequence[type] = [type(one) for one in own] or [float]
    if not all(any(_fits(one, kind) for kind in kinds) for one in entries):
        raise ValueError(f"--vary {name} must be {_kind(kinds[0])}, or several joined by {JOIN}; got {text!r}")
    return entries


def _finite(name: str, value: Any) -> Any:
    """The value, unless it is a number that no spec can hold (ValueError)."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"--vary {name} must be finite; got {value}")
    return value


def _fits(value: Any, kind: type) -> bool:
    """Whether a value may stand for one of a type: integers also for numbers, truth values for nothing else."""
    return type(value) is kind or (kind is float and type(value) is int)


def _kind(kind: type) -> str:
    """A type in words."""
    return {bool: "true or false", int: "an integer", float: "a number"}.get(kind, "a word")


def _plain(text: str) -> Any:
    """A text as an integer, a number, a truth value, None or, else, itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return WORDS.get(text, text)
