"""A spec is what is to be done, in words: a frozen dataclass that survives JSON and whose hash is its name."""

import dataclasses
import functools
import hashlib
import json
from typing import Any, ClassVar, TypeVar

TAG = "spec"
PLAIN = (bool, int, float, str)

Kind = TypeVar("Kind", bound="Spec")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """A frozen description made of numbers, strings, tuples and other specs; equal specs have equal ids."""

    _kinds: ClassVar[dict[str, type["Spec"]]] = {}

    def __init_subclass__(cls) -> None:
        Spec._kinds[cls.__name__] = cls

    @functools.cached_property
    def id(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """The canonical JSON: keys sorted, no spaces, NaN refused (ValueError)."""
        return json.dumps(_encode(self), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls: type[Kind], text: str) -> Kind:
        """The spec that `to_json` wrote.

        Raises:
            ValueError: text that is no spec of this class.
        """
        return cls.from_value(json.loads(text))

    @classmethod
    def from_value(cls: type[Kind], value: Any) -> Kind:
        """The spec in JSON that is parsed already.

        Raises:
            ValueError: a value that is no spec of this class.
        """
        spec = _decode(value)
        if not isinstance(spec, cls):
            raise ValueError(f"expected the JSON of a {cls.__name__}; got {json.dumps(value)[:80]}")
        return spec


def _encode(value: Any) -> Any:
    if value is None or isinstance(value, PLAIN):
        return value
    if isinstance(value, Spec):
        names = _names(type(value))
        return {TAG: type(value).__name__} | {name: _encode(getattr(value, name)) for name in names}
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    raise TypeError(f"a spec holds numbers, strings, tuples and specs; got {value!r}")


@functools.cache
def _names(kind: type[Spec]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item) for item in value)
    if isinstance(value, dict):
        fields = {key: _decode(item) for key, item in value.items() if key != TAG}
        if value.get(TAG) not in Spec._kinds:
            raise ValueError(f"unknown spec {value.get(TAG)!r}; known: {', '.join(sorted(Spec._kinds))}")
        return Spec._kinds[value[TAG]](**fields)
    return value
