"""What a training leaves in its experiment's folder while it goes on, complete or not at all.

`history.jsonl` has a line per step and per validation, `checkpoint-N` all that is needed to go on
after step N as if nothing had happened, and `best.safetensors` the best weights so far.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e5demo.workspace import draft_file, remove_folder, write_text

HISTORY = "history.jsonl"
BEST = "best.safetensors"
CHECKPOINT = "checkpoint-"
WEIGHTS = "weights.safetensors"


class History:
    """Rows by `step`: `loss`, `learning_rate`, `pairs_per_second`, `seconds`, `seconds_left`, or
    `ndcg@10`. A line that a killed process left half-written is no row."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / HISTORY

    def add(self, row: Mapping[str, float]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def rows(self) -> list[dict[str, float]]:
        if not self.path.is_file():
            return []
        return [
            json.loads(line)
            for line in self.path.read_text("utf-8").splitlines(keepends=True)
            if line.endswith("}\n")
        ]

    def go_back(self, step: int) -> list[dict[str, float]]:
        """Forget what came after `step`: it will be done again. Gives what remains."""
        kept = [row for row in self.rows() if row["step"] <= step]
        write_text(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        return kept


def last_checkpoint(folder: Path) -> Path | None:
    return max(folder.glob(f"{CHECKPOINT}*"), key=checkpoint_step, default=None)


def checkpoint_step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix(CHECKPOINT))


def publish_checkpoint(written: Path, folder: Path) -> None:
    """Flush a checkpoint's files, move it into `folder`, and only then drop the older ones."""
    for path in written.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    target = folder / written.name
    if target.is_dir():  # the same step, saved before
        remove_folder(target)
    os.rename(written, target)
    for older in folder.glob(f"{CHECKPOINT}*"):
        if older != target:
            remove_folder(older)


def forget_checkpoints(folder: Path) -> None:
    """A finished training needs none, nor what killed processes left half-written."""
    for path in [*folder.glob(f"{CHECKPOINT}*"), *folder.glob(".*")]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
    (folder / BEST).unlink(missing_ok=True)


def save_trained(model: Any, path: Path) -> None:
    """What training changes, as safetensors: parameters, and what a reducer remembers."""
    from safetensors.torch import save

    changed = {name for name, values in model.named_parameters() if values.requires_grad}
    tensors = {
        name: values.detach().contiguous()
        for name, values in model.state_dict().items()
        if name in changed or ".reducer." in name
    }
    with draft_file(path) as file:
        file.write(save(tensors))


def load_trained(model: Any, path: Path) -> None:
    from safetensors.torch import load_file

    model.load_state_dict(load_file(path), strict=False)
