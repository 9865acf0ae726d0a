from e5demo.config import EvaluationSettings, SplitSettings
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
