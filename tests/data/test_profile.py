import pandas as pd

from e5demo.data.profile import FieldProfile, Repeat, agencies, profile, repeats


def test_profile_by_hand():
    pairs = pd.DataFrame(
        {
            "query": ["abc", "abcdef", "abc", "abcd"],
            "passage": ["dix lettres", "un", "deux", "trois"],
            "date": ["2014-02-05", None, "2011-12-31", None],
            "agency": ["AFP", "AFP", "Reuters", None],
            "url": [None] * 4,
        }
    )
    assert profile(pairs) == [
        FieldProfile("query", 4, 3, 3, 3, 6, "abc", "abcdef"),  # lengths 3 3 4 6: 3.5 in the middle
        FieldProfile("passage", 4, 4, 2, 4, 11, "deux", "un"),  # 2 4 5 11: 4.5
        FieldProfile("date", 2, 2, 10, 10, 10, "2011-12-31", "2014-02-05"),
        FieldProfile("agency", 3, 2, 3, 3, 7, "AFP", "Reuters"),
    ]
    assert agencies(pairs) == ["AFP", "Reuters"]
    assert agencies(pairs.assign(agency=None)) == []


def test_agencies_with_most_articles_come_first():
    assert agencies(pd.DataFrame({"agency": ["AFP", "Reuters", None, "Reuters"]})) == [
        "Reuters",
        "AFP",
    ]


def repeated(*keys):
    """Repeats of pairs, given (title, passage, near) each; rows 1, 2, ..."""
    twins = pd.DataFrame(keys, columns=["title", "passage", "near"])
    names = [f"t{i}" for i in range(len(keys))]
    pairs = pd.DataFrame({"query": names, "row": range(1, len(keys) + 1)})
    return [(one.kind, one.rows) for one in repeats(pairs, twins)]


def test_a_group_is_listed_under_the_narrowest_key_that_all_share():
    assert repeated((1, 1, 1), (2, 2, 2)) == []
    assert repeated((1, 1, 1), (2, 1, 1)) == [("passage", [1, 2])]
    assert repeated((1, 1, 1), (2, 2, 1)) == [("near", [1, 2])]
    assert repeated((1, 1, 1), (1, 2, 2)) == [("title", [1, 2])]


def test_equal_titles_over_one_article_are_not_listed_as_titles():
    assert repeated((1, 1, 1), (1, 1, 1)) == [("passage", [1, 2])]
    assert repeated((1, 1, 1), (1, 2, 1)) == [("near", [1, 2])]


def test_a_group_may_hold_a_narrower_one_and_the_largest_comes_first():
    assert repeated((1, 1, 1), (1, 2, 1), (1, 3, 3)) == [("title", [1, 2, 3]), ("near", [1, 2])]
    assert repeated((1, 1, 1), (2, 1, 1), (3, 3, 1)) == [("near", [1, 2, 3]), ("passage", [1, 2])]
    assert repeated((1, 1, 1), (2, 2, 2), (3, 2, 2), (4, 1, 1), (5, 1, 1)) == [
        ("passage", [1, 4, 5]),
        ("passage", [2, 3]),
    ]


def test_a_repeat_has_the_pairs_titles_and_csv_rows():
    pairs = pd.DataFrame({"query": ["Un", "Deux", "Trois"], "row": [4, 7, 9]})
    twins = pd.DataFrame({"title": [1, 2, 3], "passage": [1, 2, 1], "near": [1, 2, 1]})
    assert repeats(pairs, twins) == [Repeat("passage", ["Un", "Trois"], [4, 9])]
