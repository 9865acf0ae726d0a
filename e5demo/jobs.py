"""Long work as child processes: files tell how far it is, and the page may come and go.

A job is a command of `python -m e5demo` and a folder: `spec.json` (what), `process.json` (who),
`progress.json` (how far, written by the child), `log.txt`, `result.json` (the command's JSON) and,
last, `ended.json` (how it ended). A process that is gone without that last file has failed, or was
cancelled in its first moment, where `cancelled.json` (a stop was asked for) says so.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import psutil
from filelock import FileLock

from e5demo.workspace import WORKSPACE_FOLDER, home, open_all, read_json, remove_folder, write_json

State = Literal["waiting", "running", "done", "failed", "cancelled"]
JOB_FOLDER = "E5DEMO_JOB"  # tells the child where its files are
FOLDERS = ("E5DEMO_HOME", "E5DEMO_CACHE", "E5DEMO_MODEL")
JOB_PART = "E5DEMO_JOB_PART"  # set for a child of the job's process: its end is not the job's
WRITE_EVERY_SECONDS = 0.5
STALLED_SECONDS = 300
LOG_TAIL_LINES = 15
# Searches on the page go before long work: a job gets what they leave.
NICE = getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", 5)  # a class on Windows, else a number
KEPT_ENDED_JOBS = 50


class Progress(Protocol):
    """Called with the stage's name and how much of it is done; may raise to stop the work."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Job:
    """A job as its files say at one moment. `seconds_left` is None until it can be told.

    Where a user's mistake ended it, `error` and `values` make that mistake again.
    """

    id: str
    title: str
    command: list[str]
    owner: str
    created: float
    state: State
    stage: str | None = None
    share: float = 0.0
    seconds_left: float | None = None
    stalled: bool = False
    stopping: bool = False
    message: str | None = None
    error: str | None = None
    values: dict[str, str] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        return self.state in ("waiting", "running")


class Jobs:
    """The machine's one queue: one job runs at a time, whoever asked for it."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or home() / "jobs"
        self._children: dict[str, subprocess.Popen] = {}

    def submit(self, owner: str, title: str, command: Sequence[str]) -> Job:
        """Queue `python -m e5demo COMMAND` for `owner`, the folder of its workspace.

        The same command already waiting or running is returned instead of queued twice.
        """
        with self._locked():
            for job in self.of(owner):
                stopping = (self.folder / job.id / "cancelled.json").is_file()
                if job.active and job.command == list(command) and not stopping:
                    return job
            job_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
            spec = {"title": title, "command": list(command), "owner": owner}
            write_json(self.folder / job_id / "spec.json", {**spec, "created": time.time()})
        self.advance()
        return self.get(job_id)

    def get(self, job_id: str) -> Job:
        """Raises KeyError for an unknown id."""
        return self._read(self._known(job_id))

    def of(self, owner: str) -> list[Job]:
        """The owner's jobs, newest first."""
        return [job for job in self._all() if job.owner == owner]

    def log(self, job_id: str) -> str:
        path = self._known(job_id) / "log.txt"
        return path.read_text("utf-8", errors="replace") if path.is_file() else ""

    def result(self, job_id: str) -> Any:
        """What the command printed as JSON; None where it did not get so far."""
        path = self._known(job_id) / "result.json"
        try:
            return read_json(path)
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def cancel(self, job_id: str) -> None:
        """Ask a running job to stop (it takes some seconds), or take one off the queue."""
        folder = self._known(job_id)
        with self._locked():
            job = self._read(folder)
            if job.state == "waiting":
                _end(folder, "cancelled")
            elif job.state == "running" and (process := _process(folder)):
                write_json(folder / "cancelled.json", {"asked": time.time()})
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.terminate()

    def advance(self) -> None:
        """Start the oldest waiting job if none runs; forget the oldest ended ones."""
        self._reap()
        with self._locked():
            jobs = self._all()
            if not any(job.state == "running" for job in jobs):
                waiting = [job for job in jobs if job.state == "waiting"]
                if waiting:
                    self._start(waiting[-1])
            for job in [job for job in jobs if not job.active][KEPT_ENDED_JOBS:]:
                remove_folder(self.folder / job.id)

    def _start(self, job: Job) -> None:
        folder = self.folder / job.id
        with (folder / "log.txt").open("wb") as log, (folder / "result.json").open("wb") as result:
            child = subprocess.Popen(
                [sys.executable, "-m", "e5demo", *job.command],
                stdin=subprocess.DEVNULL,
                stdout=result,
                stderr=log,
                env={
                    **os.environ,
                    **_absolute_folders(),
                    JOB_FOLDER: str(folder),
                    WORKSPACE_FOLDER: job.owner,
                },
                cwd=Path(__file__).parents[1],
                start_new_session=True,  # a Ctrl+C at the page's terminal is not the job's
            )
        self._children[job.id] = child
        process = psutil.Process(child.pid)
        with contextlib.suppress(psutil.Error):
            process.nice(NICE)
        started = process.create_time()
        write_json(folder / "process.json", {"pid": child.pid, "started": started})

    def _all(self) -> list[Job]:
        return open_all(self.folder, "spec.json", self._read, FileNotFoundError)

    def _known(self, job_id: str) -> Path:
        folder = self.folder / job_id
        if Path(job_id).name != job_id or not (folder / "spec.json").is_file():
            raise KeyError(job_id)
        return folder

    def _read(self, folder: Path) -> Job:
        spec = read_json(folder / "spec.json")
        common = {"id": folder.name, **spec}
        # In this order: it may begin between these two, and end after them.
        begun = (folder / "process.json").is_file()
        alive = _process(folder) is not None
        if (folder / "ended.json").is_file():
            return Job(**common, **read_json(folder / "ended.json"))
        if not begun:
            return Job(**common, state="waiting")
        if not alive and (folder / "cancelled.json").is_file():
            return Job(**common, state="cancelled")
        if not alive:
            return Job(**common, state="failed", message=_log_tail(folder))
        common["stopping"] = (folder / "cancelled.json").is_file()
        progress = folder / "progress.json"
        if not progress.is_file():
            return Job(**common, state="running")
        seen = read_json(progress)
        stalled = time.time() - seen.pop("at") > STALLED_SECONDS
        return Job(**common, state="running", stalled=stalled, **seen)

    def _reap(self) -> None:
        for job_id, child in list(self._children.items()):
            if child.poll() is not None:
                del self._children[job_id]

    def _locked(self) -> FileLock:
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / ".lock", timeout=30, is_singleton=True)


