"""Visitors' backends over one engine and one job queue, and what a server does at its start."""

import threading
import time
import traceback
from threading import Condition

from cachetools import LRUCache, cachedmethod

from e5demo.backend import Backend
from e5demo.config import EvaluationSettings, SplitSettings
from e5demo.errors import E5DemoError, ModelFailed
from e5demo.jobs import Jobs
from e5demo.retrieval.engine import Engine
from e5demo.retrieval.models import ModelSource
from e5demo.workspace import Workspace, embeddings, is_public

KEPT_VISITORS = 64
QUEUE_SECONDS = 1
PAGE_SECONDS = 2  # that a first visitor's page has the cores to itself, before the model loads


class Backends:
    """A backend per visitor over one engine and one job queue; for a person at home, one."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine or Engine(embeddings())
        self.shared = Backend(Workspace.shared(), self.engine)  # the sample alone, nobody's own
        self.jobs = Jobs()
        self.model: ModelSource | None = None
        self.model_problem: E5DemoError | None = None
        self.model_ready = False
        self._backends: LRUCache = LRUCache(KEPT_VISITORS)
        self._backend_ready = Condition()

    def of(self, visitor: str | None) -> Backend:
        """Raises ValueError for a visitor's id that is none; locally every id is the same one."""
        return self._of(visitor if is_public() else None)

    @cachedmethod(lambda self: self._backends, condition=lambda self: self._backend_ready)
    def _of(self, visitor: str | None) -> Backend:
        workspace = Workspace.of_visitor(visitor or "") if is_public() else Workspace.local()
        return Backend(workspace, self.engine)

    def start(self) -> None:
        """Load the model and move the queue on, beside the page."""
        warm_up = threading.Timer(PAGE_SECONDS, self._warm_up)
        warm_up.daemon = True
        warm_up.start()
        threading.Thread(target=self._keep_queue, daemon=True).start()

    def _warm_up(self) -> None:
        length = EvaluationSettings().max_length
        try:
            encoder = self.engine.encoder(length)
            self.model = encoder.source
            encoder.load()
            backend = self.shared
            everything = backend.corpus(backend.sample(), SplitSettings(), "all")
            self.engine.retriever("fusion", everything, length)  # E5 and BM25
        except E5DemoError as error:
            self.model_problem = error
        except Exception as error:  # a thread's end that nobody would see
            traceback.print_exc()
            self.model_problem = ModelFailed(reason=f"{type(error).__name__}: {error}")
        else:
            self.model_ready = True

    def _keep_queue(self) -> None:
        while True:
            try:
                self.jobs.advance()
            except OSError:  # a full disk, a lock held too long: the queue goes on after it
                traceback.print_exc()
            time.sleep(QUEUE_SECONDS)
