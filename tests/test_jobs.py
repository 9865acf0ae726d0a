import csv
import json
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from e5demo import jobs as module
from e5demo.errors import restored
from e5demo.jobs import Jobs, Reporter, keep_log, minding_stops
from e5demo.training.tuned import list_tuned
from e5demo.workspace import Workspace, home, read_json, remove_folder, write_json


@pytest.fixture
def jobs(tmp_path):
    made = Jobs(tmp_path / "jobs")
    yield made
    for child in made._children.values():
        child.kill()
        child.wait()


@pytest.fixture
def owner(tmp_path):
    return str(tmp_path / "owner")


def news_csv(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["titre", "contenu"])
        for i in range(rows):
            writer.writerow([f"Un titre numéro {i}", " ".join(f"mot{i}x{j}" for j in range(20))])
    return path


@pytest.fixture(scope="module")
def long_csv(tmp_path_factory):
    """Its twins take about half a minute to find: time to look at the job, and to stop it."""
    return news_csv(tmp_path_factory.mktemp("long") / "long.csv", 40_000)


def wait_until(jobs, job_id, reached, seconds=60, advance=True):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if advance:
            jobs.advance()
        job = jobs.get(job_id)
        if reached(job):
            return job
        time.sleep(0.05)
    raise AssertionError(f"{job} after {seconds} s; its log:\n{jobs.log(job_id)}")


def ended(job):
    return not job.active


def searching_twins(job):
    return job.stage == "twins" and job.share > 0


def by_hand(jobs, job_id, *, owner="someone", created=0.0, **files):
    """A job's folder as an earlier server left it."""
    spec = {"title": job_id, "command": [job_id], "owner": owner, "created": created}
    for name, value in {"spec": spec, **files}.items():
        write_json(jobs.folder / job_id / f"{name}.json", value)
    return job_id


def this_process(**changes):
    me = psutil.Process()
    return {"pid": me.pid, "started": me.create_time(), **changes}


def test_a_job_runs_to_done_with_its_result_in_its_owner_s_workspace(jobs, owner, tmp_path):
    path = news_csv(tmp_path / "small.csv", 30)
    job = jobs.submit(owner, "Préparer", ["prepare", str(path), "--json"])
    assert job.active
    job = wait_until(jobs, job.id, ended)
    assert (job.state, job.message, job.title) == ("done", None, "Préparer")
    result = jobs.result(job.id)
    assert (result["rows"], result["pairs"]) == (30, 30)
    assert (Workspace(tmp_path / "owner").datasets / result["dataset"]).is_dir()
    assert [other.id for other in Jobs(jobs.folder).of(owner)] == [job.id]
    assert jobs.of("someone else") == []


