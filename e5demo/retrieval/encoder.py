"""Texts to unit vectors with E5's prompts; longest first, so that little padding is encoded."""

import csv
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from e5demo.config import PROMPTS, SAMPLE, Prompting, prompts_of
from e5demo.retrieval import compiled, models
from e5demo.retrieval.compiled import PRECISIONS, Conversion, Kind
from e5demo.retrieval.models import ModelSource
from e5demo.retrieval.tokens import CutTokenizer

Role = Literal["query", "document"]
# Torch's batches. On two CPU cores those of 16 encode 1.4 times as fast as the recipe's 64.
CPU_BATCH = 16
GPU_BATCH = 128
SLICE = 64  # texts encoded between two looks at progress, cancellation and cache: some seconds
MEASURED_PAIRS = 16  # titles and articles of the sample by which the backend is chosen
MEASURED_CHARS = 400  # of an article: its 90 tokens tell as much as all, in a third of the time


class Encoder(Protocol):
    """What turns texts into vectors. `key` names weights, prompt and length, for the cache."""

    def key(self, role: Role) -> str: ...

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """float32 of shape (len(texts), dimensions), rows of length 1."""
        ...

    def token_vectors(self, text: str, role: Role) -> "Tokens":
        """The vectors of which `encode` makes the text's own."""
        ...


@dataclass(frozen=True)
class Tokens:
    """A text's token vectors, float32 of shape (tokens, dimensions), and the tokens' places.

    A place is (start, end) in the text without its prompt, and may begin with a blank; the
    prompt's tokens and the marks of begin and end have none, which is (0, 0).
    """

    vectors: np.ndarray
    offsets: list[tuple[int, int]]


@dataclass(frozen=True)
class Plan:
    """With what a model encodes; `reason` says why with torch, where it is torch on a CPU."""

    kind: Kind
    reason: str | None
    conversion: Conversion
    folder: Path


