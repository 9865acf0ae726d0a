from fakes import FakeSource

from e5demo.config import EvaluationSettings, SplitSettings
from e5demo.training.checkpoints import History
from e5demo.training.recipe import TrainingSettings
from e5demo.training.reranking import LATE
from e5demo.training.tuned import begin_tuned
from e5demo.ui.sidebar import training_signal
from e5demo.workspace import read_json, write_json


def test_a_record_of_another_version_is_told_beside_the_page(handler, backends):
    backend = backends.of(None)
    done = backend.evaluate(backend.sample(), "bm25", SplitSettings(), EvaluationSettings())
    told, *_ = handler("follow")("", "fr", "")
    assert "illisible" not in told
    record = done.folder / "experiment.json"
    write_json(record, read_json(record) | {"later": "<b>"})
    told, *_ = handler("follow")("", "fr", "")
    assert (
        f"experiments/{done.id}/experiment.json est illisible et ne figure dans aucune liste"
        in told
    )
    assert " + 1" not in told
    write_json(record.with_name("training.json"), [])
    told, *_ = handler("follow")("", "fr", "")
    assert told.count("illisible") == 1
    assert " + 1</span>" in told


def test_each_step_of_the_model_and_of_tokens_is_something_new(tmp_path):
    begun = begin_tuned(
        tmp_path / "full-1", TrainingSettings(rerank_minutes=20), FakeSource(), SplitSettings(),
        EvaluationSettings(), preset="best", dataset="d", dataset_name="d", data="d", pairs=32,
        extra={},
    )  # fmt: skip
    (begun.folder / LATE).mkdir()
    told = [training_signal([begun], [])]
    for folder in (begun.folder, begun.folder / LATE):
        for step in (1, 2):
            History(folder).add({"step": step, "loss": 1.0})
            told.append(training_signal([begun], []))
    assert len(set(told)) == 5
