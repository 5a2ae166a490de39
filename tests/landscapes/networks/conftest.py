"""A module of the user's, that no earlier test has imported, and whose data nobody has loaded or provided."""

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from nwedge.landscapes.networks import sources


@pytest.fixture
def users_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], ModuleType]:
    """Writes and imports a module by its name and text; its list `calls` is empty."""

    def made(name: str, text: str) -> ModuleType:
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(sources, "_provided", {})
        sources.load.cache_clear()
        module = importlib.import_module(name)
        module.calls.clear()
        return module

    return made
