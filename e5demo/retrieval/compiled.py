"""E5 compiled by OpenVINO: converted and measured once per model and machine, then read from disk.

A folder beside the other model caches holds the graph, its tokenizer and what was measured. From
there on a text is encoded with neither torch nor its float copy of the weights.
"""

import os
import platform
import shutil
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any, Literal, get_args

import numpy as np
import xxhash
from filelock import FileLock

from e5demo.errors import BadSetting
from e5demo.retrieval import models
from e5demo.retrieval.models import ModelSource
from e5demo.workspace import model_cache, published_folder, read_json, write_json

Encode = Callable[[Sequence[str]], np.ndarray]
Kind = Literal["torch", "openvino", "openvino-bf16"]
KINDS: tuple[Kind, ...] = get_args(Kind)
PRECISIONS: dict[Kind, str] = {
    "torch": "float32",
    "openvino": "float32",
    "openvino-bf16": "bf16",
}
# To torch's vectors, of the worst text. Measured: 0.9999999 and 0.99998. What passes the first is
# the same vector for a ranking, and so has torch's place in the cache of vectors.
LEAST_COSINES: dict[Kind, float] = {"openvino": 0.99999, "openvino-bf16": 0.999}
CLEARLY = 1.2  # a speed below this times another's may be noise, or worth no loss of precision
LAYOUT = 1  # bump when what is written changes
KEPT_CONVERSIONS = 4  # 470 MB each
BATCH_TOKENS = 1024  # measured: 512 to 1,024 are the fastest; at 4,096 a sixth is lost
SPEED_ROUNDS = 2
SPEED_TEXTS = 8  # the last of those given, which are articles


@dataclass(frozen=True)
class Conversion:
    """What is known of a model on this machine. `problem` says why there is no graph of it.

    `speeds` are texts a second and `cosines` the least one to torch, over texts of `sample_texts`.
    """

    pad: int = 0
    positions: int = 0
    problem: str | None = None
    speeds: dict[str, float] = field(default_factory=dict)
    cosines: dict[str, float] = field(default_factory=dict)


def wanted_kind() -> Kind | None:
    """E5DEMO_BACKEND: torch, openvino or openvino-bf16; None where the fastest is wanted.

    Raises BadSetting.
    """
    wanted = os.environ.get("E5DEMO_BACKEND") or None
    if wanted is None or wanted in KINDS:
        return wanted
    problem = f"E5DEMO_BACKEND = {wanted!r}: use {', '.join(KINDS)}"
    raise BadSetting(problems=problem, mistakes=[])


def chosen(conversion: Conversion, wanted: Kind | None = None) -> tuple[Kind, str | None]:
    """The kind to encode with, and why it is torch where OpenVINO was wanted or to be expected.

    float32 gives way to bf16 only where that is clearly faster.
    """
    if wanted == "torch":
        return "torch", "E5DEMO_BACKEND"
    if conversion.problem:
        return "torch", conversion.problem
    able = [kind for kind, least in LEAST_COSINES.items() if agrees(conversion, kind, least)]
    if wanted is not None:
        able = [kind for kind in able if kind == wanted]
    if not able:
        return "torch", f"cosines to torch {conversion.cosines}"
    best = able[0]
    speeds = conversion.speeds
    for kind in able[1:]:
        if speeds[kind] > CLEARLY * speeds[best]:
            best = kind
    if wanted is None and speeds["torch"] > speeds[best]:
        return "torch", f"texts a second {speeds}"
    return best, None


def agrees(conversion: Conversion, kind: Kind, least: float) -> bool:
    return conversion.cosines.get(kind, 0.0) >= least


def conversion_folder(source: ModelSource) -> Path:
    """Named by the weights, the machine and the versions that shape graph and speeds."""
    libraries = [version(name) for name in ("openvino", "torch", "transformers")]
    parts = [source.fingerprint, machine(), str(threads()), *libraries, str(LAYOUT)]
    return model_cache() / "compiled" / xxhash.xxh3_128_hexdigest("|".join(parts).encode())


