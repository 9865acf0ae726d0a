import csv
import json
import multiprocessing
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from e5demo.config import Settings
from e5demo.errors import BadSetting
from e5demo.workspace import (
    Workspace,
    draft_file,
    embeddings,
    embeddings_limit,
    home,
    is_public,
    model_cache,
    new_visitor,
    open_all,
    published_folder,
    read_json,
    recorded,
    remove_folder,
    safe_cell,
    unreadable,
    write_json,
    write_spreadsheet,
    write_text,
)


def test_e5demo_home_is_the_data_folder_and_a_tilde_is_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("E5DEMO_HOME", str(tmp_path / "ici"))
    assert home() == Workspace.local().root == tmp_path / "ici"
    assert embeddings() == tmp_path / "ici" / "embeddings"
    monkeypatch.setenv("E5DEMO_HOME", "~/la")
    assert home() == Path.home() / "la"
    monkeypatch.delenv("E5DEMO_HOME")
    assert home().name == "e5demo"


def test_e5demo_cache_is_where_weights_stay(monkeypatch, tmp_path):
    monkeypatch.setenv("E5DEMO_CACHE", str(tmp_path))
    assert model_cache() == tmp_path


def test_e5demo_cache_gb_bounds_the_cache_of_vectors(monkeypatch):
    monkeypatch.setenv("E5DEMO_CACHE_GB", "")
    assert embeddings_limit() == 2_000_000_000
    monkeypatch.setenv("E5DEMO_CACHE_GB", "0.5")
    assert embeddings_limit() == 500_000_000


@pytest.mark.parametrize("value", ["two", "-1", "nan"])
def test_a_bound_that_is_no_number_is_refused_by_name(monkeypatch, value):
    monkeypatch.setenv("E5DEMO_CACHE_GB", value)
    with pytest.raises(BadSetting, match=f"E5DEMO_CACHE_GB = '{value}'"):
        embeddings_limit()


def test_a_job_works_in_the_folder_of_its_owner(monkeypatch, tmp_path):
    monkeypatch.setenv("E5DEMO_WORKSPACE", str(tmp_path / "visitor"))
    assert Workspace.local().root == tmp_path / "visitor"
    assert Workspace.shared().root == home() / "shared"


@pytest.mark.parametrize(
    ("name", "value", "public"),
    [
        ("E5DEMO_PUBLIC", "", False),
        ("E5DEMO_PUBLIC", "0", False),
        ("E5DEMO_PUBLIC", "1", True),
        ("SPACE_ID", "someone/e5demo", True),
    ],
)
def test_public_on_spaces_or_when_told(monkeypatch, name, value, public):
    monkeypatch.setenv(name, value)
    assert is_public() is public


def test_visitors_have_unguessable_folders_of_their_own():
    first, second = new_visitor(), new_visitor()
    assert first != second
    assert Workspace.of_visitor(first).root == home() / "visitors" / first


@pytest.mark.parametrize(
    "visitor",
    ["", "..", "a" * 31, "a" * 33, "a" * 31 + "/", "../" + "a" * 29, "é" * 32, "a" * 32 + "\n"],
)
def test_what_is_no_visitor_id_opens_no_folder(visitor):
    with pytest.raises(ValueError, match="no visitor id"):
        Workspace.of_visitor(visitor)


def test_size_counts_the_files_below(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"12345")
    (tmp_path / "c").write_bytes(b"123")
    assert Workspace(tmp_path).size() == 8


def test_json_keeps_accents_and_makes_its_folder(tmp_path):
    path = tmp_path / "neuf" / "x.json"
    write_json(path, {"titre": "été"})
    assert read_json(path) == {"titre": "été"}
    assert "été" in path.read_text("utf-8")


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "- Le ministre"],
)
def test_what_looks_like_a_formula_is_text_in_a_spreadsheet(text):
    assert safe_cell(text) == f"'{text}"
    assert safe_cell(safe_cell(text)) == safe_cell(text)


@pytest.mark.parametrize("value", ["", "a=1", " -1", "«", "’", -1.5, 3, None])
def test_what_is_no_formula_stays(value):
    assert safe_cell(value) == value


