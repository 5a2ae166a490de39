"""The floors, read from the imports: no import upwards or sideways, no cycle, no torch where only words are needed."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import nwedge

ROOT = Path(__file__).parents[1]
FLOORS = (
    {"_random", "_checks", "_files", "specs"},
    {"landscape", "geometry", "plan", "store"},
    {"landscapes"},
    {"testing", "adapters", "methods", "recording"},
    {"build"},
    {"claims", "sweep", "report", "autotune", "diagnosis", "pictures"},
    {"cli", "compare", "diagnosing", "given", "picturing", "requirements", "study", "sweeping"},
)
WORDS = ("_files", "specs", "plan", "store", "sweep", "report", "compare")
"""No torch here, not even in a function; in the top floor it may be imported in a function."""
TENSORS = {"torch", "jax", "tensorflow", "keras"}
HEAVY = {*TENSORS, "ray", "matplotlib", "xarray", "sklearn", "scipy"}
LONGEST = 400


@dataclass(frozen=True)
class Import:
    """What is imported, by its full name, and whether it is imported only inside a function or for type checks."""

    target: str
    lazy: bool


@dataclass(frozen=True)
class Tree:
    """The imports of every module of a package, by module name; `faults` are imports that no floor could judge."""

    package: str
    imports: dict[str, set[Import]]
    faults: list[str]

    def inner(self, module: str, *, lazy: bool) -> set[str]:
        """The modules of the package that a module imports; with `lazy` also those imported in functions."""
        found = {one.target for one in self.imports[module] if lazy or not one.lazy}
        return {target for target in found if target in self.imports}

    def unit(self, module: str) -> str:
        """The folder or file of the package's top level that holds a module."""
        return module.removeprefix(self.package).removeprefix(".").split(".")[0]

    def is_folder(self, unit: str) -> bool:
        return any(name.startswith(f"{self.package}.{unit}.") for name in self.imports)


def read(folder: Path) -> Tree:
    """The imports of a package, from the source of its modules."""
    paths = {".".join(path.relative_to(folder.parent).with_suffix("").parts): path for path in folder.rglob("*.py")}
    paths = {name.removesuffix(".__init__"): path for name, path in paths.items()}
    tree = Tree(folder.name, {}, [])
    for name, path in sorted(paths.items()):
        found = set()
        for node, lazy in statements(ast.parse(path.read_text()), lazy=False):
            targets = names(node, paths)
            place = f"{name}, line {getattr(node, 'lineno', 0)}"
            if "" in targets:
                tree.faults.append(f"{place}: import by a full name that can be read")
            if folder.name in targets and isinstance(node, ast.Import):
                tree.faults.append(f"{place}: import the names that are used, from their modules")
            found |= {Import(target, lazy) for target in targets if target and target != name}
        tree.imports[name] = found
    return tree


