import csv
import json
import multiprocessing
from dataclasses import asdict, replace

import pandas as pd
import pytest

from e5demo.evaluation.votes import (
    Side,
    Tally,
    Vote,
    VoteBook,
    tally,
    triplets,
    votes_table,
)
from e5demo.workspace import write_spreadsheet

BM25 = Side("bm25", ("p1", "p2"), "La neige tombe à Liège.")
E5 = Side("baseline", ("p3",), "Le train s’arrête.\nLa ligne est coupée.")
VOTE = Vote("neige « demain »", BM25, E5, "left", "news-1", "all", 512, 10, 1_764_000_000.5)


def votes(choices, left=BM25, right=E5):
    return [replace(VOTE, left=left, right=right, choice=choice) for choice in choices]


@pytest.fixture
def book(tmp_path):
    return VoteBook(tmp_path / "mine" / "votes.jsonl")


# --- the file ------------------------------------------------------------------------------------


def test_votes_are_found_again_oldest_first(book):
    assert book.votes() == []
    cast = [replace(VOTE, choice=choice, at=at) for at, choice in enumerate(("tie", "left", "bad"))]
    for vote in cast:
        book.add(vote)
    assert VoteBook(book.path).votes() == cast
    lines = book.path.read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == json.loads(json.dumps([*map(asdict, cast)]))
    assert "neige « demain »" in lines[0]


@pytest.mark.parametrize("cut", [1, 2, 10, -2])
def test_a_torn_line_takes_no_later_vote_with_it(book, cut):
    first, torn, last = (replace(VOTE, at=at) for at in (1, 2, 3))
    book.add(first)
    whole = book.path.read_bytes()
    book.add(torn)
    second = book.path.read_bytes()[len(whole) :]
    book.path.write_bytes(whole + second[:cut])
    assert book.votes() == [first]
    book.add(last)
    assert book.votes() == [first, last]


def test_a_line_torn_inside_a_letter_and_one_of_zeros_are_no_votes(book):
    accent = VOTE.query.encode()[:7]  # the first byte of «
    book.path.parent.mkdir()
    book.path.write_bytes(b'{"query":"' + accent + b"\n" + bytes(200) + b"\n{}\n[1]\n")
    book.add(VOTE)
    assert book.votes() == [VOTE]


def test_a_vote_that_lacks_its_line_end_alone_counts(book):
    book.add(VOTE)
    book.path.write_bytes(book.path.read_bytes()[:-1])
    assert book.votes() == [VOTE]
    book.add(VOTE)
    assert book.votes() == [VOTE, VOTE]


def test_a_choice_of_another_kind_is_refused_and_no_vote_where_it_stands(book):
    book.add(VOTE)
    kept = book.path.read_bytes()
    with pytest.raises(ValueError, match="perhaps"):
        book.add(replace(VOTE, choice="perhaps"))
    assert book.path.read_bytes() == kept
    book.path.write_bytes(kept.replace(b'"choice":"left"', b'"choice":"perhaps"'))
    assert book.votes() == []


def add_many(path, who):
    for number in range(50):
        VoteBook(path).add(replace(VOTE, query=f"{who} {number} {'x' * 20_000}"))


def test_two_processes_lose_no_vote(book):
    process = multiprocessing.get_context("spawn").Process
    adders = [process(target=add_many, args=(book.path, who)) for who in "ab"]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()
    found = [tuple(vote.query.split()[:2]) for vote in book.votes()]
    for who in "ab":
        assert [pair for pair in found if pair[0] == who] == [(who, str(i)) for i in range(50)]
    assert len(found) == 100


# --- what they say -------------------------------------------------------------------------------


def test_a_tally_by_hand_whatever_the_side():
    third = replace(E5, retriever="fusion")
    cast = [
        *votes(["left", "right", "tie", "bad", "tie"]),  # one each
        *votes(["left", "left"], E5, BM25),  # E5's, which stands left
        *votes(["left", "right"], third, BM25),  # other retrievers
        *votes(["right"], E5, third),
    ]
    found = tally(cast, "bm25", "baseline")
    assert (found.first, found.second, found.ties, found.bad) == (1, 3, 2, 1)
    assert found.share == 0.75
    # Wilson: (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n), with z² = 3.8415, n = 4:
    # (0.75 + 0.48018 ± 1.95996 √(0.046875 + 0.060023)) / 1.96036 = 0.62753 ± 0.32689
    assert (found.low, found.high) == pytest.approx((0.30064, 0.95441), abs=1e-4)
    other = tally(cast, "baseline", "bm25")
    assert (other.first, other.second, other.share) == (3, 1, 0.25)
    assert (other.low, other.high) == pytest.approx((1 - found.high, 1 - found.low))


@pytest.mark.parametrize("choice", [[], ["tie", "tie"], ["bad", "bad"]])
def test_where_nothing_is_decided_there_is_no_share(choice):
    found = tally(votes(choice), "bm25", "baseline")
    ties, bad = choice.count("tie"), choice.count("bad")
    assert found == Tally(0, 0, ties, bad, None, None, None)


def test_a_winner_of_all_votes_is_not_sure_to_win_the_next():
    found = tally(votes(["right"] * 3), "bm25", "baseline")
    assert (found.share, found.high) == (1, pytest.approx(1))
    assert found.low == pytest.approx(3 / (3 + 3.8415), abs=1e-4)  # n / (n + z²)


def test_a_table_row_by_hand():
    table = votes_table(votes(["left", "right", "tie", "bad"]))
    assert table.iloc[0].to_dict() == {
        "at": "2025-11-24T16:00:00+00:00",
        "dataset": "news-1",
        "query": "neige « demain »",
        "left": "bm25",
        "right": "baseline",
        "choice": "left",
        "winner": "bm25",
        "corpus": "all",
        "k": 10,
        "max_length": 512,
        "left_first": BM25.first,
        "right_first": E5.first,
    }
    assert table["winner"].tolist() == ["bm25", "baseline", "", ""]
    assert list(votes_table([])) == list(table)


def test_a_query_that_is_a_formula_is_text_in_the_spreadsheet(tmp_path):
    path = tmp_path / "votes.csv"
    formula = '=HYPERLINK("http://x")'
    write_spreadsheet(path, votes_table([replace(VOTE, query=formula)]))
    with path.open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["query"] == f"'{formula}"
    assert row["right_first"] == E5.first


def test_triplets_are_the_chosen_first_passage_and_the_other_once():
    nothing = Side("fusion", (), "")
    same = replace(E5, retriever="fusion", first=BM25.first)
    cast = [
        *votes(["left", "right", "tie", "bad", "left"]),
        *votes(["right"], E5, BM25),  # as the first one
        *votes(["left", "right"], BM25, nothing),
        *votes(["left", "right"], BM25, same),
        replace(VOTE, query="=1+1"),
    ]
    expected = [
        (VOTE.query, BM25.first, E5.first),
        (VOTE.query, E5.first, BM25.first),
        ("=1+1", BM25.first, E5.first),
    ]
    found = triplets(cast)
    assert list(found) == ["query", "positive", "negative"]
    assert [*found.itertuples(index=False, name=None)] == expected
    pd.testing.assert_frame_equal(triplets([]), found[:0], check_index_type=False)