def prepare(source: ModelSource, texts: Sequence[str]) -> tuple[Conversion, Path]:
    """Read the conversion, or make it first, which takes some ten seconds and loads torch.

    Raises NotAModel.
    """
    folder = conversion_folder(source)
    about = folder / "about.json"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # two at once would disturb each other's measurement
        if not about.is_file():
            model = models.load(source)
            if model.device.type != "cpu":  # not kept: the device may be gone tomorrow
                return Conversion(problem=f"the device is {model.device.type}"), folder
            with published_folder(folder) as draft:
                write_json(draft / about.name, asdict(_converted(model, draft, texts)))
            _prune(folder.parent)
    with suppress(OSError):
        os.utime(folder)  # used just now
    return Conversion(**read_json(about)), folder


def _converted(model: Any, draft: Path, texts: Sequence[str]) -> Conversion:
    problem = unfit(model)
    if problem:
        return Conversion(problem=problem)
    pad, positions = model.tokenizer.pad_token_id, model.max_seq_length
    (draft / "tokenizer.json").write_text(model.tokenizer.backend_tokenizer.to_str(), "utf-8")
    try:
        _write_graph(model[0].auto_model, draft / "model.xml")
    except Exception as error:  # whatever a foreign architecture makes the tracing stumble over
        return Conversion(problem=f"not convertible: {type(error).__name__}: {error}"[:300])
    ready = Conversion(pad, positions)
    encoders: dict[str, Encode] = {
        kind: CompiledE5(draft, kind, ready).encoder()
        for kind in LEAST_COSINES
        if kind == "openvino" or "BF16" in capabilities()
    }
    encoders["torch"] = lambda texts: model.encode(list(texts), prompt="", batch_size=16,
                                                   normalize_embeddings=True,
                                                   show_progress_bar=False)  # fmt: skip
    vectors = {kind: encode(texts) for kind, encode in encoders.items()}
    cosines = {kind: float((v * vectors["torch"]).sum(axis=1).min()) for kind, v in vectors.items()}
    return Conversion(pad, positions, None, speeds(encoders, texts[-SPEED_TEXTS:]), cosines)


def unfit(model: Any) -> str | None:
    """Why a SentenceTransformer is not compiled; None where it can be."""
    if problem := pooling_problem(model):
        return problem
    if not getattr(model.tokenizer, "is_fast", False) or model.max_seq_length is None:
        return "it has no fast tokenizer with a length"
    if any(getattr(model[0], name, None) for name in ("query_length", "document_length")):
        return "it cuts queries and passages at lengths of its own"
    return None


def pooling_problem(model: Any) -> str | None:
    """Why a text's vector is not the mean of its tokens', prompt and all; None where it is."""
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    kinds = [type(module) for module in model]
    if kinds[:2] != [Transformer, Pooling] or not {*kinds[2:]} <= {Normalize}:
        return f"its modules are {', '.join(kind.__name__ for kind in kinds)}"
    if model[1].pooling_mode != "mean" or not model[1].include_prompt:
        return "it does not average all tokens"
    return None


def speeds(encoders: dict[str, Encode], texts: Sequence[str]) -> dict[str, float]:
    """Texts a second, the best of a few rounds in which the encoders take turns."""
    best = dict.fromkeys(encoders, float("inf"))
    for _ in range(SPEED_ROUNDS):
        for kind, encode in encoders.items():
            began = time.perf_counter()
            encode(texts)
            best[kind] = min(best[kind], time.perf_counter() - began)
    return {kind: round(len(texts) / seconds, 2) for kind, seconds in best.items()}


def _write_graph(bert: Any, path: Path) -> None:
    """Token ids and mask, int64 of shape (texts, tokens), to unit vectors, float32."""
    import torch

    class MeanPooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = bert

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            tokens = self.bert(input_ids=input_ids, attention_mask=attention_mask)[0]
            mask = attention_mask.unsqueeze(-1).to(tokens.dtype)
            mean = (tokens * mask).sum(1) / mask.sum(1)
            return torch.nn.functional.normalize(mean, dim=1)

    ov = openvino()
    ids = torch.full((2, 6), 3, dtype=torch.int64)
    mask = torch.ones_like(ids)
    mask[0, 4:] = 0  # padding, so that the mask is not traced away
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's, of branches that a mask makes the same
        graph = ov.convert_model(
            MeanPooled().eval(),
            example_input={"input_ids": ids, "attention_mask": mask},
            input=[ov.PartialShape([-1, -1])] * 2,
        )
    ov.save_model(graph, path, compress_to_fp16=False)


