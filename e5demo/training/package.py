"""A tuned model as one zip, to hand on; and one that was handed on, looked at before it is kept."""

import json
import secrets
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from e5demo.errors import E5DemoError, NotATuned, UnreadableRecord, first_line
from e5demo.retrieval import models
from e5demo.retrieval.models import ModelSource
from e5demo.retrieval.reduction import REDUCTION, Reduction
from e5demo.training.checkpoints import HISTORY
from e5demo.training.reranking import LATE, TOKENS
from e5demo.training.tuned import (
    ASKED,
    DESCRIPTION,
    LONGEST_NAME,
    NAME,
    SCORES,
    Tuned,
    open_tuned,
)
from e5demo.training.worker import PLAN
from e5demo.workspace import draft_file, published_folder, read_json, write_json

CARD = "README.md"
MERGED = "merged"
FILES = (
    ASKED, DESCRIPTION, SCORES, NAME, PLAN, HISTORY, REDUCTION, "recipe.yaml", "log.txt",
    f"{LATE}/{PLAN}", f"{LATE}/{HISTORY}",
)  # fmt: skip
FOLDERS = ("adapter", "model", TOKENS, MERGED)
SUFFIXES = {".json", ".jsonl", ".md", ".model", ".safetensors", ".txt", ".yaml"}
MOST_BYTES = 3_000_000_000
MOST_FILES = 200
MALFORMED = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
# A damaged or made-up zip; RuntimeError is an encrypted one, NotImplementedError an odd method.
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError
)  # fmt: skip


def export_tuned(tuned: Tuned, path: Path) -> Path:
    """Weights (merged ones too, where they were made), settings, scores, history and a model card.

    Nothing pickled is in it, and no text that was trained on. The file appears complete or not at
    all.
    """
    with draft_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, True, 1) as out:
        out.writestr(f"{tuned.id}/{CARD}", model_card(tuned))
        for member in sorted(_members(tuned.folder)):
            out.write(member, f"{tuned.id}/{member.relative_to(tuned.folder)}")
    return path


def import_tuned(experiments: Path, path: Path) -> Tuned:
    """Keep a zip or a folder that `export_tuned` made, under its own id or, where that is taken,
    a new one. Raises NotATuned.
    """
    with tempfile.TemporaryDirectory() as scratch:
        if path.is_dir():
            source = path
        else:
            _unzip(path, Path(scratch))
            folders = [folder for folder in Path(scratch).iterdir() if folder.is_dir()]
            source = folders[0] if len(folders) == 1 else Path(scratch)
        tuned = _checked(source, path.name)
        members = list(_members(source))
        folder = experiments / _free_id(experiments, source.name, tuned.settings.method)
        with published_folder(folder) as draft:
            for member in members:
                target = draft / member.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(member, target)
            asked = read_json(draft / ASKED)
            write_json(draft / ASKED, {**asked, "job": None})  # that one was another machine's
    return open_tuned(folder)


def merge_adapter(tuned: Tuned, base: ModelSource) -> Path:
    """LoRA's weights added to the base model's: a model by itself, in a folder of its own."""
    from peft import PeftModel

    folder = tuned.folder / MERGED
    if tuned.settings.method == "lora" and not folder.is_dir():
        source = tuned.source(base)
        assert source.adapter
        model = models.load(base)
        adapted = PeftModel.from_pretrained(model[0].auto_model, str(source.adapter))
        model[0].auto_model = adapted.merge_and_unload()
        with published_folder(folder) as draft:
            model.save(str(draft), create_model_card=False)
    return folder


def model_card(tuned: Tuned) -> str:
    """In English, as such cards are; front matter as the Hub reads it."""
    assert tuned.trained
    scores = tuned.scores
    name = tuned.name or tuned.id
    lines = [
        "---",
        "language: [fr]",
        "license: mit",
        f"base_model: {tuned.base['name']}",
        "library_name: sentence-transformers",
        "pipeline_tag: sentence-similarity",
        "---",
        f"# {_plain(name)}",
        "",
        f"{tuned.base['name']} ({tuned.base['weights']} weights, fingerprint "
        f"{tuned.base['fingerprint']}), tuned by e5demo: {tuned.settings.method}, preset "
        f"{tuned.preset}, {tuned.trained.steps} of {tuned.trained.planned} steps on "
        f"{_data(tuned)} in {tuned.trained.seconds:.0f} s; "
        f"{tuned.trained.trainable_parameters:,} of {tuned.trained.total_parameters:,} "
        "parameters were trained.",
        "",
        "Prefix titles with `query: ` and articles with `passage: `; vectors are mean-pooled and "
        "of length 1.",
        *(_reduction(tuned) if (tuned.folder / REDUCTION).is_file() else []),
        *(_tokens(tuned) if (tuned.folder / TOKENS).is_dir() else []),
        "",
        *(_score_table(scores) if scores else ["Not evaluated."]),
        "",
        "## Settings",
        "",
        "```yaml",
        tuned.settings.to_yaml().strip(),
        "```",
        "",
        f"Split: `{json.dumps(tuned.split.model_dump())}`. Libraries: "
        f"`{json.dumps(tuned.versions)}`.",
        "",
    ]
    return "\n".join(lines)


