"""Where E5's weights come from: a folder, the Hub's local cache, the Hub, the bundled 4 bits."""

import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import xxhash

from e5demo.config import BASE_MODEL, PROMPTS
from e5demo.errors import NotAModel, NoWeights, first_line
from e5demo.retrieval import bundled
from e5demo.workspace import model_cache

Weights = Literal["hub", "local", "bundled-4bit", "tuned"]
HUB_TIMEOUT_SECONDS = 3
# What of the Hub's repository is needed; it holds ONNX and OpenVINO copies besides.
HUB_FILES = ["*.json", "model.safetensors", "sentencepiece.bpe.model", "1_Pooling/*"]
TOKENIZERS = ("tokenizer.json", "sentencepiece.bpe.model", "vocab.txt")
UNPACKED = "multilingual-e5-small-4bit-v1"  # bump when what is written changes
MODEL_SUFFIXES = (".json", ".safetensors", ".model", ".txt")  # what decides the vectors
_base_lock = threading.Lock()


@dataclass(frozen=True)
class ModelSource:
    """A folder that sentence-transformers loads, its short name and which weights it holds."""

    name: str
    folder: Path
    weights: Weights
    adapter: Path | None = None  # LoRA weights to be put over the folder's
    reduction: Path | None = None  # to fewer dimensions, where one was learned
    tokens: "ModelSource | None" = None  # whose token vectors rerank, where they were trained to

    @property
    def fingerprint(self) -> str:
        parts = [self.folder, self.adapter] if self.adapter else [self.folder]
        return "+".join(_fingerprint(part, _files_state(part)) for part in parts)


def base_model() -> ModelSource:
    """The untuned model: E5DEMO_MODEL's folder if set, else `BASE_MODEL` as found.

    Raises NotAModel for a bad folder, NoWeights where nothing can be had.
    """
    chosen = os.environ.get("E5DEMO_MODEL")
    if chosen:
        return local_model(Path(chosen).expanduser())
    with _base_lock:  # two visitors at start must not unpack or download twice
        return _found_base_model()


@lru_cache(maxsize=1)
def _found_base_model() -> ModelSource:
    cached = _hub_folder(local_files_only=True)
    if cached:
        return ModelSource(BASE_MODEL, cached, "hub")
    problem = hub_problem()
    if problem is None:
        downloaded = _hub_folder(local_files_only=False)
        if downloaded:
            return ModelSource(BASE_MODEL, downloaded, "hub")
        problem = "the download failed"
    packed = bundled.weights_file()
    if packed is None:
        raise NoWeights(model=BASE_MODEL, reason=problem)
    folder = model_cache() / UNPACKED
    if not folder.is_dir():
        _quieten()
        bundled.unpack_model(packed, folder)
    return ModelSource(BASE_MODEL, folder, "bundled-4bit")


def local_model(folder: Path, weights: Weights = "local") -> ModelSource:
    """A model folder, looked at before anything is loaded. Raises NotAModel."""
    for needed in ("config.json", "model.safetensors"):
        if not (folder / needed).is_file():
            raise NotAModel(folder=folder, reason=f"{needed} is missing")
    # Without one transformers makes a tokenizer up, to which all words are one.
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise NotAModel(folder=folder, reason=f"{TOKENIZERS[0]} is missing")
    return ModelSource(folder.name, folder, weights)


def hub_problem() -> str | None:
    """Why the Hub cannot be asked, found out within seconds; None when it answers."""
    import httpx
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        httpx.head(constants.ENDPOINT, timeout=HUB_TIMEOUT_SECONDS, follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return type(error).__name__
    return None


def load(source: ModelSource) -> Any:
    """A SentenceTransformer in evaluation mode, on CUDA or MPS where there is one.

    Raises NotAModel where the folder's files cannot be loaded.
    """
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer

    _quieten()
    options: dict[str, Any] = {"use_safetensors": True}
    if source.weights == "bundled-4bit":
        options["add_pooling_layer"] = False  # the file holds none: don't invent one
    try:
        model = SentenceTransformer(
            str(source.folder), prompts=PROMPTS, model_kwargs=options, local_files_only=True
        )
        if source.adapter:
            model.load_adapter(str(source.adapter))
        if source.weights == "tuned":
            read_all(model)
        return model.eval()
    except (
        OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError
    ) as error:  # fmt: skip
        raise NotAModel(folder=source.folder, reason=first_line(error)) from error


def read_all(model: Any) -> None:
    """Let E5 read as many tokens as it has positions: one that was tuned on shorter texts is not
    to cut others there."""
    config = model[0].auto_model.config
    if config.model_type == "bert":  # other kinds keep some positions for themselves
        model.max_seq_length = config.max_position_embeddings


def _quieten() -> None:
    """No progress bars of transformers: what takes long is told by our own progress."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _hub_folder(*, local_files_only: bool) -> Path | None:
    """The snapshot's folder, or None where it is absent or incomplete."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = Path(
            snapshot_download(
                BASE_MODEL, allow_patterns=HUB_FILES, local_files_only=local_files_only
            )
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
        return None
    complete = all((folder / name).is_file() for name in ("config.json", "model.safetensors"))
    return folder if complete else None


def _files_state(folder: Path) -> tuple[tuple[str, int, int], ...]:
    files = [p for p in folder.rglob("*") if p.is_file() and p.suffix in MODEL_SUFFIXES]
    stats = [(str(p.relative_to(folder)), p.stat()) for p in sorted(files)]
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


@lru_cache(maxsize=32)
def _fingerprint(folder: Path, files: tuple[tuple[str, int, int], ...]) -> str:
    """Of the files' content; their state is a key alone, so that a changed file is read again."""
    digest = xxhash.xxh3_128()
    for name, size, _ in files:
        digest.update(f"{name}:{size}:".encode())
        with (folder / name).open("rb") as file:
            while chunk := file.read(1 << 24):
                digest.update(chunk)
    return digest.hexdigest()
