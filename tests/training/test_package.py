import json
import shutil
import zipfile
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pytest
import yaml

from e5demo.config import EvaluationSettings, SplitSettings
from e5demo.errors import NotATuned
from e5demo.retrieval.encoder import E5Encoder
from e5demo.retrieval.models import ModelSource
from e5demo.retrieval.reduction import REDUCTION, Reduction
from e5demo.training import package as module
from e5demo.training import worker
from e5demo.training.package import export_tuned, import_tuned, merge_adapter, model_card
from e5demo.training.recipe import make_recipe
from e5demo.training.triplets import Extra
from e5demo.training.tuned import SCORES, begin_tuned, end_tuned, list_tuned, open_tuned
from e5demo.workspace import write_json

WORDS = ["la neige", "train la", "neige train", "la", "train", "neige", "la la", "train train"]
PAIRS = pd.DataFrame({"query": WORDS, "passage": [f"{words} : {words}" for words in WORDS]})
DIFFERENCE = {"mean": 0.25, "low": 0.1, "high": 0.4}
SCORED = {
    "before": {"ndcg@10": 0.5},
    "after": {"ndcg@10": 0.75},
    "difference": {"ndcg@10": DIFFERENCE},
}
IDS = {"lora": "lora-0123abcd", "full": "full-0123abcd"}
ADAPTER, WEIGHTS = "adapter/adapter_model.safetensors", "model/model.safetensors"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_model):
    """A finished training of each method, changed by no test."""
    folder = tmp_path_factory.mktemp("trained")
    for method, name in IDS.items():
        settings = make_recipe(
            method, batch_size=4, max_length=16, learning_rate=0.05, max_minutes=None
        )
        told = {"preset": "quick", "dataset": "d", "dataset_name": "n", "data": "f", "pairs": 8}
        tuned = begin_tuned(
            folder / name, settings, tiny_model, SplitSettings(), EvaluationSettings(), **told
        )
        end_tuned(tuned, worker.train(PAIRS, settings, tiny_model, tuned.folder))
        write_json(tuned.folder / SCORES, SCORED)
        (tuned.folder / "log.txt").write_text("log\n")
    return folder


@pytest.fixture
def of(trained, tmp_path):
    """A copy of one of them, to be changed."""

    def copy(method):
        folder = tmp_path / "mine" / IDS[method]
        shutil.copytree(trained / IDS[method], folder)
        return open_tuned(folder)

    return copy


@pytest.fixture(scope="module")
def zipped(trained, tmp_path_factory):
    return export_tuned(
        open_tuned(trained / IDS["lora"]), tmp_path_factory.mktemp("zip") / "lora.zip"
    )


