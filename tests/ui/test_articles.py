import pytest

from e5demo.data.browsing import Filter
from e5demo.errors import BadDate
from e5demo.ui.articles import _filter


def test_a_year_or_month_as_the_end_means_its_last_day():
    wanted = _filter("neige", ["AFP"], " 2013 ", "2014-02", "newest")
    assert wanted == Filter("neige", ("AFP",), "2013", "2014-02~", "newest")
    assert "2014-02-28" <= wanted.until < "2014-03-01"


def test_cleared_fields_filter_nothing():
    assert _filter(None, None, None, "  ", "row") == Filter()


@pytest.mark.parametrize("value", ["05.02.2014", "2014-2-5", "2014-", "hier", "2014-02-05T10"])
def test_another_form_of_date_is_refused(value):
    for since, until in ((value, ""), ("", value)):
        with pytest.raises(BadDate, match="YYYY-MM-DD"):
            _filter("", [], since, until, "row")
