from dataclasses import asdict, replace

import pytest
from fakes import FakeSource

from e5demo.config import EvaluationSettings, SplitSettings
from e5demo.training.checkpoints import History
from e5demo.training.estimate import Estimate, Timing
from e5demo.training.recipe import TrainingSettings
from e5demo.training.reranking import LATE
from e5demo.training.tuned import begin_tuned, end_tuned
from e5demo.training.worker import Trained
from e5demo.ui.train_views import cost_note, status
from e5demo.workspace import write_json
from tests.ui.test_html import Seen


@pytest.mark.parametrize(
    ("tab", "method", "timed"),
    [("train", "full", "full"), ("train", None, "lora"), ("search", "full", None)],
)
def test_presets_are_timed_on_opening_the_tab_even_before_its_form_is_filled(
    backends, handler, monkeypatch, tab, method, timed
):
    submitted = []
    monkeypatch.setattr(backends.jobs, "submit", lambda *job: submitted.append(job))
    handler("time_presets")("", "fr", tab, method)
    commands = [command for _, _, command in submitted]
    assert [c[-2] for c in commands] == ([f"--method={timed}"] if timed else [])
    assert all(c[0] == "estimate" for c in commands)


def test_the_time_for_reranking_is_told_before_and_after(tmp_path):
    cost = Estimate(10, 600.0, 0.0, 60.0, 900.0, 50.0, rerank_seconds=1200.0)
    settings = TrainingSettings(rerank_minutes=20)
    told = cost_note("en", cost, settings)
    assert "20 min for reranking" in told
    assert "31 min" in told
    assert "rerank" not in cost_note("en", replace(cost, rerank_seconds=0.0), settings)
    begun = begin_tuned(
        tmp_path / "full-1", settings, FakeSource(), SplitSettings(), EvaluationSettings(),
        preset="quick", dataset="d", dataset_name="d", data="d", pairs=320, extra={},
    )  # fmt: skip
    assert "Then reranking≤ 20 min" in Seen(status("en", begun, None)).words
    late, timing = begun.folder / LATE, Timing(1.0, 1.0, 8, 1.0, 1.0, 1, 1.0)
    write_json(late / "plan.json", {"steps": 8, "timing": asdict(timing)})
    row = {"loss": 1.25, "learning_rate": 1e-3, "pairs_per_second": 4.5, "seconds_left": 0.0}
    for step in (1, 2):
        History(late).add({"step": step, "seconds": 600.0 * step, **row})
    now = Seen(status("en", begun, None)).text
    assert now[now.index("Step of reranking") + 1] == "2 / 8"
    assert now[now.index("Loss") + 1] == "1.250"
    tuned = end_tuned(begun, Trained(1, 1, 1, 1.0, 1, 1, 1.0))
    assert "model done, reranking to go on with" in status("en", tuned, None)
    assert "Then" not in status("en", tuned, None)
    (late / "adapter").mkdir()
    told = status("en", tuned, None)
    assert "trained, not evaluated yet" in told
    assert "Step of reranking" not in told
    assert "Then 2 steps in 20 min for reranking (expected: 64 s)" in told
    assert "Puis 2 pas en 20" in status("fr", tuned, None)
