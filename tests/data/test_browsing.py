import gc

import pandas as pd
import pytest

from e5demo.data import browsing
from e5demo.data.browsing import Filter, Scope, browse, page, searchable
from e5demo.errors import BadDate

NEWS = [
    ("Zèbre à Sète", "Un L’Été ŒUVRE", "2014-02-05", "AFP"),
    ("écran noir", "La neige (50 %) tombe sur Sète", None, "Reuters"),
    ("Eau trouble", "Neige", "2013-12-31", None),
    ("Âne têtu", "sete, sans neige", "2014-02-28", "AFP"),
]


def table(news=NEWS):
    frame = pd.DataFrame(news, columns=["query", "passage", "date", "agency"])
    return frame.assign(row=range(1, len(news) + 1), url=None)


def found(rows=None, **wanted):
    return browse(table() if rows is None else rows, Filter(**wanted))["row"].tolist()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", [1, 2, 3, 4]),
        ("  NEIGÉ ", [2, 3, 4]),
        ("neige sète", [2, 4]),  # both words, in any order, in title or article
        ("neige ane", [4]),
        ("(50", [2]),  # not a pattern
        ("n.ige", []),
        ("sete\u00a0zebre", [1]),
        ("l'ete", []),
        ("l’ete œuvre", [1]),
    ],
)
def test_every_word_must_occur_whatever_the_accents_and_case(text, rows):
    assert found(text=text) == rows


def test_agencies_and_days_narrow_and_a_row_without_a_date_passes_no_day():
    assert found(agencies=["AFP"]) == [1, 4]
    assert found(agencies=["AFP", "Reuters"], text="neige") == [2, 4]
    assert found(since="2014-02-05") == [1, 4]
    assert found(until="2014-02-05") == [1, 3]
    assert found(since="2014-02-05", until="2014-02-05") == [1]
    assert found(since="2014", until="2014-02~") == [1, 4]


def test_a_scope_says_of_each_row_whether_it_passes_and_nothing_where_all_do():
    assert Scope().mask(table()) is None
    scope = Scope.checked(["AFP"], "2014-02-06", None)
    assert scope.mask(table()).tolist() == [False, False, False, True]


def test_a_year_or_month_as_the_end_means_its_last_day():
    wanted = Filter.checked(["AFP"], " 2013 ", "2014-02", text="neige", order="newest")
    assert wanted == Filter(("AFP",), "2013", "2014-02~", "neige", "newest")
    assert "2014-02-28" <= wanted.until < "2014-03-01"


def test_cleared_fields_filter_nothing():
    assert Filter.checked(None, None, "  ") == Filter()


@pytest.mark.parametrize(
    "value", ["05.02.2014", "2014-2-5", "2014-", "hier", "2014-02-05T10", "2014-02-30"]
)
def test_another_form_of_date_is_refused(value):
    for since, until in ((value, ""), ("", value)):
        with pytest.raises(BadDate, match="YYYY-MM-DD"):
            Scope.checked([], since, until)


@pytest.mark.parametrize(
    ("order", "rows"),
    [
        ("row", [1, 2, 3, 4]),
        ("newest", [4, 1, 3, 2]),
        ("oldest", [3, 1, 4, 2]),  # without a date: last either way
        ("title", [4, 3, 2, 1]),
        ("longest", [2, 4, 1, 3]),
        ("shortest", [3, 1, 4, 2]),
    ],
)
def test_orders(order, rows):
    assert found(order=order) == rows


def test_equal_rows_keep_the_file_s_order():
    twins = table([("Même titre", "Même article", "2014-01-01", None)] * 30)
    for order in browsing.ORDERS:
        assert found(twins, order=order) == list(range(1, 31))


def test_rows_that_fell_out_are_searched_and_sorted_too():
    dropped = table([("Court", None, None, None), (None, "Un été", None, None)])
    assert found(dropped, text="ete") == [2]
    assert found(dropped, text="court") == [1]
    assert found(dropped, text="nan") == found(dropped, text="none") == []
    assert found(dropped, order="title") == [1, 2]
    assert found(dropped, order="shortest") == [1, 2]
    assert found(dropped, order="longest") == [2, 1]


def test_a_table_without_dates_or_rows_can_be_browsed(tmp_path):
    table().assign(date=None, agency=None).to_parquet(tmp_path / "n.parquet")
    undated = pd.read_parquet(tmp_path / "n.parquet")
    assert found(undated, since="2014") == found(undated, agencies=["AFP"]) == []
    assert found(undated, order="newest") == [1, 2, 3, 4]
    for order in browsing.ORDERS:
        assert found(table().iloc[:0], text="neige", order=order) == []


def test_a_table_made_from_a_browsed_one_is_searched_by_its_own_text():
    rows = table()
    assert found(rows, text="zebre") == [1]
    assert found(rows.iloc[::-1], text="zebre") == [1]
    assert found(rows.iloc[2:].reset_index(drop=True), text="eau") == [3]
    assert found(rows.assign(query="Le zèbre"), text="zebre") == [1, 2, 3, 4]


def test_plain_text_is_made_once_goes_with_its_table_and_into_no_file():
    rows = table()
    assert searchable(rows) is searchable(rows)
    assert rows.attrs == {}  # pandas writes attrs into Parquet files
    key = id(rows)
    assert key in browsing._plain_of
    del rows
    gc.collect()
    assert key not in browsing._plain_of


@pytest.mark.parametrize(
    ("size", "wanted", "rows", "number", "pages"),
    [
        (45, 1, range(0, 20), 1, 3),
        (45, 3, range(40, 45), 3, 3),
        (45, 4, range(40, 45), 3, 3),
        (45, 0, range(0, 20), 1, 3),
        (45, -7, range(0, 20), 1, 3),
        (40, 9, range(20, 40), 2, 2),
        (0, 2, range(0), 1, 1),
    ],
)
def test_a_page_is_brought_into_range(size, wanted, rows, number, pages):
    shown, *told = page(pd.DataFrame({"row": range(size)}), wanted)
    assert shown["row"].tolist() == list(rows)
    assert told == [number, pages]
