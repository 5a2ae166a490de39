import importlib
import json
import subprocess

from nwedge.specs.landscapes import BACKENDS
from nwedge.sweep.provenance import commit, provenance


def git(folder, *arguments):
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    return subprocess.run(["git", "-C", folder, *who, *arguments], check=True, capture_output=True, text=True).stdout


def test_what_is_written_survives_json():
    written = provenance(3)
    assert json.loads(json.dumps(written)) == written
    assert written["threads"] == 3
    assert written["torch"][0].isdigit()
    assert "pytest" not in written
    found = provenance(3, BACKENDS)
    for backend in BACKENDS:
        assert found[backend] == importlib.import_module(backend).__version__


def test_the_commit_is_that_of_the_checkout_that_tracks_the_folder(tmp_path):
    package = tmp_path / "package" / "sweep"
    package.mkdir(parents=True)
    (package / "file.py").write_text("")
    assert commit(package) is None
    git(tmp_path, "init")
    assert commit(package) is None
    git(tmp_path, "commit", "--allow-empty", "-m", "empty")
    assert commit(package) is None  # a checkout that holds the folder but does not track it
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    head = git(tmp_path, "rev-parse", "HEAD").strip()
    assert commit(package) == head
    (package / "file.py").write_text("changed")
    assert commit(package) == f"{head}+changes"