def statements(node: ast.AST, *, lazy: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Every node, and whether it is in a function or under `if TYPE_CHECKING`."""
    yield node, lazy
    lazy |= isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    lazy |= isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    for child in ast.iter_child_nodes(node):
        yield from statements(child, lazy=lazy)


def names(node: ast.AST, modules: dict[str, Path]) -> set[str]:
    """The full names that a statement imports; "" stands for one that cannot be read."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        if node.level or not node.module:
            return {""}
        parts = {f"{node.module}.{alias.name}" for alias in node.names}
        return {part if part in modules else node.module for part in parts}
    if isinstance(node, ast.Call) and ast.unparse(node.func) in (
        "importlib.import_module",
        "import_module",
        "__import__",
    ):
        return {leading_words(node.args[0]).rstrip(".")}
    return set()


def leading_words(node: ast.expr) -> str:
    """The constant with which a string begins: `f"package.folder.{name}"` begins with `package.folder.`."""
    first = node.values[0] if isinstance(node, ast.JoinedStr) else node
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""


def floor_faults(tree: Tree, floors: tuple[set[str], ...] = FLOORS) -> list[str]:
    """Imports upwards or sideways, and modules on no floor. Files of one floor may import one another."""
    floor = {unit: height for height, units in enumerate(floors) for unit in units}
    modules = [module for module in tree.imports if module != tree.package]
    faults = [f"{module} belongs to no floor" for module in modules if tree.unit(module) not in floor]
    for module in modules:
        for target in sorted(tree.inner(module, lazy=True) - {tree.package}):
            here, there = tree.unit(module), tree.unit(target)
            if here == there or here not in floor or there not in floor or floor[there] < floor[here]:
                continue
            alike = floor[there] == floor[here]
            if alike and not tree.is_folder(here) and not tree.is_folder(there):
                continue
            faults.append(f"{module} imports {target}, {'on the same' if alike else 'a higher'} floor")
    return faults


def cycle_faults(tree: Tree) -> list[str]:
    """Modules that import themselves through others, in functions or not; the public face is left out."""
    faults, done = [], set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            faults.append(" imports ".join((*path[path.index(module) :], module)))
        elif module not in done:
            for target in sorted(tree.inner(module, lazy=True) - {tree.package}):
                walk(target, (*path, module))
            done.add(module)

    for module in sorted(set(tree.imports) - {tree.package}):
        walk(module, ())
    return faults


def tensor_faults(tree: Tree, words: tuple[str, ...] = WORDS, top: set[str] = FLOORS[-1]) -> list[str]:
    """Modules that must know no tensors, and through which modules they reach them all the same."""
    faults = []
    for module in sorted(tree.imports):
        unit = tree.unit(module)
        if unit in words or unit in top or module == tree.package:
            chain = chain_to_tensors(tree, module, lazy=unit in words)
            faults += [f"{module} must not import torch: {' imports '.join(chain)}"] if chain else []
    return faults


def chain_to_tensors(tree: Tree, start: str, *, lazy: bool) -> tuple[str, ...]:
    """A shortest chain of imports from a module to a tensor framework, or nothing; packages come with their modules."""
    chains, seen = [(start,)], {start}
    for chain in chains:
        found = {one.target for one in tree.imports[chain[-1]] if lazy or not one.lazy}
        heavy = sorted(target for target in found if target.split(".")[0] in TENSORS)
        if heavy:
            return (*chain, heavy[0])
        inner = tree.inner(chain[-1], lazy=lazy) - {tree.package}
        parents = {target.rsplit(".", 1)[0] for target in inner} & set(tree.imports) - {tree.package}
        chains += [(*chain, target) for target in sorted(inner | parents - seen) if target not in seen]
        seen |= inner | parents
    return ()


def long_files(folders: list[Path], longest: int = LONGEST) -> list[str]:
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    return [f"{path} has more than {longest} lines" for path in files if len(path.read_text().splitlines()) > longest]


@pytest.fixture(scope="module")
def tree() -> Tree:
    return read(ROOT / "src" / "nwedge")


def test_every_import_can_be_read(tree):
    allowed = ("nwedge,", "nwedge.specs.references,")  # the lazy names of the package, and modules of the user's
    assert [fault for fault in tree.faults if not fault.startswith(allowed)] == []


def test_floors(tree):
    assert floor_faults(tree) == []


def test_no_cycles(tree):
    assert cycle_faults(tree) == []


def test_no_tensors_in_words(tree):
    assert tensor_faults(tree) == []


def test_no_long_files():
    assert long_files([ROOT / "src", ROOT / "tests", ROOT / "benchmarks"]) == []


@pytest.mark.parametrize("module", ["nwedge", "nwedge.specs.replicate", "nwedge.cli"])
def test_light_imports_load_nothing_heavy(module):
    code = f"import sys, {module}; print(sorted({HEAVY!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_public_names_resolve():
    for name in nwedge.__all__:
        assert getattr(nwedge, name).__name__.split(".")[-1] == name
    assert set(nwedge.__all__) <= set(dir(nwedge))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nwedge.nothing


def test_the_public_names_are_those_that_type_checkers_see(tree):
    source = ast.parse((ROOT / "src" / "nwedge" / "__init__.py").read_text())
    declared = {
        alias.asname: f"{node.module}"
        for node, lazy in statements(source, lazy=False)
        if lazy and isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert {name: home for name, home in declared.items() if home != "nwedge"} == nwedge._HOMES
    assert set(declared) == set(nwedge.__all__)
    assert all(importlib.import_module(home) for home in nwedge._HOMES.values())


SOUND = {
    "__init__.py": "def __getattr__(name):\n    from fake import high\n",
    "low.py": "import numpy\n",
    "words/__init__.py": "",
    "words/spec.py": "from fake import low\nfrom fake.words import other\n",
    "words/other.py": "import json\n",
    "sums/__init__.py": "from fake.sums.add import add\n",
    "sums/add.py": "import torch\nfrom fake.low import x\nfrom typing import TYPE_CHECKING\n",
    "high.py": "def run():\n    from fake.sums import add\n    from fake.peak import y\n",
    "peak.py": "from fake.words.spec import y\n",
}
FAKE_FLOORS = ({"low"}, {"words", "sums"}, {"high", "peak"})


def fake(tmp_path: Path, changes: dict[str, str]) -> Tree:
    for name, text in (SOUND | changes).items():
        path = tmp_path / "fake" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read(tmp_path / "fake")


def all_faults(tree: Tree) -> list[str]:
    tensors = tensor_faults(tree, words=("low", "words"), top={"high", "peak"})
    return [*tree.faults, *floor_faults(tree, FAKE_FLOORS), *cycle_faults(tree), *tensors]


def test_a_sound_tree_has_no_faults(tmp_path):
    assert all_faults(fake(tmp_path, {})) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"low.py": "import fake.words.spec"}, "fake.low imports fake.words.spec, a higher floor"),
        ({"low.py": "def f():\n    from fake.high import x"}, "fake.low imports fake.high, a higher floor"),
        ({"low.py": "if TYPE_CHECKING:\n    from fake import high"}, "fake.low imports fake.high, a higher floor"),
        ({"low.py": "importlib.import_module('fake.high')"}, "fake.low imports fake.high, a higher floor"),
        ({"low.py": "import_module(f'fake.words.{x}')"}, "fake.low imports fake.words, a higher floor"),
        ({"words/spec.py": "from fake.sums import add"}, "fake.words.spec imports fake.sums.add, on the same floor"),
        ({"sums/add.py": "from fake.words.spec import x"}, "fake.sums.add imports fake.words.spec, on the same floor"),
        ({"new.py": ""}, "fake.new belongs to no floor"),
        ({"words/new/deep.py": "import fake.high"}, "fake.words.new.deep imports fake.high, a higher floor"),
        (
            {"words/other.py": "from fake.words.spec import x"},
            "fake.words.spec imports fake.words.other imports fake.words.spec",
        ),
        ({"peak.py": "def f():\n    import fake.high"}, "fake.high imports fake.peak imports fake.high"),
        (
            {"words/other.py": "import torch.nn"},
            "fake.words.other must not import torch: fake.words.other imports torch.nn",
        ),
        (
            {"words/other.py": "def f():\n    import jax"},
            "fake.words.other must not import torch: fake.words.other imports jax",
        ),
        (
            {"low.py": "import torch"},
            "fake.words.spec must not import torch: fake.words.spec imports fake.low imports torch",
        ),
        (
            {"peak.py": "from fake.sums import x"},
            "fake.peak must not import torch: fake.peak imports fake.sums imports fake.sums.add imports torch",
        ),
        ({"__init__.py": "import torch"}, "fake must not import torch: fake imports torch"),
        ({"low.py": "from . import words"}, "fake.low, line 1: import by a full name that can be read"),
        ({"low.py": "from .words import spec"}, "fake.low, line 1: import by a full name that can be read"),
        ({"low.py": "\nimport_module(name)"}, "fake.low, line 2: import by a full name that can be read"),
        ({"low.py": "import fake"}, "fake.low, line 1: import the names that are used, from their modules"),
    ],
)
def test_each_fault_is_found(tmp_path, changes, fault):
    assert fault in all_faults(fake(tmp_path, changes))


def test_a_module_of_a_folder_that_imports_torch_taints_its_siblings(tmp_path):
    tree = fake(tmp_path, {"words/__init__.py": "import torch", "peak.py": "from fake.words.spec import y"})
    assert any(fault.startswith("fake.peak must not import torch") for fault in all_faults(tree))


def test_long_files_are_found(tmp_path):
    (tmp_path / "short.py").write_text("x\n" * 400)
    (tmp_path / "long.py").write_text("x\n" * 401)
    assert long_files([tmp_path]) == [f"{tmp_path / 'long.py'} has more than 400 lines"]