class Reporter:
    """The child's side: writes how far it is and how it ended into its job's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stage: str | None = None
        self._stage_began = self._written = 0.0
        signal.signal(signal.SIGTERM, _interrupt)

    @classmethod
    def of_this_process(cls) -> "Reporter | None":
        folder = os.environ.get(JOB_FOLDER)
        return cls(Path(folder)) if folder else None

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.time()
        if stage != self._stage:
            self._stage, self._stage_began = stage, now
        elif now - self._written < WRITE_EVERY_SECONDS and done < total:
            return
        self._written = now
        share = done / total if total else 1.0
        left = (now - self._stage_began) * (1 - share) / share if share > 0 else None
        seen = {"stage": stage, "share": share, "seconds_left": left, "at": now}
        write_json(self.folder / "progress.json", seen)

    def end(self, state: State, message: str | None = None, **mistake: Any) -> None:
        if not os.environ.get(JOB_PART):
            _end(self.folder, state, message, **mistake)


def job_id() -> str | None:
    """Of the job that this process works for."""
    folder = os.environ.get(JOB_FOLDER)
    return Path(folder).name if folder else None


def keep_log(folder: Path) -> None:
    """Copy the job's log so far, if this is a job: jobs are forgotten, experiments are not."""
    if job := os.environ.get(JOB_FOLDER):
        shutil.copyfile(Path(job) / "log.txt", folder / "log.txt")


@contextlib.contextmanager
def minding_stops() -> Iterator[threading.Event]:
    """Within the block a first stop (SIGTERM, Ctrl+C) sets the event; a second one interrupts."""
    asked = threading.Event()

    def note(number: int, frame: Any) -> None:
        if asked.is_set():
            _interrupt(number, frame)
        asked.set()

    if threading.current_thread() is not threading.main_thread():  # signals reach the main one
        yield asked
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def _end(folder: Path, state: State, message: str | None = None, **mistake: Any) -> None:
    write_json(folder / "ended.json", {"state": state, "message": message, **mistake})


def _absolute_folders() -> dict[str, str]:
    """Folders that the environment names, for a child that starts elsewhere."""
    named = {name: os.environ.get(name) for name in FOLDERS}
    return {name: str(Path(f).expanduser().absolute()) for name, f in named.items() if f}


def _process(folder: Path) -> psutil.Process | None:
    """The job's living process; a number that the system gave to another since is not it."""
    try:
        told = read_json(folder / "process.json")
        process = psutil.Process(told["pid"])
        same = abs(process.create_time() - told["started"]) < 1
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None


def _log_tail(folder: Path) -> str:
    path = folder / "log.txt"
    text = path.read_text("utf-8", errors="replace") if path.is_file() else ""
    return "\n".join(text.strip().splitlines()[-LOG_TAIL_LINES:])
