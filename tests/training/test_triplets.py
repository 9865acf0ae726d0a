import pandas as pd
import pytest

from e5demo.errors import EmptyFile, FileMissing, NoTriplets, NotTriplets
from e5demo.training.triplets import COLUMNS, add_triplets, read_triplets, tidied, usable


def frame(*rows):
    return pd.DataFrame(rows, columns=COLUMNS, dtype="object")


def told(triplets):
    return [*triplets[COLUMNS].itertuples(index=False, name=None)]


# --- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ('query,positive,negative\nété,"oui, ""là""",non\n', "utf-8"),
        ('query;positive;negative\r\nété;"oui, ""là""";non\r\n', "utf-8-sig"),
        ('note\tnegative\tpositive\tquery\n1\tnon\t"oui, ""là"""\tété\n', "cp1252"),
    ],
)
def test_a_csv_is_read_as_spreadsheets_write_it(tmp_path, text, encoding):
    path = tmp_path / "votes.csv"
    path.write_bytes(text.encode(encoding))
    found = read_triplets(path)
    assert list(found) == COLUMNS
    assert told(found) == [("été", 'oui, "là"', "non")]


def test_all_rows_are_read(tmp_path):
    rows = [(f"q {i}", f"a {i}", "b, c") for i in range(300)]
    frame(*rows).to_csv(tmp_path / "x.csv", index=False)
    assert told(read_triplets(tmp_path / "x.csv")) == rows


def test_texts_are_stripped_and_what_teaches_nothing_falls_out():
    given = frame(
        (" q ", "a\n", "\tb"),
        ("q", "a", "b"),
        ("q", "b", "a"),
        ("", "a", "b"),
        ("q", "  ", "b"),
        ("q", "a", None),
        ("q", "a", " a "),
        ("=1+1", "a", "b"),
    )
    before = given.copy()
    assert told(tidied(given)) == [("q", "a", "b"), ("q", "b", "a"), ("=1+1", "a", "b")]
    pd.testing.assert_frame_equal(given, before)
    assert told(tidied(given[:0])) == []


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", EmptyFile, "x.csv is empty"),
        ("query\nq\n", NotTriplets, "x.csv .* no column positive, negative: give a CSV with the"),
        ("query,positive,other\nq,a,b\n", NotTriplets, "no column negative"),
        ("query,positive,negative\n", NoTriplets, "x.csv holds no triplet"),
        ("query,positive,negative\nq,a,a\n,a,b\n", NoTriplets, "two different passages"),
    ],
)
def test_what_holds_no_triplets_is_refused(tmp_path, text, error, words):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(error, match=words):
        read_triplets(tmp_path / "x.csv")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileMissing, match=r"none\.csv"):
        read_triplets(tmp_path / "none.csv")


# --- what may be used ----------------------------------------------------------------------------

PARTS = pd.Series(["train", "validation", "test", "train"])
KEYS = pd.DataFrame(
    {
        "title": ["titre a", "titre b", "titre c", "titre b"],
        "passage": ["corps a", "corps b", "corps c", "corps d"],
        "near": [0, 1, 2, 3],
    },
    index=[4, 5, 6, 7],  # its order counts, not its index
)
FINE = ("Titre A", "Corps A.", "Corps D.")


@pytest.mark.parametrize(
    ("triplet", "stays"),
    [
        (FINE, True),
        (("autre", "tout autre", "Corps A."), True),
        (("Corps C.", "Titre C", "Corps A."), True),  # a title is no passage
        (("Titre C", "Corps A.", "Corps D."), False),
        (("Titre B", "Corps A.", "Corps D."), False),  # of train and of validation
        (("autre", "Corps C.", "Corps D."), False),
        (("autre", "Corps A.", "Corps B."), False),
        (("autre", "CÖRPS   c !", "Corps D."), False),  # the same, differently written
    ],
)
def test_no_text_of_validation_or_test_is_trained_on(triplet, stays):
    found = usable(frame(triplet, FINE), KEYS, PARTS)
    assert told(found) == ([triplet, FINE] if stays else [FINE])
    assert found.index.tolist() == list(range(len(found)))


def test_nor_what_is_nearly_a_passage_of_theirs():
    story = " ".join(f"mot{i}" for i in range(100))
    keys = KEYS.assign(passage=["corps a", "corps b", story, "corps d"])
    longer, other = f"{story} mis à jour", " ".join(f"mot{i}" for i in range(50, 150))
    given = frame(("q", longer, "Corps D."), ("q", "Corps D.", longer), ("q", other, "Corps D."))
    assert told(usable(given, keys, PARTS)) == [("q", other, "Corps D.")]


def test_all_may_be_left_out():
    assert usable(frame(("Titre C", "x", "y")), KEYS, PARTS).empty


# --- beside the pairs ----------------------------------------------------------------------------


@pytest.mark.parametrize("negatives", [0, 1, 3])
def test_a_triplet_is_a_pair_with_one_negative_throughout(negatives):
    names = [f"negative_{i + 1}" for i in range(negatives)]
    pairs = pd.DataFrame({"row": [7], "query_id": ["q"], "query": ["q"], "passage": ["p"]})
    pairs = pairs.assign(**{name: f"n{name[-1]}" for name in names})
    found = add_triplets(pairs, frame(("r", "yes", "no"), ("s", "si", "non")))
    assert list(found) == ["query", "passage", *names]
    assert found.to_numpy().tolist() == [
        ["q", "p", *(f"n{i + 1}" for i in range(negatives))],
        ["r", "yes", *["no"] * negatives],
        ["s", "si", *["non"] * negatives],
    ]
    assert found.index.tolist() == [0, 1, 2]
    assert not found.isna().any(axis=None)
