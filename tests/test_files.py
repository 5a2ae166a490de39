import json
import multiprocessing
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from nwedge._files import (
    StoreError,
    alive,
    append_line,
    check_directory,
    host,
    read_json,
    shared,
    there,
    uninterrupted,
    whole,
    whole_lines,
    write_json,
)

OTHER_CONTAINER = host() + "0"
"""One with the same name, but with process ids of its own."""


def enter(first: bool) -> None:
    pass


def dead_pid() -> int:
    process = multiprocessing.get_context("fork").Process(target=lambda: None)
    process.start()
    process.join()
    assert process.pid is not None
    return process.pid


def test_a_file_appears_whole_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "deep" / "value.json"
    write_json(path, {"a": [1, None]})
    assert read_json(path) == {"a": [1, None]}
    assert os.listdir(path.parent) == ["value.json"]


def test_until_the_block_ends_the_old_file_is_there(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with whole(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent  # a rename is atomic on one file system only
    assert path.read_text() == "new"


def test_a_block_that_raises_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def half():
        with whole(path) as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_json_is_strict(tmp_path):
    with pytest.raises(ValueError, match="nan"):
        write_json(tmp_path / "value.json", float("nan"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_damaged_json_is_named(tmp_path, content):
    path = tmp_path / "value.json"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"value\.json is damaged"):
        read_json(path)


def test_what_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot write .*file/below\.json"):
        write_json(tmp_path / "file" / "below.json", 1)
    with pytest.raises(StoreError, match=r"cannot write /proc/nwedge"):
        write_json(tmp_path.__class__("/proc/nwedge/value.json"), 1)


def test_a_directory_below_a_file_or_in_proc_or_a_file_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    for directory, words in ((file, "is a file"), (file / "below", "cannot write"), (type(file)("/proc/x"), "cannot")):
        with pytest.raises(StoreError, match=words), shared(directory, enter):
            pytest.fail("entered")


def test_a_path_that_may_not_be_looked_for_is_named(tmp_path):
    long = tmp_path / ("x" * 300)
    with pytest.raises(StoreError, match=r"^cannot read .*xxx: File name too long$"):
        there(long)
    with pytest.raises(StoreError, match="cannot read"), shared(long, enter):
        pytest.fail("entered")
    assert there(tmp_path)
    assert not there(tmp_path / "file")


def test_the_first_is_told_and_others_join_it(tmp_path):
    seen = []
    with shared(tmp_path, seen.append), shared(tmp_path, seen.append):
        assert seen == [True, False]
    with shared(tmp_path, seen.append):
        assert seen == [True, False, True]


def test_who_refuses_to_join_is_not_let_in_and_disturbs_nobody(tmp_path):
    def refuse(first):
        raise StoreError("not with these")

    seen = []
    with shared(tmp_path, seen.append):
        with pytest.raises(StoreError, match="not with these"), shared(tmp_path, refuse):
            pytest.fail("entered")
        with shared(tmp_path, seen.append):
            assert seen == [True, False]


def test_the_first_is_alone_until_it_has_entered(tmp_path):
    order, entered = [], threading.Event()

    def slowly(first):
        assert first
        entered.set()
        time.sleep(0.3)
        order.append("first")

    def join():
        entered.wait()
        with shared(tmp_path, lambda first: order.append(first)):
            pass

    second = threading.Thread(target=join)
    second.start()
    with shared(tmp_path, slowly):
        second.join(timeout=30)
    assert order == ["first", False]


def test_temporary_files_of_dead_processes_are_cleared_and_others_stay(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    dead = dead_pid()
    names = {
        f".a.nc.{host()}-{dead}.tmp": False,
        f".a.nc.{host()}-{os.getpid()}.tmp": True,
        f".a.nc.{OTHER_CONTAINER}-{dead}.tmp": True,
        f".a.nc.elsewhere-{dead}.tmp": True,
        ".mine.tmp": True,
        "a.nc": True,
    }
    for name in names:
        (folder / name).write_text("half")
    with shared(tmp_path, enter):
        pass
    assert set(os.listdir(folder)) == {name for name, stays in names.items() if stays}


def test_an_interrupt_waits_for_the_end_of_the_block():
    steps = []

    def work():
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            steps.append("finished")
        steps.append("after")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == ["finished"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_threads_are_never_interrupted():
    steps = []

    def work():
        with uninterrupted():
            steps.append("finished")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert steps == ["finished"]


def test_alive():
    assert alive(os.getpid())
    assert alive(1)
    assert not alive(dead_pid())


def test_a_process_that_has_ended_is_not_alive_though_its_parent_has_not_looked():
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        os.kill(process.pid, 0)  # it still has its number
        assert not alive(process.pid)


def test_files_of_processes_that_died_meanwhile_are_removed_in_the_end(tmp_path):
    with shared(tmp_path, lambda first: None):
        left = tmp_path / f".result.nc.{host()}-{dead_pid()}.tmp"
        ours = tmp_path / f".other.nc.{host()}-{os.getpid()}.tmp"
        for path in (left, ours):
            path.touch()
    assert not left.exists()
    assert ours.exists()


def test_a_host_is_a_machine_or_a_container_with_process_ids_of_its_own(monkeypatch):
    names, name = [host()], socket.gethostname()
    for inode in (1, 2):
        with monkeypatch.context() as patch:
            patch.setattr(os, "stat", lambda path, inode=inode: os.stat_result([0, inode, *[0] * 8]))
            names.append(host())
    assert names[1:] == [f"{name}-1", f"{name}-2"]
    assert names[0].startswith(f"{name}-")


def test_json_is_readable_text(tmp_path):
    write_json(tmp_path / "value.json", {"a": 1})
    text = (tmp_path / "value.json").read_text()
    assert text.endswith("\n")
    assert json.loads(text) == {"a": 1}


def test_lines_are_added_at_the_end(tmp_path):
    path = tmp_path / "deep" / "lines"
    for line in ("a", "b", "c"):
        append_line(path, line)
    assert whole_lines(path) == ["a", "b", "c"]
    assert path.read_text() == "a\nb\nc\n"


@pytest.mark.parametrize("torn", ["", "a", "a\nb\ntor", "a\nb\n"])
def test_a_torn_line_is_left_out_and_cut_off_by_the_next(tmp_path, torn):
    path = tmp_path / "lines"
    path.write_text(torn)
    before = torn.split("\n")[:-1]
    assert whole_lines(path) == before
    append_line(path, "next")
    assert whole_lines(path) == [*before, "next"]


def test_lines_that_cannot_be_read_or_written_are_named(tmp_path):
    (tmp_path / "file").write_bytes(b"\xff\n")
    with pytest.raises(StoreError, match="file is damaged: it is no text"):
        whole_lines(tmp_path / "file")
    with pytest.raises(StoreError, match=r"cannot read .*nothing"):
        whole_lines(tmp_path / "nothing")
    with pytest.raises(StoreError, match=r"cannot write .*file/below"):
        append_line(tmp_path / "file" / "below", "a")


def test_a_directory_that_cannot_be_is_refused_and_none_is_made(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    check_directory(tmp_path)
    check_directory(tmp_path / "new" / "newer")
    for path in (tmp_path / "file", tmp_path / "file" / "new"):
        with pytest.raises(StoreError, match="file is a file: give the path of a directory"):
            check_directory(path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(StoreError, match=f"cannot write to the directory {tmp_path}"):
        check_directory(tmp_path / "new")
    assert os.listdir(tmp_path) == ["file"]