def _score_table(scores: dict[str, Any]) -> list[str]:
    lines = [
        "Scores on the test titles, before and after by the same evaluation, and the paired "
        "difference with its 95% interval:",
        "",
        "| metric | before | after | difference |",
        "|---|---|---|---|",
    ]
    for name, difference in scores["difference"].items():
        low, high = difference["low"], difference["high"]
        told = f"{difference['mean']:+.3f} [{low:+.3f}, {high:+.3f}]"
        before, after = scores["before"][name], scores["after"][name]
        lines.append(f"| {name} | {before:.3f} | {after:.3f} | {told} |")
    return lines


def _reduction(tuned: Tuned) -> list[str]:
    return [
        "",
        f"For {tuned.settings.matryoshka} dimensions instead, v being the whole vector: "
        f"(v - mean) @ axes, of length 1 again, with the tensors of `{REDUCTION}`.",
    ]


def _tokens(tuned: Tuned) -> list[str]:
    return [
        "",
        f"`{TOKENS}`, over {tuned.base['name']} itself, is for tokens' vectors to rerank by: "
        "the mean over a title's tokens of the greatest cosine with any of the article's, all less "
        "the mean token of some articles, and without the prompts' tokens.",
    ]


def _data(tuned: Tuned) -> str:
    extra = f" (extra triplets: {tuned.extra.used})" if tuned.extra.used else ""
    return f"{tuned.pairs} pairs{extra}"


def _plain(name: str) -> str:
    return "".join(character for character in name if character not in "<>[]`\n")


def _members(folder: Path) -> Iterable[Path]:
    for name in FILES:
        if (folder / name).is_file():
            yield folder / name
    for name in FOLDERS:
        for path in (folder / name).rglob("*"):
            if path.is_file() and not path.is_symlink() and path.suffix in SUFFIXES:
                yield path


def _unzip(path: Path, folder: Path) -> None:
    """Only files of the kinds that an export has, and no more bytes than one may have."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            if len(infos) > MOST_FILES or sum(info.file_size for info in infos) > MOST_BYTES:
                raise NotATuned(name=path.name, reason="it is too large")
            for info in infos:
                if Path(info.filename).suffix not in SUFFIXES:
                    reason = f"it holds {Path(info.filename).name[:60]}, which no export does"
                    raise NotATuned(name=path.name, reason=reason)
                archive.extract(info, folder)  # which keeps names with '..' inside the folder
    except UNREADABLE as error:
        raise NotATuned(name=path.name, reason=str(error) or type(error).__name__) from error


def _checked(folder: Path, name: str) -> Tuned:
    """What the files say, with weights that can be read as safetensors."""
    from safetensors import SafetensorError, safe_open

    try:
        tuned = open_tuned(folder)
        method = tuned.settings.method
        weights = {"lora": "adapter/adapter_model.safetensors", "full": "model/model.safetensors"}
        with safe_open(folder / weights[method], "np") as tensors:
            if tuned.trained is None or not tensors.keys():
                raise NotATuned(name=name, reason="its training is not finished")
        if (folder / TOKENS).is_dir():
            with safe_open(folder / LATE / weights["lora"], "np"):  # closed again: it can be read
                pass
        if (folder / REDUCTION).is_file():
            Reduction.read(folder / REDUCTION)
        _check_types(tuned)
        _check_kept(tuned)
    except NotATuned:
        raise
    except UnreadableRecord as error:  # whose own sentence speaks of what is kept
        raise NotATuned(name=name, reason=error.values["reason"]) from error
    except (E5DemoError, SafetensorError, *MALFORMED) as error:
        raise NotATuned(name=name, reason=first_line(error)) from error
    return tuned


def _check_types(record: Any) -> None:
    """One field of another type would break every list that the record stands in."""
    for name, kind in get_type_hints(type(record)).items():
        value = getattr(record, name)
        if is_dataclass(value):
            _check_types(value)
        else:
            TypeAdapter(kind).validate_python(value, strict=True)


def _check_kept(tuned: Tuned) -> None:
    """The files beside the record, as the page and the command line read them."""
    for plan in filter(None, (tuned.plan, tuned.late_plan)):
        _check_types(plan[1])
        TypeAdapter(int).validate_python(plan[0], strict=True)
    for kept, needed in ((tuned.history, {"step"}), (tuned.late_history, {"step", "seconds"})):
        rows = TypeAdapter(list[dict[str, float]]).validate_python(kept, strict=True)
        if not all(needed <= row.keys() for row in rows):
            raise ValueError(f"{HISTORY} has a line without {' or '.join(sorted(needed))}")
    if tuned.name is not None and len(TypeAdapter(str).validate_python(tuned.name)) > LONGEST_NAME:
        raise ValueError(f"{NAME} has more than {LONGEST_NAME} characters")
    model_card(tuned)  # which reads the base's names and all scores


def _free_id(experiments: Path, name: str, method: str) -> str:
    kind, _, number = name.partition("-")
    is_id = kind == method and len(number) == 8 and number.isalnum()
    if is_id and not (experiments / name).exists():
        return name
    return f"{method}-{secrets.token_hex(4)}"