def test_folders_that_are_named_from_where_the_server_started_are_the_child_s_too(
    tmp_path, owner, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("E5DEMO_HOME", "data")
    jobs = Jobs(home() / "jobs")
    path = news_csv(tmp_path / "small.csv", 30)
    job = jobs.submit(owner, "Préparer", ["prepare", str(path), "--json"])
    assert wait_until(jobs, job.id, ended).state == "done"
    assert not (Path(module.__file__).parents[1] / "data").exists()  # where the child starts


def test_a_user_s_mistake_is_failed_with_its_sentence(jobs, owner, tmp_path):
    job = jobs.submit(owner, "Préparer", ["prepare", str(tmp_path / "none.csv"), "--json"])
    job = wait_until(jobs, job.id, ended)
    assert job.state == "failed"
    assert job.message == f"There is no file {tmp_path / 'none.csv'}: check the path."
    assert jobs.log(job.id).strip() == job.message
    assert jobs.result(job.id) is None


def test_one_at_a_time_and_both_running_and_waiting_can_be_cancelled(jobs, owner, long_csv):
    command = ["prepare", str(long_csv), "--json"]
    first = jobs.submit(owner, "long", command)
    assert jobs.submit(owner, "long", command).id == first.id  # the same is not queued twice
    second = jobs.submit("someone else", "long", command)
    third = jobs.submit(owner, "court", ["prepare", "none.csv", "--json"])
    seen = wait_until(jobs, first.id, searching_twins)
    assert seen.seconds_left > 0
    assert not seen.stalled
    assert [jobs.get(job.id).state for job in (second, third)] == ["waiting", "waiting"]
    jobs.cancel(second.id)
    assert jobs.get(second.id).state == "cancelled"
    jobs.cancel(first.id)
    assert wait_until(jobs, first.id, ended).state == "cancelled"
    assert wait_until(jobs, third.id, ended).state == "failed"
    assert jobs.get(second.id).state == "cancelled"
    assert len(jobs.of(owner)) == 2


def test_a_job_cancelled_in_its_first_moment_is_cancelled_too(jobs, owner, long_csv):
    """The child dies of the signal before Python can catch it."""
    job = jobs.submit(owner, "long", ["prepare", str(long_csv), "--json"])
    jobs.cancel(job.id)
    assert wait_until(jobs, job.id, ended).state == "cancelled"


def test_a_killed_child_is_failed_with_the_end_of_its_log(jobs, owner, long_csv):
    job = jobs.submit(owner, "long", ["prepare", str(long_csv), "--json"])
    wait_until(jobs, job.id, searching_twins)
    folder = jobs.folder / job.id
    (folder / "log.txt").write_text("".join(f"ligne {i}\n" for i in range(40)))
    os.kill(read_json(folder / "process.json")["pid"], signal.SIGKILL)
    job = wait_until(jobs, job.id, ended, advance=False)  # seen although nobody reaped it yet
    assert job.state == "failed"
    assert job.message.splitlines() == [f"ligne {i}" for i in range(25, 40)]
    assert jobs.result(job.id) is None


@pytest.mark.parametrize("job_id", ["", ".", "..", "none", "../x", "x/../../x"])
def test_an_unknown_id_is_a_key_error(jobs, tmp_path, job_id):
    by_hand(Jobs(tmp_path), "x")  # beside the jobs' folder, reachable by '../x'
    by_hand(jobs, "known")
    for ask in (jobs.get, jobs.log, jobs.result, jobs.cancel):
        with pytest.raises(KeyError):
            ask(job_id)


def test_a_process_id_given_to_another_since_is_not_the_job_s(jobs):
    now = this_process()
    ours = by_hand(jobs, "ours", process=now)
    recycled = by_hand(jobs, "recycled", process=this_process(started=now["started"] - 60))
    assert jobs.get(ours).state == "running"
    assert jobs.get(recycled).state == "failed"
    signal.signal(signal.SIGTERM, _not_for_us)
    try:
        jobs.cancel(recycled)
        time.sleep(0.1)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert jobs.get(recycled).state == "failed"


def _not_for_us(_number, _frame):
    raise AssertionError("this process was asked to stop")


def test_progress_of_long_ago_is_stalled(jobs):
    seen = {"stage": "encode", "share": 0.25, "seconds_left": 30.0}
    by_hand(jobs, "slow", process=this_process(), progress={**seen, "at": time.time() - 301})
    by_hand(jobs, "fine", process=this_process(), progress={**seen, "at": time.time() - 290})
    slow, fine = jobs.get("slow"), jobs.get("fine")
    assert (slow.stalled, fine.stalled) == (True, False)
    assert (fine.stage, fine.share, fine.seconds_left) == ("encode", 0.25, 30.0)


class Recording(Jobs):
    """Starts nothing, and notes what it would have started."""

    def __init__(self, folder):
        super().__init__(folder)
        self.started = []

    def _start(self, job):
        self.started.append(job.title)
        write_json(self.folder / job.id / "ended.json", {"state": "done"})


def test_jobs_start_in_the_order_they_came_even_within_a_second(tmp_path):
    jobs = Recording(tmp_path)
    by_hand(jobs, "running", created=time.time(), process=this_process())
    titles = [f"job {i}" for i in range(8)]
    for title in titles:
        jobs.submit("owner", title, [title])
    assert jobs.started == []
    write_json(tmp_path / "running" / "ended.json", {"state": "done"})
    for _ in titles:
        jobs.advance()
    assert jobs.started == titles
    assert [job.title for job in jobs.of("owner")] == titles[::-1]


def test_the_oldest_ended_jobs_are_forgotten(jobs, monkeypatch):
    monkeypatch.setattr(module, "KEPT_ENDED_JOBS", 2)
    for i in range(4):
        by_hand(jobs, f"job-{i}", created=float(i), ended={"state": "done"})
    by_hand(jobs, "job-old-but-running", created=-1.0, process=this_process())
    jobs.advance()
    assert [job.id for job in jobs.of("someone")] == ["job-3", "job-2", "job-old-but-running"]


def test_a_job_forgotten_while_the_list_is_read_is_not_in_it(jobs, monkeypatch):
    for job_id in ("kept", "lost", ".lost.1234"):  # the last as `remove_folder` leaves it
        by_hand(jobs, job_id, ended={"state": "done"})
    read = Jobs._read

    def lose(self, folder):
        if folder.name == "lost":
            remove_folder(folder)
        return read(self, folder)

    monkeypatch.setattr(Jobs, "_read", lose)
    assert [job.id for job in jobs.of("someone")] == ["kept"]


def test_the_child_writes_how_far_it_is_but_not_at_every_step(tmp_path, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    clock = iter([100.0, 100.1, 102.0, 102.1, 102.2])
    monkeypatch.setattr(module.time, "time", lambda: next(clock))
    try:
        reporter = Reporter(tmp_path)
    finally:
        signal.signal(signal.SIGTERM, before)

    def told():
        seen = json.loads((tmp_path / "progress.json").read_text())
        return seen["stage"], seen["share"], seen["seconds_left"]

    reporter("encode", 0, 10)
    assert told() == ("encode", 0.0, None)
    reporter("encode", 1, 10)  # 0.1 s later: not worth a write
    assert told() == ("encode", 0.0, None)
    reporter("encode", 4, 10)  # 2 s for 40%: 3 s for the rest
    assert told() == ("encode", 0.4, pytest.approx(3))
    reporter("encode", 10, 10)  # the end is always written
    assert told() == ("encode", 1.0, 0.0)
    reporter("index", 0, 0)
    assert told() == ("index", 1.0, 0.0)


def test_a_mistake_can_be_told_again_in_another_language(jobs, owner):
    job = jobs.submit(owner, "none", ["prepare", "/none.csv", "--json"])
    job = wait_until(jobs, job.id, ended)
    assert job.error == "FileMissing"
    assert str(restored(job.error, job.values)) == job.message


def test_a_job_asked_to_stop_is_stopping_until_it_ends(jobs):
    by_hand(jobs, "asked", process=this_process(), cancelled={"asked": 0.0})
    by_hand(jobs, "left", process=this_process())
    assert [(jobs.get(name).state, jobs.get(name).stopping) for name in ("asked", "left")] == [
        ("running", True),
        ("running", False),
    ]
    write_json(jobs.folder / "asked" / "ended.json", {"state": "cancelled"})
    assert (jobs.get("asked").state, jobs.get("asked").stopping) == ("cancelled", False)


def test_a_first_stop_is_noted_and_a_second_one_interrupts():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    noted = []

    def stopped_twice():
        with minding_stops() as asked:
            noted.append(asked.is_set())
            os.kill(os.getpid(), signal.SIGTERM)
            noted.append(asked.wait(5))
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        stopped_twice()
    assert noted == [False, True]
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_either_stop_is_noted_and_the_handlers_come_back(number):
    before = signal.getsignal(number)
    with minding_stops() as asked:
        os.kill(os.getpid(), number)
        assert asked.wait(5)
    assert signal.getsignal(number) == before


def test_beside_the_main_thread_stops_are_left_to_it():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work():
        with minding_stops() as asked:
            seen.extend([asked.is_set(), signal.getsignal(signal.SIGTERM)])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False, before]


@pytest.fixture
def as_job(tmp_path, monkeypatch):
    """This process as a job's: its folder."""
    folder = tmp_path / "20260101-000000-abc123"
    folder.mkdir()
    monkeypatch.setenv("E5DEMO_JOB", str(folder))
    before = signal.getsignal(signal.SIGTERM)
    yield folder
    signal.signal(signal.SIGTERM, before)


def test_a_process_knows_its_job_and_keeps_the_log(as_job, tmp_path):
    (as_job / "log.txt").write_text("ligne 1\n")
    (tmp_path / "experiment").mkdir()
    assert module.job_id() == as_job.name
    keep_log(tmp_path / "experiment")
    assert (tmp_path / "experiment" / "log.txt").read_text() == "ligne 1\n"


def test_without_a_job_there_is_no_id_and_no_log(tmp_path):
    assert module.job_id() is None
    keep_log(tmp_path)
    assert not (tmp_path / "log.txt").exists()
    assert Reporter.of_this_process() is None


def test_the_end_of_a_part_is_not_the_job_s(as_job, monkeypatch):
    reporter = Reporter.of_this_process()
    monkeypatch.setenv("E5DEMO_JOB_PART", "1")
    reporter("encode", 1, 2)
    reporter.end("done")
    assert read_json(as_job / "progress.json")["share"] == 0.5
    assert not (as_job / "ended.json").exists()
    monkeypatch.delenv("E5DEMO_JOB_PART")
    reporter.end("done")
    assert read_json(as_job / "ended.json")["state"] == "done"


def test_a_killed_training_is_failed_within_seconds_and_goes_on_in_another_job(
    jobs, owner, long_csv, tiny_model, monkeypatch
):
    monkeypatch.setenv("E5DEMO_MODEL", str(tiny_model.folder))
    small = ["batch_size=8", "max_length=8", "max_pairs=400", "max_minutes=null"]
    command = ["train", str(long_csv.with_name("short.csv")), "--method=lora", "--max-length=8"]
    news_csv(long_csv.with_name("short.csv"), 600)
    job = jobs.submit(owner, "lora", [*command, *(f"--set={one}" for one in small), "--json"])
    experiments = Workspace(Path(owner)).experiments
    wait_until(jobs, job.id, lambda _: len(list(experiments.glob("lora-*/history.jsonl"))) == 1)
    (tuned,) = list_tuned(experiments)
    assert (tuned.state, tuned.job) == ("running", job.id)
    killed = time.monotonic()
    os.kill(read_json(jobs.folder / job.id / "process.json")["pid"], signal.SIGKILL)
    assert wait_until(jobs, job.id, ended, seconds=5).state == "failed"
    assert time.monotonic() - killed < 5
    wait_until(jobs, job.id, lambda _: tuned.state == "stopped", seconds=5)
    job = jobs.submit(owner, "lora", ["train", f"--resume={tuned.id}", "--json"])
    assert wait_until(jobs, job.id, ended, seconds=120).state == "done"
    assert [one.state for one in jobs.of(owner)] == ["done", "failed"]
    (tuned,) = list_tuned(experiments)
    assert (tuned.state, tuned.job, tuned.trained.steps) == ("done", job.id, 50)
    assert jobs.result(job.id)["after"] == tuned.scores["after"]
    assert (tuned.folder / "log.txt").is_file()
    assert not list(tuned.folder.glob("checkpoint-*"))