def vectors(source):
    return E5Encoder(source, 16).encode(WORDS, "document")


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zip_of(path, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("method", ["full", "lora"])
def test_exported_and_imported_it_gives_the_same_vectors(of, tiny_model, tmp_path, method):
    tuned = of(method)
    tuned.rename("Mon essai")
    path = export_tuned(tuned, tmp_path / "out" / "model.zip")
    imported = import_tuned(tmp_path / "theirs", path)
    assert imported.folder == tmp_path / "theirs" / tuned.id
    assert (imported.settings, imported.trained) == (tuned.settings, tuned.trained)
    assert (imported.name, imported.scores) == ("Mon essai", SCORED)
    assert imported.history == tuned.history != []
    assert imported.plan == tuned.plan
    same = vectors(imported.source(tiny_model))
    assert np.array_equal(same, vectors(tuned.source(tiny_model)))
    assert not np.allclose(same, vectors(tiny_model), atol=1e-3)
    assert list((tmp_path / "out").iterdir()) == [path]
    assert list((tmp_path / "theirs").iterdir()) == [imported.folder]


def test_learned_dimensions_go_with_their_model(of, tiny_model, tmp_path):
    tuned = of("full")
    assert REDUCTION not in model_card(tuned)
    learned = Reduction(np.ones(32, np.float32), np.eye(32, dtype=np.float32)[:, 3:7])
    learned.write(tuned.folder / REDUCTION)
    assert f"(v - mean) @ axes, of length 1 again, with the tensors of `{REDUCTION}`" in model_card(
        tuned
    )
    imported = import_tuned(tmp_path / "theirs", export_tuned(tuned, tmp_path / "model.zip"))
    theirs = imported.source(tiny_model)
    assert theirs.reduction == imported.folder / REDUCTION
    assert np.array_equal(Reduction.read(theirs.reduction).axes, learned.axes)
    assert theirs.fingerprint == tuned.source(tiny_model).fingerprint
    Reduction(np.ones(3, np.float32), learned.axes).write(tuned.folder / REDUCTION)
    with pytest.raises(NotATuned, match="model.zip"):
        import_tuned(tmp_path / "theirs", export_tuned(tuned, tmp_path / "model.zip"))


def test_an_adapter_for_tokens_goes_with_its_model(of, tiny_model, tmp_path):
    tuned, lora = of("full"), of("lora")
    shutil.copytree(lora.folder / "adapter", tuned.folder / "late" / "adapter")
    assert "`late/adapter`, over" in model_card(tuned)
    assert "`late/adapter`, over" not in model_card(lora)
    imported = import_tuned(tmp_path / "theirs", export_tuned(tuned, tmp_path / "model.zip"))
    tokens = imported.source(tiny_model).tokens
    assert np.array_equal(vectors(tokens), vectors(lora.source(tiny_model)))
    (tuned.folder / "late" / "adapter" / "adapter_model.safetensors").write_bytes(b"no")
    with pytest.raises(NotATuned, match="model.zip"):
        import_tuned(tmp_path / "theirs", export_tuned(tuned, tmp_path / "model.zip"))


def test_a_folder_is_imported_as_its_zip_is(trained, tmp_path):
    source = trained / IDS["lora"]
    imported = import_tuned(tmp_path / "theirs", source)
    assert imported.id == source.name
    assert (imported.folder / ADAPTER).read_bytes() == (source / ADAPTER).read_bytes()


def test_where_the_id_is_taken_it_gets_a_new_one(zipped, tmp_path):
    ids = [import_tuned(tmp_path / "theirs", zipped).id for _ in range(3)]
    assert ids[0] == IDS["lora"]
    assert len(set(ids)) == 3
    assert all(len(i) == 13 and i.startswith("lora-") for i in ids)
    assert {tuned.id for tuned in list_tuned(tmp_path / "theirs")} == set(ids)


@pytest.mark.parametrize("name", ["bm25", "full-0123abcd", ".hidden", "lora-x'; rm -rf"])
def test_a_name_that_is_no_id_of_its_kind_becomes_one(zipped, tmp_path, name):
    renamed = {
        PurePosixPath(name, *PurePosixPath(old).parts[1:]): content
        for old, content in members(zipped).items()
    }
    path = zip_of(tmp_path / "x.zip", {str(new): content for new, content in renamed.items()})
    imported = import_tuned(tmp_path / "theirs", path)
    assert imported.id.startswith("lora-")
    assert imported.id[5:].isalnum()


def test_nothing_pickled_and_no_checkpoint_is_in_the_zip(of, tmp_path):
    tuned = of("full")
    strays = ["checkpoint-3/optimizer.pt", "checkpoint-3/weights.safetensors", "best.safetensors"]
    strays += ["late/checkpoint-3/optimizer.pt", "late/checkpoint-3/weights.safetensors"]
    strays += [".lock", "model/evil.pkl", "model/pytorch_model.bin", "model/code.py", "x.json"]
    for name in strays:
        (tuned.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (tuned.folder / name).write_bytes(b"stray")
    (tuned.folder / "model" / "link.txt").symlink_to("/etc/hostname")
    held = members(export_tuned(tuned, tmp_path / "model.zip"))
    assert {name.partition("/")[0] for name in held} == {tuned.id}
    inside = {name.partition("/")[2] for name in held}
    assert inside >= {"README.md", "training.json", "tuned.json", "scores.json", "plan.json",
                      "history.jsonl", "recipe.yaml", "log.txt", WEIGHTS,
                      "model/modules.json", "model/1_Pooling/config.json"}  # fmt: skip
    assert not inside & {*strays, "model/link.txt"}
    assert {PurePosixPath(name).suffix for name in inside} <= module.SUFFIXES


def test_triplets_stay_here_and_only_their_number_goes_out(of, tiny_model, tmp_path):
    tuned = of("lora")
    write_json(
        tuned.folder / "training.json",
        {**json.loads((tuned.folder / "training.json").read_text("utf-8")),
         "extra": {"used": 1, "left_out": 2}},
    )  # fmt: skip
    texts = pd.DataFrame({"query": ["secret q"], "positive": ["secret p"], "negative": ["n"]})
    texts.to_parquet(tuned.folder / "extra.parquet")
    tuned = open_tuned(tuned.folder)
    path = export_tuned(tuned, tmp_path / "model.zip")
    held = members(path)
    assert not [name for name in held if "extra" in name]
    assert b"secret" not in b"".join(held.values())
    assert "on 8 pairs (extra triplets: 1) in " in model_card(tuned)
    for number, source in enumerate((path, tuned.folder)):
        imported = import_tuned(tmp_path / f"theirs-{number}", source)
        assert (imported.state, imported.extra) == ("done", Extra(1, 2))
        assert not (imported.folder / "extra.parquet").exists()
        found, expected = (vectors(one.source(tiny_model)) for one in (imported, tuned))
        assert np.array_equal(found, expected)


def test_the_card_tells_what_it_is_and_what_it_scored(of):
    tuned = of("lora")
    tuned.rename("Mon <b>essai</b> [x](y)")
    card = model_card(open_tuned(tuned.folder))
    _, front, text = card.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "language": ["fr"],
        "license": "mit",
        "base_model": "tiny",
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
    }
    assert "# Mon bessai/b x(y)\n" in text
    assert "2 of 2 steps on 8 pairs" in text
    assert "4,096 of" in text
    assert "| ndcg@10 | 0.500 | 0.750 | +0.250 [+0.100, +0.400] |" in text
    assert "learning_rate: 0.05" in text
    assert "`query: `" in text
    assert '"torch": ' in text
    (tuned.folder / SCORES).unlink()
    assert "Not evaluated." in model_card(tuned)


def test_merged_weights_give_the_adapter_s_vectors_by_themselves(of, tiny_model, tmp_path):
    tuned = of("lora")
    expected = vectors(tuned.source(tiny_model))
    folder = merge_adapter(tuned, tiny_model)
    assert folder == tuned.folder / "merged"
    merged = vectors(ModelSource("merged", folder, "tuned"))
    assert np.allclose(merged, expected, atol=1e-4)
    assert not np.allclose(merged, vectors(tiny_model), atol=1e-3)
    assert np.array_equal(vectors(tuned.source(tiny_model)), expected)
    assert not (tuned.folder / "model").exists()
    held = members(export_tuned(tuned, tmp_path / "model.zip"))
    assert {f"{tuned.id}/merged/model.safetensors", f"{tuned.id}/{ADAPTER}"} <= held.keys()
    imported = import_tuned(tmp_path / "theirs", tmp_path / "model.zip")
    assert (imported.folder / "merged" / "config.json").is_file()
    written = (folder / "model.safetensors").stat().st_mtime_ns
    merge_adapter(tuned, tiny_model)  # once is enough
    assert (folder / "model.safetensors").stat().st_mtime_ns == written


def test_a_whole_model_has_nothing_to_merge(of, tiny_model):
    tuned = of("full")
    merge_adapter(tuned, tiny_model)
    assert not (tuned.folder / "merged").exists()


def test_a_failed_export_leaves_no_file(of, tmp_path, monkeypatch):
    def fail(tuned):
        raise OSError("disk full")

    monkeypatch.setattr(module, "model_card", fail)
    with pytest.raises(OSError, match="disk full"):
        export_tuned(of("lora"), tmp_path / "out" / "x.zip")
    assert list((tmp_path / "out").iterdir()) == []


def changed_json(name, **changes):
    """The same file with other values; None takes one away."""

    def change(files):
        record = json.loads(files[name]) | changes
        files[name] = json.dumps({k: v for k, v in record.items() if v is not None})

    return change


def put(name, content):
    return lambda files: files.update({name: content})


def without(name):
    return lambda files: files.pop(name)


HOSTILE = {
    "pickled weights": (put("adapter/adapter_model.bin", b"x"), "adapter_model.bin"),
    "a program": (put("adapter/code.py", b"x"), "code.py"),
    "no suffix": (put("adapter/passwd", b"x"), "passwd"),
    "missing weights": (without(ADAPTER), "No such file"),
    "torn safetensors": (put(ADAPTER, b"\x10\0\0\0\0\0\0\0{"), "eader"),
    "empty safetensors": (put(ADAPTER, b""), "eader"),
    "no tensors": (put(ADAPTER, b"\x02\0\0\0\0\0\0\0{}"), "not finished"),
    "unfinished": (without("tuned.json"), "not finished"),
    "no record": (without("training.json"), "no experiment"),
    "no JSON": (put("training.json", "{"), "Expecting"),
    "a list": (put("training.json", "[]"), "list indices"),
    "deep JSON": (put("training.json", "[" * 100_000), "recursion"),
    "odd bytes": (put("training.json", b"\xff\xfe"), "decode"),
    "bad setting": (changed_json("training.json", settings={"method": "zut"}), "method"),
    "new field": (changed_json("training.json", zut=1), "zut"),
    "lost field": (changed_json("training.json", pairs=None), "pairs"),
    "text for a time": (changed_json("training.json", created="hier"), "float"),
    "number for a text": (changed_json("training.json", dataset=5), "str"),
    "base without a name": (changed_json("training.json", base={}), "name"),
    "text for steps": (changed_json("tuned.json", steps="x"), "int"),
    "scores of no shape": (put("scores.json", '{"difference": 1}'), "items"),
    "scores as texts": (changed_json("scores.json", after={"ndcg@10": "x"}), "format code"),
    "a list for a name": (put("name.json", '{"name": ["x"]}'), "str"),
    "an endless name": (put("name.json", json.dumps({"name": "x" * 61})), "60"),
    "text for a count": (changed_json("training.json", extra={"used": "x"}), "int"),
    "another count": (changed_json("training.json", extra={"zut": 1}), "zut"),
    "bad plan": (changed_json("plan.json", timing={}), "argument"),
    "bad history": (put("history.jsonl", "{x}\n"), "Expecting"),
    "history without steps": (put("history.jsonl", '{"loss": 1}\n'), "step"),
    "bad plan for tokens": (put("late/plan.json", '{"steps": 1, "timing": {}}'), "argument"),
    "bad history of tokens": (put("late/history.jsonl", "{x}\n"), "Expecting"),
    "history of tokens without times": (put("late/history.jsonl", '{"step": 1}\n'), "seconds"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_no_export_made_is_refused_with_a_reason(zipped, tmp_path, case):
    change, words = HOSTILE[case]
    files = {name.partition("/")[2]: content for name, content in members(zipped).items()}
    change(files)
    whole = {f"{IDS['lora']}/{name}": content for name, content in files.items()}
    path = zip_of(tmp_path / "bad.zip", whole)
    with pytest.raises(NotATuned, match=f"(?s)bad.zip is no tuned model.*{words}") as caught:
        import_tuned(tmp_path / "theirs", path)
    assert len(str(caught.value).splitlines()) == 1
    assert "left out" not in str(caught.value)  # it never was in a list
    assert list_tuned(tmp_path / "theirs") == []
    assert not (tmp_path / "theirs").exists()


def test_a_changed_file_in_a_good_zip_is_the_only_thing_refused(zipped, tmp_path):
    path = zip_of(tmp_path / "good.zip", members(zipped))  # packed as the bad ones are
    assert import_tuned(tmp_path / "theirs", path).id == IDS["lora"]


def cut(content):
    return content[: len(content) // 2]


def scrambled(content):
    """The same zip with the deflated bytes of its largest member turned around."""
    raw = bytearray(content)
    at = raw.find(b"adapter_model.safetensors") + 200
    raw[at : at + 2000] = raw[at : at + 2000][::-1]
    return bytes(raw)


def encrypted(content):
    """The flag of encryption at every entry of the directory."""
    raw, at = bytearray(content), -1
    while (at := raw.find(b"PK\x01\x02", at + 1)) >= 0:
        raw[at + 8] |= 1
    return bytes(raw)


def of_unknown_method(content):
    raw, at = bytearray(content), -1
    while (at := raw.find(b"PK\x01\x02", at + 1)) >= 0:
        raw[at + 10] = 77
    return bytes(raw)


@pytest.mark.parametrize(
    "damage",
    [lambda content: b"", lambda content: b"PK nothing", cut, scrambled, encrypted,
     of_unknown_method],
)  # fmt: skip
def test_a_damaged_zip_is_refused(zipped, tmp_path, damage):
    path = tmp_path / "bad.zip"
    path.write_bytes(damage(zipped.read_bytes()))
    with pytest.raises(NotATuned, match=r"bad\.zip"):
        import_tuned(tmp_path / "theirs", path)
    assert not (tmp_path / "theirs").exists()


@pytest.mark.parametrize(("limit", "value"), [("MOST_FILES", 5), ("MOST_BYTES", 5000)])
def test_too_large_a_zip_is_refused_before_it_is_unpacked(zipped, tmp_path, monkeypatch, limit,
                                                          value):  # fmt: skip
    monkeypatch.setattr(module, limit, value)
    monkeypatch.setattr(zipfile.ZipFile, "extract", None)
    with pytest.raises(NotATuned, match="too large"):
        import_tuned(tmp_path / "theirs", zipped)


def test_201_files_are_too_many(zipped, tmp_path):
    many = {f"{IDS['lora']}/adapter/{i}.txt": b"" for i in range(201)}
    path = zip_of(tmp_path / "many.zip", members(zipped) | many)
    with pytest.raises(NotATuned, match="too large"):
        import_tuned(tmp_path / "theirs", path)


@pytest.mark.parametrize(
    "name", ["../../evil.txt", "/tmp/evil.txt", "lora-0123abcd/../../evil.txt"]
)
def test_no_name_in_a_zip_leads_out_of_it(zipped, tmp_path, monkeypatch, name):
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.setattr(module.tempfile, "tempdir", str(inside))
    path = zip_of(tmp_path / "x.zip", members(zipped) | {name: b"evil"})
    try:
        imported = import_tuned(tmp_path / "theirs", path)
    except NotATuned:
        pass
    else:
        assert not list(imported.folder.rglob("evil*"))
    assert not list(tmp_path.rglob("evil*"))
    assert list(inside.iterdir()) == []


def test_what_an_export_does_not_have_is_not_kept(zipped, tmp_path):
    stray = {f"{IDS['lora']}/{name}": b"{}" for name in ("x.json", "checkpoint-1/x.json")}
    path = zip_of(tmp_path / "x.zip", members(zipped) | stray)
    imported = import_tuned(tmp_path / "theirs", path)
    assert not list(imported.folder.rglob("x.json"))
