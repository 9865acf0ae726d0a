"""How fast a model is tuned: steps of preset `quick` against steps of the recipe, taking turns.

    python benchmarks/bench_train_step.py [NEWS.csv] [--rounds 3] [--json FILE]

Both have batches of 64 pairs, each at its preset's own length: the recipe reads up to 512 tokens
and computes its loss in chunks, as a whole it would need over 24 GB. A step is the tokeniser's
work, forward, backward and AdamW. A ratio is the median of the rounds' own. Without a path the
sample is read, whose articles are shorter.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measured import ROOT, machine, table, tell

sys.path.insert(0, str(ROOT))
from e5demo.config import PROMPTS, SAMPLE
from e5demo.retrieval.models import base_model
from e5demo.training.estimate import in_bf16
from e5demo.training.recipe import TrainingSettings, make_recipe
from e5demo.training.worker import make_loss, prepare_model

BATCH = 64
COLUMNS = {
    "side": ("preset", None),
    "max_length": ("tokens at most", 0),
    "trainable": ("millions trained", 1),
    "negatives": ("negatives a pair", 0),
    "seconds": ("seconds a step", 2),
    "ratio": ("steps for one of the recipe", 1),
}


class Side:
    """A preset, ready to make steps."""

    def __init__(self, preset: str, method: Any) -> None:
        import torch

        self.name = f"{preset}, {method}"
        self.settings: TrainingSettings = make_recipe(method, preset, batch_size=BATCH)
        self.bf16 = in_bf16(self.settings)
        self.model = prepare_model(base_model(), self.settings).train()
        self.loss = make_loss(self.model, self.settings)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            self.parameters,
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
        )
        self.seconds: list[float] = []

    def step(self, titles: list[str], articles: list[str]) -> None:
        import torch

        began = time.perf_counter()
        # Negatives are articles too, of which ones does not matter here.
        columns = [articles] * (1 + self.settings.hard_negatives)
        texts = (titles, PROMPTS["query"]), *((some, PROMPTS["document"]) for some in columns)
        features = [self.model.preprocess([prompt + t for t in some]) for some, prompt in texts]
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.bf16):
            loss = self.loss(features, None)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.settings.max_grad_norm)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.seconds.append(time.perf_counter() - began)


def batches(path: Path) -> Iterator[tuple[list[str], list[str]]]:
    """Titles and articles, 64 at a time, drawn with a fixed seed, again and again."""
    import pandas as pd

    frame = pd.read_csv(path).dropna(subset=["Titre", "Contenu"]).drop_duplicates("Contenu")
    frame = frame.sample(len(frame), random_state=0)
    while True:
        for start in range(0, len(frame) - BATCH + 1, BATCH):
            part = frame.iloc[start : start + BATCH]
            yield part["Titre"].tolist(), part["Contenu"].tolist()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("csv", type=Path, nargs="?", help="else the sample")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    sides = [Side("notebook", "full"), Side("quick", "full"), Side("quick", "lora")]
    drawn = batches(options.csv or SAMPLE)
    for number in range(options.rounds):
        batch = next(drawn)
        for side in sides:
            side.step(*batch)
            told = f"round {number + 1}: {side.name} {side.seconds[-1]:.1f} s"
            print(told, file=sys.stderr, flush=True)
    recipe = sides[0].seconds
    rows = [
        {
            "side": side.name,
            "max_length": side.settings.max_length,
            "negatives": side.settings.hard_negatives,
            "trainable": sum(p.numel() for p in side.parameters) / 1e6,
            "seconds": statistics.median(side.seconds),
            "ratio": statistics.median(a / b for a, b in zip(recipe, side.seconds, strict=True)),
        }
        for side in sides
    ]
    report = {"machine": machine("torch", "sentence-transformers", "transformers"), "sides": rows}
    tell(report, table(COLUMNS, rows), options.json)


if __name__ == "__main__":
    main()
