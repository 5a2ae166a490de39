import pytest
from jinja2 import UndefinedError

from nwedge.report import page


def test_a_name_that_the_template_misses_is_an_error_and_leaves_the_old_page(tmp_path):
    path = tmp_path / page.REPORT
    path.write_text("old")
    with pytest.raises(UndefinedError):
        page.write(path, "report.html.j2")
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old"]
