"""E5 compiled by OpenVINO: converted and measured once per model and machine, then read from disk.

A folder beside the other model caches holds the graph, its tokenizer and what was measured; a LoRA
model's holds its factors, and the graph is its base's (see `adapters`). The word embeddings, four
fifths of the weights, are a file of their own: models that share them share the file, and of it
only the rows of words that occur are ever in memory. From there on a text is encoded without torch.
"""

import ctypes
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import xxhash
from filelock import FileLock

from e5demo.errors import BadSetting
from e5demo.retrieval import adapters, models
from e5demo.retrieval.models import ModelSource
from e5demo.retrieval.sharing import shared
from e5demo.retrieval.tokens import CutTokenizer, write_tokenizer
from e5demo.workspace import (
    model_cache,
    published_folder,
    read_json,
    remove_folder,
    write_json,
    write_npy,
)

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
LAYOUT = 5  # bump when what is written changes
KEPT_CONVERSIONS = 9  # 95 MB each, LoRA's 1 MB, and 384 MB for each file of word embeddings
WORDS_SECONDS = 3600  # in which who wrote word embeddings converts the rest
BATCH_TOKENS = 1024  # measured: 512 to 1,024 are the fastest; at 4,096 a sixth is lost
SPEED_ROUNDS = 2
VECTORS, TOKENS = 0, 1  # what a graph gives
SPEED_TEXTS = 8  # the last of those given, which are articles


@dataclass(frozen=True)
class Conversion:
    """What is known of a model on this machine. `problem` says why there is no graph of it.

    `words` is the file of word embeddings, `pad` and `positions` the token to fill up with and the
    most of them. `base` is the folder of the graph that a LoRA model's factors go into, and empty
    where the model has one of its own. `speeds` are texts a second and `cosines` the least one to
    torch, over texts of `sample_texts`.
    """

    words: str = ""
    pad: int = 0
    positions: int = 0
    problem: str | None = None
    speeds: dict[str, float] = field(default_factory=dict)
    cosines: dict[str, float] = field(default_factory=dict)
    base: str = ""


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
    name = xxhash.xxh3_128_hexdigest(f"{source.fingerprint}|{_here()}".encode())
    return model_cache() / "compiled" / name


def _here() -> str:
    """The machine, with its graphics card where it has one, and all else that shapes speeds."""
    libraries = [version(name) for name in ("openvino", "torch", "transformers")]
    cuda = f"{Path('/dev/nvidiactl').exists()}{os.environ.get('CUDA_VISIBLE_DEVICES', '')}"
    return "|".join([machine(), cuda, str(threads()), *libraries, str(LAYOUT)])


def prepare(source: ModelSource, texts: Sequence[str]) -> tuple[Conversion, Path]:
    """Read the conversion, or make it first, which takes some ten seconds and loads torch.

    Raises NotAModel; OSError, MemoryError or ImportError where it cannot be made now.
    """
    folder = conversion_folder(source)
    about = folder / "about.json"
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not about.is_file():
        if (device := _device()) != "cpu":  # not kept: the device may be gone tomorrow
            return Conversion(problem=f"the device is {device}"), folder
        base = prepare(_base_of(source), texts) if source.adapter else None
        # One at a time: two would disturb each other's measurement.
        with FileLock(folder.parent / ".lock"):
            if not about.is_file():
                with published_folder(folder, replace=True) as draft:
                    conversion = _converted(models.load(source), draft, texts, base)
                    write_json(draft / about.name, asdict(conversion))
                with suppress(OSError, ValueError, TypeError):  # a damaged one, or one in use
                    _prune(folder.parent)
    conversion = Conversion(**read_json(about))
    used = [folder, folder.parent / conversion.base] if conversion.base else [folder]
    for path in used:  # a base after all its models, and so kept longer
        with suppress(OSError):
            os.utime(path)
    return conversion, folder


def _base_of(source: ModelSource) -> ModelSource:
    return replace(source, weights="local", adapter=None)


def forget(folder: Path, conversion: Conversion) -> None:
    """Remove a conversion that is damaged, with its base's, which may be what is."""
    remove_folder(folder)
    if conversion.base:
        remove_folder(folder.parent / conversion.base)


def _device() -> str:
    """Where sentence-transformers would put a model: 'cpu', 'cuda', 'mps', ..."""
    from sentence_transformers.util import get_device_name

    return get_device_name()


def _converted(
    model: Any, draft: Path, texts: Sequence[str], base: tuple[Conversion, Path] | None
) -> Conversion:
    """What lasts is told as its `problem`; what may pass is raised, to be tried again."""
    if problem := unfit(model):
        return Conversion(problem=problem)
    try:
        if base and (conversion := _adapted(model, draft, texts, *base)):
            return conversion
        return _measured(model, draft, texts, _write_model(model, draft))
    except (OSError, MemoryError, ImportError):
        raise
    except Exception as error:  # whatever a foreign architecture or processor makes it stumble over
        return Conversion(problem=f"not convertible: {type(error).__name__}: {error}"[:300])


