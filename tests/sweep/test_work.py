from nwedge.store import Result, Store
from nwedge.sweep.work import Job, Performer


def test_inputs_that_cannot_be_read_fail_their_task_alone(make, tmp_path, monkeypatch):
    """An error that the store does not know, such as a library's or of memory, is told like any other."""
    group = make.group()
    monkeypatch.setattr(Store, "read", _breaks)
    outcome = Performer(Job(tmp_path, _executes, 1, {}))(make.claim(group), (group,))
    assert outcome.error == "MemoryError: no room"
    assert not outcome.fatal


def _breaks(store: Store, task: object) -> Result:
    raise MemoryError("no room")


def _executes(*given: object) -> Result:
    raise AssertionError("its inputs cannot be read")
