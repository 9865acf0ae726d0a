import numpy as np
import pytest

from e5demo.training import checkpoints as module
from e5demo.training.checkpoints import (
    BEST,
    History,
    forget_checkpoints,
    last_checkpoint,
    load_trained,
    publish_checkpoint,
    save_trained,
)
from e5demo.workspace import remove_folder

ROWS = [{"step": 0, "ndcg@10": 0.5}, {"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5}]


@pytest.fixture
def history(tmp_path):
    made = History(tmp_path)
    for row in ROWS:
        made.add(row)
    return made


def test_rows_come_back_as_they_were_added(history, tmp_path):
    assert History(tmp_path).rows() == ROWS
    assert History(tmp_path / "none").rows() == []


@pytest.mark.parametrize("torn", ['{"step": 3, "lo', '{"step": 3, "loss": 1.0}', "{"])
def test_a_line_that_was_cut_off_is_no_row(history, torn):
    with history.path.open("a") as file:
        file.write(torn)
    assert history.rows() == ROWS
    assert history.go_back(2) == ROWS
    history.add({"step": 3, "loss": 0.5})  # on a line of its own
    assert history.rows() == [*ROWS, {"step": 3, "loss": 0.5}]


def test_going_back_forgets_what_came_after(history, tmp_path):
    assert history.go_back(1) == ROWS[:2]
    assert history.rows() == ROWS[:2]
    assert History(tmp_path / "new").go_back(0) == []


def checkpoint(folder, step):
    made = folder / f"checkpoint-{step}"
    made.mkdir(parents=True)
    (made / "state").write_text(str(step))
    return made


def test_the_last_checkpoint_is_the_furthest_one(tmp_path):
    assert last_checkpoint(tmp_path) is None
    for step in (9, 100, 20):
        checkpoint(tmp_path, step)
    assert last_checkpoint(tmp_path).name == "checkpoint-100"


def test_older_ones_go_once_the_new_one_is_there(tmp_path, monkeypatch):
    removed = []

    def remove(folder):
        assert (tmp_path / "checkpoint-10" / "state").read_text() == "10"
        removed.append(folder.name)
        remove_folder(folder)

    monkeypatch.setattr(module, "remove_folder", remove)
    for step in (8, 9):
        checkpoint(tmp_path, step)
    publish_checkpoint(checkpoint(tmp_path / ".checkpoint", 10), tmp_path)
    assert sorted(removed) == ["checkpoint-8", "checkpoint-9"]
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-10"]
    assert list((tmp_path / ".checkpoint").iterdir()) == []


def test_the_same_step_saved_again_is_the_new_one(tmp_path):
    (checkpoint(tmp_path, 3) / "state").write_text("old")
    publish_checkpoint(checkpoint(tmp_path / ".checkpoint", 3), tmp_path)
    assert (tmp_path / "checkpoint-3" / "state").read_text() == "3"


def test_a_finished_training_keeps_no_checkpoint(history, tmp_path):
    checkpoint(tmp_path, 3)
    checkpoint(tmp_path / ".checkpoint", 4)
    for name in (BEST, ".lock", "tuned.json"):
        (tmp_path / name).write_text("")
    forget_checkpoints(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left - {"home"} == {"history.jsonl", ".lock", "tuned.json"}
    forget_checkpoints(tmp_path)  # and there is nothing to do twice


def test_only_what_is_trained_is_saved_and_put_back(tmp_path):
    import torch
    from safetensors.numpy import load_file

    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    model[0].requires_grad_(False)
    kept = model[1].weight.detach().numpy().copy()
    save_trained(model, tmp_path / "weights.safetensors")
    saved = load_file(tmp_path / "weights.safetensors")
    assert saved.keys() == {"1.weight", "1.bias"}
    assert np.array_equal(saved["1.weight"], kept)
    with torch.no_grad():
        for values in model.parameters():
            values.fill_(7)
    load_trained(model, tmp_path / "weights.safetensors")
    assert np.array_equal(model[1].weight.detach().numpy(), kept)
    assert model[0].weight.eq(7).all()