def _adapted(
    model: Any, draft: Path, texts: Sequence[str], base: Conversion, folder: Path
) -> Conversion | None:
    """By the base's graph; None where LoRA's weights are to be merged into one of the model's own,
    as it is another kind of adapter, or does not agree with torch."""
    factors = adapters.take_factors(model[0].auto_model)
    if base.problem or factors is None:
        return None
    adapters.write_factors(draft / adapters.FILE, factors)
    ready = Conversion(base.words, base.pad, model.max_seq_length, base=folder.name)
    with suppress(RuntimeError, ValueError):  # the graph is damaged, or lacks a layer
        found = _measured(model, draft, texts, ready)
        if all(agrees(found, kind, least) for kind, least in LEAST_COSINES.items()
               if agrees(base, kind, least)):  # fmt: skip
            return found
    (draft / adapters.FILE).unlink()
    return None


def _write_model(model: Any, draft: Path) -> Conversion:
    bert = model[0].auto_model
    write_tokenizer(model.tokenizer.backend_tokenizer.to_str(), draft / "tokenizer.json")
    for layer in bert.modules():
        if hasattr(layer, "merge") and hasattr(layer, "lora_A"):  # as peft's layers do
            layer.merge()
    words = _write_words(bert, draft.parent)
    _write_graph(bert, draft / "model.xml")
    return Conversion(words, model.tokenizer.pad_token_id, model.max_seq_length)


def _measured(model: Any, draft: Path, texts: Sequence[str], ready: Conversion) -> Conversion:
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
    known = _known_speeds(model[0].auto_model, draft.parent, encoders, texts)
    return replace(ready, speeds=known, cosines=cosines)


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


def _known_speeds(
    bert: Any, folder: Path, encoders: dict[str, Encode], texts: Sequence[str]
) -> dict[str, float]:
    """Measured once for all models of a shape: a tuned one, compared with its base, must not be
    encoded in another precision because the machine was busy for a moment."""
    shape = [getattr(bert.config, name, None) for name in ("hidden_size", "num_hidden_layers")]
    name = xxhash.xxh3_64_hexdigest(f"{_here()}|{shape}".encode())
    path = folder / f"speeds-{name}.json"
    if not path.is_file():
        write_json(path, speeds(encoders, texts[-SPEED_TEXTS:]))
    return read_json(path)


def speeds(encoders: dict[str, Encode], texts: Sequence[str]) -> dict[str, float]:
    """Texts a second, the best of a few rounds in which the encoders take turns."""
    best = dict.fromkeys(encoders, float("inf"))
    for _ in range(SPEED_ROUNDS):
        for kind, encode in encoders.items():
            began = time.perf_counter()
            encode(texts)
            best[kind] = min(best[kind], time.perf_counter() - began)
    return {kind: round(len(texts) / seconds, 2) for kind, seconds in best.items()}


def _write_words(bert: Any, folder: Path) -> str:
    """Name of the file with the word embeddings, float32 of shape (vocabulary, dimensions)."""
    table = bert.get_input_embeddings().weight.detach().float().numpy()
    name = f"words-{xxhash.xxh3_64_hexdigest(np.ascontiguousarray(table).data)}.npy"
    with suppress(FileNotFoundError):
        if np.load(folder / name, mmap_mode="r").shape == table.shape:
            os.utime(folder / name)  # in use again: see WORDS_SECONDS
            return name
    write_npy(folder / name, table)
    return name


def _write_graph(bert: Any, path: Path) -> None:
    """From word embeddings (texts, tokens, dimensions) and mask, int64 (texts, tokens), to unit
    vectors (texts, dimensions) and the tokens' (texts, tokens, dimensions), float32."""
    import torch

    class MeanPooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = bert

        def forward(self, words: Any, mask: Any) -> Any:
            tokens = self.bert(inputs_embeds=words, attention_mask=mask)[0]
            weights = mask.unsqueeze(-1).to(tokens.dtype)
            mean = (tokens * weights).sum(1) / weights.sum(1)
            return torch.nn.functional.normalize(mean, dim=1), tokens

    ov = openvino()
    width = bert.get_input_embeddings().embedding_dim
    mask = torch.ones((2, 6), dtype=torch.int64)
    mask[0, 4:] = 0  # padding, so that the mask is not traced away
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's, of branches that a mask makes the same
        graph = ov.convert_model(
            MeanPooled().eval(),
            example_input={"words": torch.rand(2, 6, width), "mask": mask},
            input=[ov.PartialShape([-1, -1, width]), ov.PartialShape([-1, -1])],
        )
    ov.save_model(graph, path, compress_to_fp16=False)


