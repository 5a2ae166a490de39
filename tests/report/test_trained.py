import re

import pytest

from nwedge.report import trained
from nwedge.specs.presets import PRESETS
from nwedge.specs.replicate import Replicate
from nwedge.specs.subjects import Training
from nwedge.specs.tasks import BATCH, DECAY, SIZE, GroupSpec


@pytest.fixture(scope="module")
def digits() -> dict[str, list[str]]:
    return trained.sentences(Replicate(seeds=3).tasks())


@pytest.fixture(scope="module")
def fashion():
    return Replicate(preset="fashion", seeds=2).tasks()


def about(sentences: list[str], start: str) -> str:
    (found,) = (text for text in sentences if text.startswith(start))
    return found


def test_every_role_of_a_network_has_a_sentence(digits):
    heads = [text.split(":")[0] for text in digits["network"]]
    assert heads == [*trained.ROLES.values(), "Sheets"]
    assert all(text.endswith(".") for texts in digits.values() for text in texts)


def swept(preset: str, role: str) -> tuple[Training, ...]:
    return tuple(one for one in PRESETS[preset].subjects["network"][0].trainings if one.role == role)


def test_a_sweep_lists_the_values_that_vary_and_its_training(digits):
    sizes = sorted(one.landscape(0).batch_size for one in swept("digits", BATCH))
    batch = about(digits["network"], "Sweep of the batch size")
    assert f"{3 * len(sizes)} runs from 3 seeds; batch size {', '.join(f'{size:,}' for size in sizes)}; SGD, " in batch
    assert "momentum 0.9" in batch
    assert "weight decay" not in batch
    decays = ", ".join(f"{decay:g}" for decay in sorted(swept("digits", DECAY)[0].decays))
    assert f"weight decay {decays}" in about(digits["network"], "Sweep of the weight decay")


def test_networks_of_other_sizes_list_widths_and_examples_with_all_of_them_last(digits):
    landscapes = [one.landscape(0) for one in swept("digits", SIZE)]
    widths = ", ".join(f"{width:g}" for width in sorted({one.width for one in landscapes}))
    counts = ", ".join(f"{count}" for count in sorted({one.examples for one in landscapes if one.examples}))
    assert f"width {widths}; examples {counts}, all;" in about(digits["network"], "Networks of other sizes")


def test_optima_are_counted_over_all_seeds_without_repeats():
    tasks = Replicate(claims=("tunnels", "two-halves"), seeds=3, landscapes=("toy-sampled",)).tasks()
    train = next(task.train for task in tasks if isinstance(task, GroupSpec))
    (text,) = trained.sentences(tasks)["toy-sampled"]
    assert text.startswith(f"Independent optima: 6 runs from 3 seeds; SGD, {train.steps} steps, learning rate 0.1 (c")
    assert text.endswith(f"points kept at {len(train.keep)} steps.")


def test_kept_points_that_are_judged_on_a_part_of_the_data_say_so():
    fashion = trained.sentences(Replicate(preset="fashion", seeds=2, landscapes=("network",)).tasks())["network"]
    assert about(fashion, "Independent optima").endswith(", their losses taken on 5,000 examples.")


def test_a_cyclical_rate_says_its_cycles(digits):
    cyclical = about(digits["toy-sampled"], "Cyclical")
    assert "; noise 0." in cyclical
    assert ", highest learning rate 0.1, " in cyclical
    assert re.search(r"falling to 0 in each of \d+ cycles of 200 steps, weight decay 0", cyclical)


def test_sheets_say_over_how_many_optima_and_where_these_are_from(digits):
    sheets = PRESETS["digits"].subjects["toy"][1].sheets
    assert sheets is not None
    sizes = ", ".join(map(str, sheets.m))
    assert f"over m = {sizes} optima, {sheets.steps} steps at rate 0.05" in about(digits["toy-sampled"], "Sheets")
    assert "the optima of a sheet lie on different wedges" in about(digits["toy-sampled"], "Sheets")
    assert "for m = 6, 7, 8, 9, 10 the optima come from a pool over all seeds" in about(digits["network"], "Sheets")
    assert "pool" not in about(digits["control-bowl"], "Sheets")


def test_one_optimum_for_all_is_said(digits):
    assert digits["control-repeated"] == ["One optimum of each seed, trained on network, stands for all."]


def test_trainings_on_a_part_of_the_data_are_named(fashion, digits):
    (text,) = trained.partial(fashion)
    assert text.startswith("Trained on at most 10,000 examples of network: Sweep of the learning rate, ")
    assert "optima" not in text
    assert trained.partial(Replicate(seeds=2).tasks()) == []
    batch = about(trained.sentences(fashion)["network"], "Sweep of the batch size")
    steps = sorted({one.train.steps for one in swept("fashion", BATCH)})
    assert f"Adam, {', '.join(f'{count:,}' for count in steps)} steps" in batch
