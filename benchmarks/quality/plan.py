"""The study's trials, in the order in which they are made."""

from quality.trials import BEST_STEPS, QUICK_STEPS, Trial, one_change

BASE = [
    Trial("quick", "quick"),
    Trial("base", "quick", 0),
]
ONE_AT_A_TIME = [
    *one_change("quick", scale=[20.0, 50.0, 70.0]),
    *one_change("quick", learning_rate=[5e-6, 1e-5, 4e-5, 8e-5, 1.6e-4]),
    *one_change("quick", seed=[1, 2]),
    *one_change("quick", frozen_layers=[3, 6]),
    *one_change("quick", freeze_embeddings=[False]),
    *one_change("quick", dropout=[0.1]),
    *one_change("quick", loss=["symmetric", "all pairs", "guided", "guided queries"]),
    *one_change("quick", max_length=[32, 48, 96, 128], scored_length=[128, 256, 512]),
    *one_change("quick", batch_size=[32, 128, 256]),
    *one_change("quick", passages=["window", "overlap"], queries=["dropped", "cut"]),
    *one_change("quick", averaged=[0.5], tuned_share=[0.5, 0.75]),
    *one_change("quick", hard_negatives=[1, 3]),
    Trial(
        "quick: dense negatives 1",
        "quick",
        QUICK_STEPS,
        {"hard_negatives": 1, "negatives_from": "baseline"},
    ),
    Trial("quick: distilled", "quick", loss="distilled"),
    Trial("quick: distilled, a quarter of the steps", "quick", QUICK_STEPS // 4, loss="distilled"),
    Trial("quick: Matryoshka", "quick", dimensions=(384, 256, 128, 64)),
]
LORA = [
    Trial(f"lora: rank {rank}, rate {rate}, {'+'.join(targets)}", "quick", QUICK_STEPS,
          {"method": "lora", "lora_rank": rank, "lora_alpha": 2 * rank, "learning_rate": rate,
           "lora_targets": targets})
    for rank, rate, targets in [
        (16, 1e-3, ("query", "value")),
        (16, 3e-4, ("query", "value")),
        (16, 2e-3, ("query", "value")),
        (8, 1e-3, ("query", "value")),
        (64, 1e-3, ("query", "value")),
        (16, 1e-3, ("query", "key", "value", "dense")),
        (16, 3e-4, ("query", "key", "value", "dense")),
    ]
]  # fmt: skip
LONGER = [
    Trial("best", "best", BEST_STEPS, {"max_length": 128}),
    *[Trial(f"best: rate {rate}", "best", BEST_STEPS, {"max_length": 128, "learning_rate": rate})
      for rate in (1e-5, 4e-5, 8e-5)],
    Trial("best: 64 tokens", "best", BEST_STEPS, {"max_length": 64}),
    Trial("best: 64 tokens, twice the steps", "best", 2 * BEST_STEPS, {"max_length": 64}),
    Trial("best: guided", "best", BEST_STEPS, {"max_length": 128}, loss="guided"),
    Trial("best: symmetric", "best", BEST_STEPS, {"max_length": 128}, loss="symmetric"),
    Trial("best: batch 256, a quarter of the steps", "best", BEST_STEPS // 4,
          {"max_length": 128, "batch_size": 256}),
    Trial("best: hard negative", "best", BEST_STEPS, {"max_length": 128, "hard_negatives": 1}),
    Trial("best: distilled", "best", BEST_STEPS, {"max_length": 128}, loss="distilled"),
    Trial("best: windows", "best", BEST_STEPS, {"max_length": 128}, passages="window"),
    Trial("best: dropped words", "best", BEST_STEPS, {"max_length": 128}, queries="dropped"),
    Trial("best: averaged", "best", BEST_STEPS, {"max_length": 128}, averaged=0.5),
]  # fmt: skip
LATE = [
    Trial(f"late: {name}", "late", steps, {"max_length": 128, **settings}, loss="late", **options)
    for name, steps, settings, options in [
        ("scale 50", BEST_STEPS, {}, {}),
        ("scale 20", BEST_STEPS, {}, {"late_scale": 20.0}),
        ("scale 100", BEST_STEPS, {}, {"late_scale": 100.0}),
        ("weight 0.8", BEST_STEPS, {}, {"late_weight": 0.8}),
        ("hard negative", BEST_STEPS, {"hard_negatives": 1}, {}),
        ("batch 128, half the steps", BEST_STEPS // 2, {"batch_size": 128}, {}),
        ("rate 5e-5", BEST_STEPS, {"learning_rate": 5e-5}, {}),
    ]
]
PLAN = [*BASE, *ONE_AT_A_TIME, *LORA, *LONGER, *LATE]
