import pandas as pd
import pytest

from e5demo.data.pairs import iso_dates, make_pairs, text_id
from e5demo.data.reading import read_table
from e5demo.errors import NoPairs

TITLE, ARTICLE = "Un titre assez long", "Un article qui dépasse vingt caractères"


def pairs_of(tmp_path, rows):
    path = tmp_path / "n.csv"
    pd.DataFrame(rows, columns=["Titre", "Contenu", "Date"]).to_csv(path, index=False)
    return make_pairs(read_table(path))


def test_each_rule_drops_and_keeps_what_it_took(tmp_path):
    pairs = pairs_of(
        tmp_path,
        [
            (TITLE, ARTICLE, "01.02.2016"),
            (None, ARTICLE, ""),
            (TITLE, None, ""),
            ("x" * 10, ARTICLE, ""),  # 10 characters are not longer than 10
            ("x" * 11, "y" * 20, ""),
            ("  " + "x" * 11 + " ", "\n" + "y" * 21, ""),
            ("   ", "  ", ""),  # blank is short, not missing: the recipe strips after dropping
        ],
    )
    assert pairs.rows == 7
    assert pairs.dropped_counts == {"missing": 2, "short_query": 2, "short_passage": 1}
    assert pairs.kept["row"].tolist() == [1, 6]
    assert pairs.kept["query"].tolist() == [TITLE, "x" * 11]
    assert pairs.kept["date"].tolist()[0] == "2016-02-01"
    assert pairs.dropped.set_index("row")["rule"].to_dict() == {
        2: "missing", 3: "missing", 4: "short_query", 5: "short_passage", 7: "short_query",
    }  # fmt: skip


def test_equal_texts_share_an_id(tmp_path):
    kept = pairs_of(tmp_path, [(TITLE, ARTICLE, ""), (TITLE + "!", ARTICLE, "")]).kept
    assert kept["passage_id"].nunique() == 1
    assert kept["query_id"].nunique() == 2
    assert kept["passage_id"][0] == text_id(ARTICLE)


def test_no_pair_left_is_an_error_with_counts(tmp_path):
    with pytest.raises(NoPairs, match="of 2 rows, 1 lack .* and 1 are too short"):
        pairs_of(tmp_path, [(None, ARTICLE, ""), ("court", ARTICLE, "")])


def test_dates_of_several_forms():
    assert iso_dates(pd.Series(["17.02.2011", "bad", None])).tolist()[0] == "2011-02-17"
    assert iso_dates(pd.Series(["2016-01-31"])).tolist() == ["2016-01-31"]
    assert iso_dates(pd.Series(["05/02/24", "13/02/24"])).tolist() == ["2024-02-05", "2024-02-13"]
    for year_first in ("20240205", "2024.02.05", "2024-02-05T10"):
        assert iso_dates(pd.Series([year_first])).tolist() == ["2024-02-05"]
    assert iso_dates(pd.Series(["05.02.24"])).tolist() == ["2024-02-05"]
    assert iso_dates(pd.Series(["2016-01-31T10:00:00Z"])).tolist() == ["2016-01-31"]


@pytest.mark.parametrize(
    ("given", "days"),
    [
        (["13/03/2024 10:15", "05/03/2024 08:00"], ["2024-03-13", "2024-03-05"]),
        (["05/03/2024 à 8h00", "06/03/2024"], ["2024-03-05", "2024-03-06"]),
        (["2024-05-01T00:30+02:00", "2024-05-02"], ["2024-05-01", "2024-05-02"]),
        (["Feb 5, 2014", "Mar 6, 2014 10:00"], ["2014-02-05", "2014-03-06"]),
    ],
)
def test_a_time_behind_the_day_neither_moves_nor_loses_it(given, days):
    assert iso_dates(pd.Series(given)).tolist() == days
