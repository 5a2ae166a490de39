"""Functions of a user's own modules, named as "package.module:function"."""

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.machinery import ModuleSpec
from typing import Any

FORM = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
MAIN = "__main__"
FUNCTIONS = ("network", "data", "loss", "predict")
"""What functions of the user's make a landscape, in the order of their digests."""

_imported: dict[str, tuple[ModuleSpec | None, str]] = {}
"""The digest of each imported module's file when it was first looked at; one that is loaded again has another spec."""


def check_reference(what: str, reference: str) -> None:
    """Refuse a name that is no "package.module:function" (ValueError)."""
    if not FORM.fullmatch(reference):
        raise ValueError(f"{what} must be package.module:function, such as mymodels.resnet:build; got {reference!r}")


def find(reference: str) -> Callable[..., Any]:
    """The function; its module is also looked for in the working directory.

    Raises:
        ValueError: a module that cannot be found or imported, or that has no such function.
    """
    name, _, inner = reference.partition(":")
    _look_here()
    try:
        found: Any = importlib.import_module(name)
    except (Exception, SystemExit) as error:  # the module is the user's: it may raise anything
        raise ValueError(f"cannot import {name} for {reference!r}: {type(error).__name__}: {error}") from error
    with contextlib.suppress(ValueError):  # a module without a file
        _digest_here(reference)
    for part in inner.split("."):
        if not hasattr(found, part):
            raise ValueError(f"{reference!r} is not there: {name} has no {inner}")
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(f"{reference!r} must be a function; got {type(found).__name__}")
    return found


def name_of(function: str | Callable[..., Any]) -> str:
    """The name by which another process finds a function; a name stays as it is.

    Raises:
        ValueError: a function that no other process can import, such as one of the main script or a lambda.
    """
    if isinstance(function, str):
        return function
    module, inner = getattr(function, "__module__", MAIN), getattr(function, "__qualname__", "<lambda>")
    reference = f"{module}:{inner}"
    if module == MAIN or not FORM.fullmatch(reference):
        raise ValueError(f"{inner} must be a function of a module that other processes can import: put it in a file")
    return reference


def digest(reference: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the file in which the function's module stands.

    Raises:
        ValueError: no such module, or one without a file.
    """
    name = reference.partition(":")[0]
    _look_here()
    try:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"no module named {name!r}")
        with open(spec.origin, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except Exception as error:  # packages above the module are imported: they may raise anything
        raise ValueError(f"cannot find {name} for {reference!r}: {type(error).__name__}: {error}") from error


def named(of: object) -> dict[str, str]:
    """The functions that the arguments of a sweep, or the spec of a network, name, by what they are for."""
    return {what: getattr(of, what) for what in FUNCTIONS if getattr(of, what) is not None}


def code(references: Iterable[str]) -> str:
    """The digests of functions, by which a task names the code that it is of (ValueError as `digest`)."""
    return "-".join(map(digest, references))


def check_code(references: Iterable[str], code: str) -> None:
    """Refuse functions (ValueError) of another code than that, by what this process imported or is going to import."""
    for reference, wanted in zip(references, code.split("-"), strict=True):
        if _digest_here(reference) != wanted:
            raise ValueError(
                f"the file of {reference!r} has changed since this process or another one of this run read it, or "
                "differs between machines: start the run anew, with the same file everywhere"
            )


def call(reference: str, arguments: Mapping[str, Any]) -> Any:
    """What the function returns for arguments by name.

    Raises:
        ValueError: arguments that it does not take; they are named with those that it does. Or it raises anything.
    """
    function = find(reference)
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        takes = ", ".join(inspect.signature(function).parameters) or "nothing"
        raise ValueError(
            f"{reference!r} does not take {', '.join(arguments) or 'no arguments'}: it takes {takes}"
        ) from error
    try:
        return function(**arguments)
    except (Exception, SystemExit) as error:  # the function is the user's, too
        raise ValueError(f"{reference!r} raises {type(error).__name__}: {error}") from error


def _digest_here(reference: str) -> str:
    """The digest of the file of the function's module, for one that is imported as it was then (ValueError)."""
    name = reference.partition(":")[0]
    if name not in sys.modules:
        return digest(reference)
    spec = sys.modules[name].__spec__
    if name not in _imported or _imported[name][0] is not spec:
        _imported[name] = spec, digest(reference)
    return _imported[name][1]


def _look_here() -> None:
    """Let modules of the working directory be found, as by `python -m`; a console script does not look there."""
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