class CompiledE5:
    """A graph from disk in one precision, safe under threads.

    Each caller has its own request, and OpenVINO takes them in turn: a query waits for one batch
    of another's passages and not for all of them.
    """

    def __init__(self, folder: Path, kind: Kind, conversion: Conversion) -> None:
        from tokenizers import Tokenizer

        self.pad = conversion.pad
        self.tokenizer_json = (folder / "tokenizer.json").read_text("utf-8")
        self.make_tokenizer = Tokenizer.from_str
        self.positions = conversion.positions
        self._model = openvino().Core().compile_model(folder / "model.xml", "CPU", _options(kind))
        self._idle: list[Any] = []  # append and pop need no lock
        self.dimensions = self._model.output(0).partial_shape[1].get_length()

    def tokenizer(self, max_length: int) -> Callable[[Sequence[str]], list[list[int]]]:
        """Texts to token ids, cut at `max_length` or the model's own length."""
        fast = self.make_tokenizer(self.tokenizer_json)
        fast.no_padding()
        fast.enable_truncation(min(max_length, self.positions))
        return lambda texts: [found.ids for found in fast.encode_batch_fast(list(texts))]

    def encode(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """Unit vectors, float32 of shape (texts, dimensions), of texts given as token ids."""
        vectors = np.empty((len(ids), self.dimensions), np.float32)
        for places in batches([len(one) for one in ids]):
            vectors[places] = self._run([ids[place] for place in places])
        return vectors

    def encoder(self) -> Encode:
        tokenize = self.tokenizer(self.positions)
        return lambda texts: self.encode(tokenize(texts))

    def _run(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        shape = len(ids), max(map(len, ids))
        tokens, mask = np.full(shape, self.pad, np.int64), np.zeros(shape, np.int64)
        for row, one in enumerate(ids):
            tokens[row, : len(one)] = one
            mask[row, : len(one)] = 1
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._model.create_infer_request()
        found = request.infer({"input_ids": tokens, "attention_mask": mask}, share_inputs=True)
        vectors = found[0].copy()  # the next run writes where this one's lie
        self._idle.append(request)
        return vectors


_loaded: "weakref.WeakValueDictionary[tuple[Path, Kind], CompiledE5]"
_loaded = weakref.WeakValueDictionary()
_loading = Lock()


def compiled(folder: Path, kind: Kind, conversion: Conversion) -> CompiledE5:
    """One in memory for all encoders of the model, whatever their length, as long as one lives."""
    with _loading:
        found = _loaded.get((folder, kind))
        if found is None:
            found = _loaded[folder, kind] = CompiledE5(folder, kind, conversion)
        return found


def batches(lengths: Sequence[int], budget: int = BATCH_TOKENS) -> Iterator[list[int]]:
    """Positions in batches of at most `budget` tokens, padding included, the longest text first.

    A text that is longer than the budget has a batch of its own.
    """
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _options(kind: Kind) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY",  # one batch at a time, on all cores
        "INFERENCE_NUM_THREADS": threads(),
        "INFERENCE_PRECISION_HINT": "bf16" if kind == "openvino-bf16" else "f32",
        # Pinned threads of two processes wait for each other on the same core.
        "ENABLE_CPU_PINNING": False,
    }


@cache
def openvino() -> Any:
    """The library, whose import would tell its maker of it but for the missing module."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def capabilities() -> list[str]:
    """Precisions that this processor computes in, as OpenVINO names them."""
    return list(openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def threads() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def machine() -> str:
    """The processor as the system names it, with what it can do where it says so."""
    names = ("vendor_id", "cpu family", "model", "model name", "flags", "Features")
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8").partition("\n\n")[0].splitlines()
        told = [line for line in lines if line.partition(":")[0].strip() in names]
        return f"{platform.machine()}|{'|'.join(told)}"
    return f"{platform.system()}|{platform.machine()}|{platform.processor()}"


def _prune(folder: Path) -> None:
    """Keep the conversions used last."""
    kept = [path for path in folder.iterdir() if (path / "about.json").is_file()]
    kept = [path for path in kept if not path.name.startswith(".")]
    for old in sorted(kept, key=lambda path: -path.stat().st_mtime)[KEPT_CONVERSIONS:]:
        shutil.rmtree(old, ignore_errors=True)
