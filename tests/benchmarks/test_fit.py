import pytest
from benchmarks.fit import Measured, expected, fit
from benchmarks.resnet import SHAPE, resnet18
from benchmarks.sizes import Size, measured, of_preset, of_resnet, stored

from nwedge.plan import Plan
from nwedge.specs.cost import count
from nwedge.specs.landscapes import NetworkSpec
from nwedge.specs.replicate import Replicate
from nwedge.specs.tasks import GroupSpec, SheetSpec
from nwedge.sweep.ledger import Books, Durations

OVERHEAD, RATE, SHARE = 2.0, 5e9, 0.25


@pytest.fixture(scope="module")
def plan():
    return Replicate(preset="fashion", landscapes=("network",), seeds=2).tasks()


def known(tasks, seconds):
    return Measured("out", "fashion", tasks, seconds, 0, 0.0, Durations())


def true_seconds(task):
    cost = count(task)
    return OVERHEAD + (cost.passes + SHARE * cost.search) * of_preset(task.landscape).flops / RATE


def test_a_known_model_is_found_though_a_few_tasks_are_far_off(plan):
    seconds = {task.id: true_seconds(task) for task in plan}
    for task in [task for task in plan if isinstance(task, GroupSpec)][::12]:
        seconds[task.id] *= 4
    model = fit(known(plan, seconds))
    assert model.overhead == pytest.approx(OVERHEAD, rel=0.05)
    assert model.rate == pytest.approx(RATE, rel=0.05)
    assert model.shares["sections"] == pytest.approx(SHARE, rel=0.1)
    assert sum(expected(known(plan, {}), model).values()) == pytest.approx(sum(map(true_seconds, plan)), rel=0.1)


def test_too_few_tasks_are_refused(plan):
    with pytest.raises(ValueError, match="out has 1 tasks to fit; expected 2"):
        fit(known(plan, {plan[0].id: 1.0}))


def test_longer_training_and_another_network_cost_more_in_proportion(plan):
    model = fit(known(plan, {task.id: true_seconds(task) for task in plan}))
    group = next(task for task in plan if isinstance(task, GroupSpec))
    sheet = next(task for task in plan if isinstance(task, SheetSpec))
    kept = count(group).forward * of_preset(group.landscape).flops
    once, thrice = model.operations(group), model.operations(group, longer=3)
    assert thrice - kept == pytest.approx(3 * (once - kept))
    assert model.operations(sheet, longer=3) == model.operations(sheet)
    ratio = model.operations(sheet, of_resnet) / model.operations(sheet)
    assert ratio == pytest.approx(of_resnet(sheet.landscape).flops / of_preset(sheet.landscape).flops)


def test_sizes_by_hand():
    cnn = NetworkSpec(name="network", architecture="simple-cnn", data="fashion-mnist", strategy="loop", chunk=256)
    products = 9 * (28**2 * 16 + 14**2 * 16 * 32 + 7**2 * 32 * 32) + 288 * 10
    assert of_preset(cnn) == Size(16_938, 2 * products)
    resnet = measured(resnet18(), SHAPE)
    assert resnet == of_resnet(cnn)
    assert resnet.weights == 11_173_962
    assert resnet.flops == 2 * 555_422_720


def test_bytes_of_weights_files(plan):
    group = next(task for task in plan if isinstance(task, GroupSpec))
    sheet = next(task for task in plan if isinstance(task, SheetSpec) and task.m == 3)
    assert stored(group, of_preset) == len(group.runs) * len(group.train.keep) * 16_938 * 4
    assert stored(sheet, of_preset) == (3 + 7) * 16_938 * 4


def test_a_directory_is_read_by_its_plan_and_its_journal(tmp_path):
    arguments = Replicate(preset="fashion", landscapes=("network",), seeds=2, out=tmp_path)
    tasks = arguments.tasks()
    Plan.of(arguments).write(tmp_path)
    Books(tmp_path).finish(tasks[0], 1.5)
    Books(tmp_path).finish(tasks[1], 2.5)
    found = Measured.read(tmp_path)
    assert found.seconds == {tasks[0].id: 1.5, tasks[1].id: 2.5}
    assert (found.preset, found.strangers, found.complete) == ("fashion", 0, False)
    assert found.span >= 1.5