class E5Encoder:
    """One loaded model, cut at `max_length` tokens; safe under threads.

    It encodes by OpenVINO where that is faster on this machine and agrees, and by torch elsewhere.
    """

    def __init__(
        self, source: ModelSource, max_length: int = 512, prompting: Prompting = "own"
    ) -> None:
        self.source = source
        self.fingerprint = source.fingerprint  # now: a folder may change after it was loaded
        self.max_length = max_length
        self.prompts = prompts_of(prompting)
        self._lock = threading.Lock()  # torch's
        self._making = threading.RLock()  # of the three that follow, each made at its first need
        self._plan: Plan | None = None
        self._model: Any = None
        self._compiled: tuple[compiled.CompiledE5, CutTokenizer] | None = None

    @property
    def model(self) -> Any:
        """By sentence-transformers, for torch's vectors."""
        with self._making:
            if self._model is None:
                model = models.load(self.source)
                model.max_seq_length = min(self.max_length, model.max_seq_length or self.max_length)
                self._model = model
            return self._model

    @property
    def plan(self) -> Plan:
        """The first for a model on this machine converts it: some ten seconds.

        Raises NotAModel, and BadSetting for an unknown E5DEMO_BACKEND.
        """
        with self._making:
            if self._plan is None:
                self._plan = self._planned()
            return self._plan

    @property
    def graph(self) -> tuple[compiled.CompiledE5, CutTokenizer] | None:
        """The compiled model and its tokenizer; None where torch encodes."""
        with self._making:
            if self._compiled is None and self.plan.kind != "torch":
                try:
                    self._compiled = self._opened()
                except (OSError, RuntimeError, ValueError):  # damaged, or pruned since it was found
                    compiled.forget(self.plan.folder, self.plan.conversion)
                    self._plan = None
                    self._compiled = self._opened()
            return self._compiled

    @property
    def backend(self) -> Kind:
        """What encodes: 'torch', 'openvino' (float32 as torch) or 'openvino-bf16'."""
        return self.plan.kind

    @property
    def precision(self) -> str:
        """Of the computation: 'float32' or 'bf16'."""
        return PRECISIONS[self.plan.kind]

    def load(self) -> None:
        """Load the weights now rather than at the first text."""
        if self.graph is None:
            _ = self.model

    @property
    def loaded(self) -> bool:
        return self._model is not None or self._compiled is not None

    def key(self, role: Role) -> str:
        parts = [self.fingerprint, self.prompts[role], str(self.max_length), self.precision]
        if self.source.weights == "tuned":  # once they read no more than they were tuned on
            parts.append("whole")
        return "|".join(parts)

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        if (graph := self.graph) is None:
            return self._encode_by_torch(texts, role)
        model, tokenizer = graph
        prompted = [self.prompts[role] + text for text in texts]
        return model.encode(tokenizer.ids(prompted))

    def _planned(self) -> Plan:
        wanted = compiled.wanted_kind()
        conversion, folder = Conversion(), Path()
        if wanted != "torch":
            try:
                conversion, folder = compiled.prepare(self.source, sample_texts())
            except (OSError, MemoryError, ImportError) as error:  # a full disk, no openvino, ...
                conversion = Conversion(problem=f"{type(error).__name__}: {error}"[:300])
        kind, reason = compiled.chosen(conversion, wanted)
        return Plan(kind, reason, conversion, folder)

    def _opened(self) -> tuple[compiled.CompiledE5, CutTokenizer] | None:
        plan = self.plan
        if plan.kind == "torch":
            return None
        model = compiled.compiled(plan.folder, plan.kind, plan.conversion)
        return model, model.tokenizer(self.max_length)

    def _encode_by_torch(self, texts: Sequence[str], role: Role) -> np.ndarray:
        with self._lock:
            encode = self.model.encode_query if role == "query" else self.model.encode_document
            batch = CPU_BATCH if self.model.device.type == "cpu" else GPU_BATCH
            vectors = encode(
                list(texts),
                prompt=self.prompts[role],
                batch_size=batch,
                normalize_embeddings=True,  # a folder's own modules may lack it
                show_progress_bar=False,
            )
        return np.ascontiguousarray(vectors, dtype=np.float32).reshape(len(texts), -1)

    def token_vectors(self, text: str, role: Role) -> Tokens:
        """The vectors of which `encode` makes the text's own, before any pooling."""
        if (graph := self.graph) is None:
            vectors, offsets = self._token_vectors_by_torch(text, role)
        else:
            model, tokenizer = graph
            found = tokenizer.encode(self.prompts[role] + text)
            vectors, offsets = model.token_vectors(found.ids), np.array(found.offsets)
        places = (offsets - len(self.prompts[role])).clip(min=0)
        return Tokens(vectors, [(start, end) for start, end in places.tolist()])

    def _token_vectors_by_torch(self, text: str, role: Role) -> tuple[np.ndarray, np.ndarray]:
        with self._lock:
            encode = self.model.encode_query if role == "query" else self.model.encode_document
            places = {"text": {"return_offsets_mapping": True}}
            (found,) = encode(
                [text], prompt=self.prompts[role], output_value=None, processing_kwargs=places,
                show_progress_bar=False,
            )  # fmt: skip
        vectors = found["token_embeddings"].float().cpu().numpy()
        return vectors, found["offset_mapping"].cpu().numpy()

    def averages_tokens(self) -> bool:
        """Whether a text's vector is the mean of its tokens' vectors, prompt and all."""
        if self.backend != "torch":  # nothing else is compiled
            return True
        with self._lock:
            return compiled.pooling_problem(self.model) is None


def sample_texts() -> list[str]:
    """Prompted titles and articles of the sample, by which backends are compared."""
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        rows = [row for row, _ in zip(csv.DictReader(file), range(MEASURED_PAIRS), strict=False)]
    titles = [PROMPTS["query"] + row["Titre"] for row in rows]
    return titles + [PROMPTS["document"] + row["Contenu"][:MEASURED_CHARS] for row in rows]


def slices_by_length(texts: Sequence[str], size: int = SLICE) -> Iterator[np.ndarray]:
    """Positions of `texts` in slices, the longest first: memory peaks at once, not at the end."""
    order = np.argsort([-len(text) for text in texts], kind="stable")
    for start in range(0, len(order), size):
        yield order[start : start + size]
