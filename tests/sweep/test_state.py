import pytest

from nwedge.sweep.leases import Leases
from nwedge.sweep.runner import run
from nwedge.sweep.state import state


def test_where_each_task_stands(make, execute, store):
    first, second, *claims = tasks = make.chain()
    execute.fails = {first.id: ValueError(), claims[2].id: KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        run(tasks, store, execute)
    with Leases(store.directory) as leases:
        leases.take(claims[3])
        found = state(tasks, store.directory)
    assert found.done == (second,)
    assert found.failed == (first,)
    assert found.running == (claims[3],)
    assert found.missing == tuple(claims[:3])
    assert state(tasks, store.directory).running == ()