class CompiledE5:
    """A model from disk in one precision, safe under threads.

    Each caller has its own request, and OpenVINO takes them in turn: a query waits for one batch
    of another's passages and not for all of them.
    """

    def __init__(self, folder: Path, kind: Kind, conversion: Conversion) -> None:
        self.pad = conversion.pad
        words = folder.parent / conversion.words
        self.words = shared(words, lambda: np.load(words, mmap_mode="r"))
        self.folder = folder.parent / conversion.base if conversion.base else folder
        self.positions = conversion.positions
        self._factors = adapters.read_factors(folder / adapters.FILE) if conversion.base else {}
        self._model = _graph(self.folder, kind, adapters.layers_of(self._factors))
        self._idle: list[Any] = []  # append and pop need no lock
        self.dimensions = self._model.output(0).partial_shape[1].get_length()

    def tokenizer(self, max_length: int) -> CutTokenizer:
        """It cuts at `max_length` tokens or the model's own length."""
        return CutTokenizer(self.folder / "tokenizer.json", min(max_length, self.positions))

    def encode(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """Unit vectors, float32 of shape (texts, dimensions), of texts given as token ids."""
        vectors = np.empty((len(ids), self.dimensions), np.float32)
        for places in batches([len(one) for one in ids]):
            vectors[places] = self._run([ids[place] for place in places], VECTORS)
        return vectors

    def token_vectors(self, ids: Sequence[int]) -> np.ndarray:
        """Those of which the text's own is the mean, float32 of shape (tokens, dimensions)."""
        (vectors,) = self._run([ids], TOKENS)
        return vectors

    def encoder(self) -> Encode:
        tokenizer = self.tokenizer(self.positions)
        return lambda texts: self.encode(tokenizer.ids(texts))

    def _run(self, ids: Sequence[Sequence[int]], output: int) -> np.ndarray:
        shape = len(ids), max(map(len, ids))
        tokens, mask = np.full(shape, self.pad, np.int64), np.zeros(shape, np.int64)
        for row, one in enumerate(ids):
            tokens[row, : len(one)] = one
            mask[row, : len(one)] = 1
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._request()
        found = request.infer({"words": self.words[tokens], "mask": mask}, share_inputs=True)
        vectors = found[output].copy()  # the next run writes where this one's lie
        self._idle.append(request)
        return vectors

    def _request(self) -> Any:
        """It keeps its factors from run to run."""
        request = self._model.create_infer_request()
        for name, factor in self._factors.items():
            request.set_tensor(name, openvino().Tensor(factor, shared_memory=True))
        return request


def _graph(folder: Path, kind: Kind, layers: tuple[str, ...]) -> Any:
    """One in memory for all models that adapt the same layers. The base has its own: with the
    inputs for LoRA's factors a query would take longer."""

    def compile_graph() -> Any:
        core = openvino().Core()
        graph = core.read_model(folder / "model.xml")
        adapters.add_inputs(graph, layers, openvino().opset15)
        with _signal_stack_kept():
            return core.compile_model(graph, "CPU", _options(kind))

    return shared((folder, kind, layers), compile_graph)


def compiled(folder: Path, kind: Kind, conversion: Conversion) -> CompiledE5:
    """One in memory for all encoders of the model, whatever their length, as long as one lives."""
    return shared((folder, kind), lambda: CompiledE5(folder, kind, conversion))


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


@contextmanager
def _signal_stack_kept() -> Iterator[None]:
    """As it compiles, OpenVINO gives the thread a stack for signals, and frees it with the model
    while the system still uses it: the next signal, a job's stop, would crash the process."""
    if sys.platform != "linux":
        yield
        return
    stack, libc = SignalStack(), ctypes.CDLL(None)
    libc.sigaltstack(None, ctypes.byref(stack))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(stack), None)


class SignalStack(ctypes.Structure):
    """Linux's `stack_t`."""

    _fields_ = (
        ("pointer", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    )


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
    """Keep the conversions used last, and the word embeddings that they read."""
    kept = [path for path in folder.iterdir() if (path / "about.json").is_file()]
    kept = [path for path in kept if not path.name.startswith(".")]
    kept.sort(key=lambda path: -path.stat().st_mtime)
    for old in kept[KEPT_CONVERSIONS:]:
        remove_folder(old)
    read = {Conversion(**read_json(path / "about.json")).words for path in kept[:KEPT_CONVERSIONS]}
    for words in folder.glob("words-*.npy"):
        young = time.time() - words.stat().st_mtime < WORDS_SECONDS
        if words.name not in read and not young:
            with suppress(OSError):  # mapped by another process, which Windows does not forgive
                words.unlink()
