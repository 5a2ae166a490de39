import dataclasses
import re

import pytest

from nwedge._files import StoreError
from nwedge.report.pictures import tables
from nwedge.report.pictures.document import write


@pytest.mark.parametrize("kind", ["line", "plane", "trajectory", "spectrum"])
def test_a_page_stands_alone_with_its_figures_beside_it_and_equal_pictures_give_equal_bytes(make, tmp_path, kind):
    page = write(tmp_path / "a", make(kind))
    assert sorted(path.name for path in page.parent.iterdir()) == ["picture.html", "picture.png", "picture.svg"]
    source = page.read_text(encoding="utf-8")
    library = max(re.findall(r"<script>(.*?)</script>", source, re.S), key=len)
    own = source.replace(library, "")
    assert not re.search(r'(?:src|href)="(?!data:|#)', own)
    assert source.count("Plotly.js") or source.count("plotly.js")
    assert 'name="viewport"' in own
    assert "looks like a round well" in " ".join(own.split())
    again = write(tmp_path / "b", make(kind))
    for path in page.parent.iterdir():
        assert path.read_bytes() == (again.parent / path.name).read_bytes()


def test_names_are_escaped(make, tmp_path):
    picture = dataclasses.replace(make("plane"), title="<i>a</i> $x$", marks={"<b>": (0.0, 0.0)}, footer=("<u>",))
    source = write(tmp_path, picture).read_text(encoding="utf-8")
    assert "<i>a</i>" not in source
    assert "<u>" not in source


def test_the_table_holds_extremes_marks_errors_spread_and_what_is_undefined(make):
    first, *_ = tables.rows(make("plane", nan=2, error=True))
    (cut,) = make("plane", nan=2, error=True).cuts.values()
    assert first.undefined == "2 of 143"
    assert float(first.least) == pytest.approx(float(cut["loss"].min()), rel=1e-2)
    assert float(first.marks[0]) == pytest.approx(float(cut["loss"].sel(c0=0, c1=0, method="nearest")), rel=1e-2)
    assert float(first.error) == pytest.approx(float(cut["loss_error"].max()), rel=1e-2)
    outside = dataclasses.replace(make("plane"), marks={"far": (9.0, 0.0)})
    assert tables.rows(outside)[0].marks == [tables.OUTSIDE]
    for kind in ("line", "plane"):
        titles = [row.title for row in tables.rows(make(kind, draws=3))]
        assert sum("spread over 3 draws" in title for title in titles) == 1
    assert tables.rows(make("spectrum")) == []
    assert tables.counts(make("spectrum"))[0] == "200 ± 12 eigenvalues above 0.01."


def test_a_directory_that_cannot_be_written_is_told(make, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        write(tmp_path / "file", make("line"))
