import sys

import pytest

from nwedge.specs.references import call, check_reference, digest, find, name_of

MODULE = """
class Inner:
    @staticmethod
    def build(width=3):
        return width

def data():
    return 1

number = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module in the working directory, where a console script does not look by itself."""
    (tmp_path / "some_own_module.py").write_text(MODULE)
    (tmp_path / "some_own_ruin.py").write_text("raise OSError('no weights here')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    yield tmp_path
    sys.modules.pop("some_own_module", None)


def test_functions_are_found_by_name_in_the_working_directory(own):
    assert find("some_own_module:data")() == 1
    assert find("some_own_module:Inner.build")() == 3
    assert find("math:sqrt")(4) == 2
    assert call("some_own_module:Inner.build", {"width": 5}) == 5


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("some_own_nothing:f", "cannot import some_own_nothing for .*ModuleNotFoundError"),
        ("some_own_ruin:f", "cannot import some_own_ruin for .*OSError: no weights here"),
        ("some_own_module:nope", "some_own_module has no nope"),
        ("some_own_module:number", "must be a function; got int"),
    ],
)
def test_what_is_no_function_is_refused(own, reference, words):
    with pytest.raises(ValueError, match=words):
        find(reference)


def test_arguments_that_are_not_taken_are_named_with_those_that_are(own):
    with pytest.raises(ValueError, match="does not take depth: it takes width"):
        call("some_own_module:Inner.build", {"depth": 1})
    with pytest.raises(ValueError, match="does not take depth: it takes nothing"):
        call("some_own_module:data", {"depth": 1})


@pytest.mark.parametrize("reference", ["", "a", "a:", ":a", "a b:c", "a/b:c", "1a:b", "a:b:c"])
def test_what_is_no_name_is_refused(reference):
    check_reference("--data", "a.b_2:c.d")
    with pytest.raises(ValueError, match=r"--data must be package\.module:function"):
        check_reference("--data", reference)


def test_the_name_of_a_function_is_one_that_others_can_import(own):
    assert name_of("a.b:c") == "a.b:c"
    build = find("some_own_module:Inner.build")
    assert name_of(build) == "some_own_module:Inner.build"
    with pytest.raises(ValueError, match="<lambda> must be a function of a module that other processes can import"):
        name_of(lambda: 1)
    build.__module__ = "__main__"
    with pytest.raises(ValueError, match=r"Inner\.build must be a function of a module"):
        name_of(build)


def test_the_digest_changes_with_the_file(own):
    before = digest("some_own_module:data")
    assert before == digest("some_own_module:Inner.build")
    (own / "some_own_module.py").write_text(MODULE + "# more")
    assert digest("some_own_module:data") != before
    with pytest.raises(ValueError, match="cannot find some_own_nothing"):
        digest("some_own_nothing:f")


def test_what_a_function_raises_is_told_with_its_name(own):
    (own / "some_own_module.py").write_text("import sys\ndef leave(): sys.exit(3)\ndef lack(): return {}['x']\n")
    (own / "some_own_ruin.py").write_text("import sys; sys.exit(2)")
    for name, words in (("leave", "raises SystemExit: 3"), ("lack", "raises KeyError: 'x'")):
        with pytest.raises(ValueError, match=f"'some_own_module:{name}' {words}"):
            call(f"some_own_module:{name}", {})
    with pytest.raises(ValueError, match=r"cannot import some_own_ruin for .*SystemExit: 2"):
        find("some_own_ruin:f")