def test_a_spreadsheet_has_safe_texts_plain_numbers_and_accents(tmp_path):
    path = tmp_path / "neuf" / "x.csv"
    frame = pd.DataFrame({"=titre": ["été", "-x", None, '"a"\n=b'], "note": [-0.5, 1, 2, None]})
    before = frame.copy()
    write_spreadsheet(path, frame)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf'=titre,note\n")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["'=titre", "note"], ["été", "-0.5"], ["'-x", "1.0"], ["", "2.0"], ['"a"\n=b', ""]
    ]  # fmt: skip
    pd.testing.assert_frame_equal(frame, before)
    write_spreadsheet(path, frame[:0])
    assert path.read_text("utf-8-sig") == "'=titre,note\n"


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_a_writer_that_fails_leaves_the_old_file_and_no_draft(tmp_path, stop):
    path = tmp_path / "x.txt"
    path.write_text("ancien")

    def write_half():
        with draft_file(path) as file:
            file.write(b"nou")
            raise stop

    with pytest.raises(stop):
        write_half()
    assert path.read_text() == "ancien"
    assert list(tmp_path.iterdir()) == [path]


def test_a_value_that_json_cannot_hold_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "x.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", object())
    assert read_json(tmp_path / "x.json") == 1


def test_a_file_is_not_seen_before_it_is_whole(tmp_path):
    path = tmp_path / "x.txt"
    with draft_file(path) as file:
        file.write(b"tout")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"tout"


def test_a_folder_appears_whole_when_the_block_ends(tmp_path):
    folder = tmp_path / "ici" / "data"
    with published_folder(folder) as draft:
        (draft / "a").write_text("1")
        assert not folder.exists()
        (draft / "b").write_text("2")
    assert sorted(p.name for p in folder.iterdir()) == ["a", "b"]
    assert list(folder.parent.iterdir()) == [folder]


def test_a_folder_whose_block_fails_never_appears(tmp_path):
    def fail():
        with published_folder(tmp_path / "data") as draft:
            (draft / "a").write_text("1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_first_publisher_wins(tmp_path):
    folder = tmp_path / "data"
    with published_folder(folder) as late:
        (late / "who").write_text("second")
        with published_folder(folder) as early:
            (early / "who").write_text("first")
    assert (folder / "who").read_text() == "first"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_cannot_take_a_file_s_place(tmp_path):
    (tmp_path / "data").write_text("un fichier")
    with pytest.raises(OSError, match="data"), published_folder(tmp_path / "data"):
        pass
    assert (tmp_path / "data").read_text() == "un fichier"


def test_remove_folder_leaves_nothing(tmp_path):
    (tmp_path / "data" / "deep").mkdir(parents=True)
    remove_folder(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def write_often(path: Path) -> None:
    for number in range(300):
        write_json(path, {"number": number, "filler": "x" * 20_000})


def test_a_reader_beside_a_writer_sees_whole_files_alone(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"number": -1})
    writer = multiprocessing.get_context("spawn").Process(target=write_often, args=(path,))
    writer.start()
    seen = set()
    while writer.is_alive():
        seen.add(json.loads(path.read_bytes())["number"])
    writer.join()
    assert writer.exitcode == 0
    assert len(seen) > 10


def test_what_is_deleted_while_a_list_is_made_is_left_out(tmp_path):
    for name in ("a", "b", "c", ".draft"):
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "x.json", {})

    def open_one(folder):
        if folder.name == "b":
            raise FileNotFoundError
        return SimpleNamespace(name=folder.name, created=ord(folder.name))

    found = open_all(tmp_path, "x.json", open_one, FileNotFoundError)
    assert [one.name for one in found] == ["c", "a"]
    assert unreadable(tmp_path, "x.json", open_one, FileNotFoundError) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting property name"),
        ("[]", "must be a mapping"),
        ('{"created": 1, "later": 2}', "later"),
        ("{}", "created"),
        ('{"created": "x"}', "created = 'x'"),
    ],
)
def test_a_record_that_makes_no_sense_here_is_left_out_and_told(tmp_path, text, reason):
    class Record(Settings):
        created: int

    def open_one(folder):
        with recorded(folder / "x.json"):
            return Record.checked(**read_json(folder / "x.json"))

    write_json(tmp_path / "good" / "x.json", {"created": 3})
    write_text(tmp_path / "odd" / "x.json", text)
    found = open_all(tmp_path, "x.json", open_one, FileNotFoundError)
    assert [one.created for one in found] == [3]
    (told,) = unreadable(tmp_path, "x.json", open_one, FileNotFoundError)
    assert told.values["path"] == f"{tmp_path.name}/odd/x.json"
    assert reason in told.values["reason"]
    assert (tmp_path / "odd" / "x.json").read_text("utf-8") == text
