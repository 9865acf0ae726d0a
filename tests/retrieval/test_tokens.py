import json

import pytest

from e5demo.retrieval.tokens import CutTokenizer, write_tokenizer

TEXTS = ["query: la neige", "", "passage: " + "neige, la 12 été " * 9]


@pytest.fixture
def theirs(tiny_model):
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(tiny_model.folder / "tokenizer.json"))
    found.no_padding()
    return found


@pytest.mark.parametrize("length", [3, 8, 24, 512])
def test_texts_are_cut_as_the_library_cuts_them(theirs, tmp_path, length):
    write_tokenizer(theirs.to_str(), tmp_path / "tokenizer.json")
    ours = CutTokenizer(tmp_path / "tokenizer.json", length)
    theirs.enable_truncation(length)
    assert ours.ids(TEXTS) == [one.ids for one in theirs.encode_batch(TEXTS)]
    for text in TEXTS:
        assert ours.encode(text).offsets == theirs.encode(text).offsets


def test_one_serves_all_lengths_and_whoever_cut_it_before(theirs, tmp_path):
    write_tokenizer(theirs.to_str(), tmp_path / "one.json")
    theirs.enable_truncation(5)
    write_tokenizer(theirs.to_str(), tmp_path / "other.json")
    long = CutTokenizer(tmp_path / "one.json", 24)
    short = CutTokenizer(tmp_path / "other.json", 8)
    assert short._vocabulary is long._vocabulary
    assert [len(one.ids(TEXTS[2:])[0]) for one in (long, short)] == [24, 8]


def test_the_json_stays_the_tokenizer_s_own(theirs, tmp_path):
    path = tmp_path / "tokenizer.json"
    write_tokenizer(theirs.to_str(), path)
    assert json.loads(path.read_text("utf-8"))["model"] == json.loads(theirs.to_str())["model"]


def test_a_damaged_file_is_told_as_such(tmp_path):
    (tmp_path / "tokenizer.json").write_text("")
    with pytest.raises(ValueError, match="no tokenizer"):
        CutTokenizer(tmp_path / "tokenizer.json", 8)
