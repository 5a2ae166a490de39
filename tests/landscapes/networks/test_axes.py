"""The book of factors: what is united, split, cut and frozen, and where each factor stands in an axis."""

import pytest
import torch

from nwedge.landscapes.networks.axes import MIXED, Axes, Axis

WHY = "a reason"


def sizes(book: Axes, axis: Axis) -> list[int]:
    return [book.size((factor,)) for factor in book.factors(axis)]


def frozen(book: Axes, axis: Axis) -> list[str | None]:
    return [book.why_frozen(one.factor) for one in book.occurrences(axis)]


def entries(book: Axes, axis: Axis) -> list[list[list[int]]]:
    """For each occurrence in an axis, the entries of each of its units."""
    return [
        one.entries.movedim(one.dim, 0).reshape(one.entries.shape[one.dim], -1).tolist()
        for one in book.occurrences(axis)
    ]


def test_an_axis_of_one_entry_has_no_factors() -> None:
    book = Axes()
    assert book.fresh(1) == ()
    assert book.size(()) == 1
    assert list(book.occurrences(())) == []


def test_what_is_united_is_one_whatever_the_order() -> None:
    book = Axes()
    a, b, c, d = (book.fresh(6) for _ in range(4))
    book.unite(a, b)
    book.unite(c, d)
    book.unite(d, a)
    assert len({book.factors(axis) for axis in (a, b, c, d)}) == 1


def test_an_axis_that_is_united_with_a_product_is_that_product() -> None:
    book = Axes()
    whole, channels, pixels = book.fresh(12), book.fresh(3), book.fresh(4)
    book.unite(whole, channels + pixels)
    assert book.factors(whole) == book.factors(channels + pixels)
    assert entries(book, whole) == [
        [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]],
        [[0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11]],
    ]


def test_products_are_split_into_common_factors() -> None:
    book = Axes()
    (a, b), (c, d) = (book.fresh(2), book.fresh(12)), (book.fresh(6), book.fresh(4))
    book.unite(a + b, c + d)
    assert sizes(book, a + b) == sizes(book, c + d) == [2, 3, 4]
    assert book.factors(a + b) == book.factors(c + d)


def test_products_without_common_factors_are_frozen() -> None:
    book = Axes()
    (a, b), (c, d) = (book.fresh(4), book.fresh(6)), (book.fresh(6), book.fresh(4))
    book.unite(a + b, c + d)
    assert {*frozen(book, a + b), *frozen(book, c + d)} == {MIXED}


def test_axes_of_other_sizes_are_frozen() -> None:
    book = Axes()
    a, b = book.fresh(4), book.fresh(8)
    book.unite(a, b)
    assert frozen(book, a) == frozen(book, b) == [MIXED]


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("turned", [True, False])
def test_what_is_frozen_stays_so_in_all_that_it_becomes(before: bool, turned: bool) -> None:
    book = Axes()
    a, b, c, d = book.fresh(12), book.fresh(12), book.fresh(6), book.fresh(6)
    if before:
        book.freeze(a, WHY)
        book.freeze(c, WHY)
    book.unite(*((b, a) if turned else (a, b)))
    book.unite(*((d, c) if turned else (c, d)))
    pieces, views = book.cut(b, (4, 8)), book.regrouped([d], (3, 2))
    if not before:
        book.freeze(a, WHY)
        book.freeze(c, WHY)
    for axis in (a, b, c, d, *pieces, *views):
        assert set(frozen(book, axis)) == {WHY}


def test_the_first_reason_is_kept_but_for_a_foremost_one() -> None:
    book = Axes()
    a = book.fresh(4, WHY)
    book.freeze(a, "another")
    assert frozen(book, a) == [WHY]
    book.freeze(a, "a foremost one", foremost=True)
    assert frozen(book, a) == ["a foremost one"]


def test_a_view_has_the_same_entries_in_the_same_order() -> None:
    book = Axes()
    a, b = book.fresh(4), book.fresh(6)
    rows, columns, depth = book.regrouped([a, b], (2, 6, 2))
    assert [sizes(book, axis) for axis in (rows, columns, depth)] == [[2], [2, 3], [2]]
    assert book.factors(rows + columns + depth) == book.factors(a + b)


def test_a_view_across_factors_is_frozen() -> None:
    book = Axes()
    a, b = book.fresh(4), book.fresh(6)
    views = book.regrouped([a, b], (3, 8))
    assert [book.size(axis) for axis in views] == [3, 8]
    assert {*frozen(book, a), *frozen(book, b), *frozen(book, views[0]), *frozen(book, views[1])} == {MIXED}


def test_pieces_of_an_axis_are_units_of_their_own() -> None:
    book = Axes()
    whole = book.fresh(5)
    first, second = book.cut(whole, (2, 3))
    assert entries(book, whole) == [[[0], [1]], [[2], [3], [4]]]
    assert [one.factor for one in book.occurrences(whole)] == [*book.factors(first), *book.factors(second)]


def test_pieces_that_are_cut_again_otherwise_are_refined() -> None:
    book = Axes()
    whole = book.fresh(7)
    book.cut(whole, (2, 5))
    first, second = book.cut(whole, (4, 3))
    assert entries(book, whole) == [[[0], [1]], [[2], [3]], [[4], [5], [6]]]
    assert entries(book, first) == [[[0], [1]], [[2], [3]]]
    assert entries(book, second) == [[[0], [1], [2]]]


def test_a_product_is_cut_along_whole_units_alone() -> None:
    book = Axes()
    heads, features = book.fresh(4), book.fresh(3)
    first, _ = book.cut(heads + features, (3, 9))
    assert book.factors(first) == book.factors(features)
    assert frozen(book, features) == [None]
    book.cut(heads + features, (4, 8))
    assert set(frozen(book, heads + features)) == {MIXED}


def test_united_pieces_share_their_units() -> None:
    book = Axes()
    whole = book.fresh(6)
    book.unite(*book.cut(whole, (3, 3)))
    assert len({one.factor for one in book.occurrences(whole)}) == 1
    assert entries(book, whole) == [[[0], [1], [2]], [[3], [4], [5]]]


def test_a_concatenation_within_a_product_says_where_its_parts_stand() -> None:
    book = Axes()
    a, b, pixels = book.fresh(2), book.fresh(3), book.fresh(2)
    both = book.joined([a, b])
    assert entries(book, both + pixels) == [
        [[0, 1], [2, 3]],
        [[4, 5], [6, 7], [8, 9]],
        [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]],
    ]
    assert entries(book, pixels + both) == [
        [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]],
        [[0, 5], [1, 6]],
        [[2, 7], [3, 8], [4, 9]],
    ]


def test_what_stands_around_a_factor() -> None:
    book = Axes()
    heads, features = book.fresh(2), book.fresh(6)
    queries, _ = book.cut(features, (2, 4))
    (one,) = [one for one in book.occurrences(heads + features) if one.factor == queries[0]]
    assert one.dims == (heads[0], queries[0])
    assert torch.equal(one.entries, torch.tensor([[0, 1], [6, 7]]))
