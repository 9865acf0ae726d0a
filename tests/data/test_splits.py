import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from e5demo.config import SplitSettings
from e5demo.data.duplicates import families
from e5demo.data.splits import Leak, draw_plain, leak_examples, leaking, make_split
from e5demo.errors import BadSetting, EmptySplit


def unrelated(size):
    numbers = np.arange(size)
    return pd.DataFrame({"title": numbers, "passage": numbers, "near": numbers})


def test_notebook_mode_gives_the_recipe_s_rows():
    table = pd.DataFrame({"question": np.arange(40_976)})
    rest, test = train_test_split(table, test_size=0.15, random_state=42, shuffle=True)
    train, validation = train_test_split(rest, test_size=0.15, random_state=42, shuffle=True)
    parts = draw_plain(len(table), SplitSettings(mode="notebook"))
    assert [len(train), len(validation), len(test)] == [29_604, 5_225, 6_147]
    for name, rows in (("train", train), ("validation", validation), ("test", test)):
        assert set(parts.index[parts == name]) == set(rows["question"])


def test_grouped_mode_keeps_twins_together_and_the_sizes():
    keys = unrelated(2_000)
    keys.loc[100:399, "title"] = np.repeat(np.arange(150), 2) + 10_000
    keys.loc[300:599, "near"] = np.repeat(np.arange(100), 3) + 10_000
    notebook = make_split(keys, SplitSettings(mode="notebook"))
    grouped = make_split(keys, SplitSettings())
    assert grouped.sizes == notebook.sizes
    assert pd.Series(grouped.parts.to_numpy()).groupby(families(keys)).nunique().max() == 1
    assert grouped.leaks == 0
    assert grouped.leaks_avoided == notebook.leaks > 20
    assert notebook.leaks_avoided == 0


def test_leaks_by_hand():
    keys = pd.DataFrame(
        {"title": [1, 1, 2, 3, 4], "passage": [1, 2, 3, 4, 5], "near": [1, 2, 3, 1, 5]}
    )
    parts = pd.Series(["train", "test", "test", "validation", "validation"])
    assert leaking(keys, parts).tolist() == [False, True, False, True, False]


def test_a_leak_is_shown_beside_the_train_pair_that_it_repeats():
    keys, pairs = unrelated(20), pd.DataFrame({"query": [f"Titre {i}" for i in range(20)]})
    parts = draw_plain(20, SplitSettings())
    assert leak_examples(pairs, keys, SplitSettings()) == []
    train, test = (parts.index[parts == name] for name in ("train", "test"))
    validation = parts.index[parts == "validation"][0]
    keys.loc[test[0], "title"] = train[3]
    keys.loc[validation, "near"] = train[5]
    keys.loc[test[1], "passage"] = test[2]  # twins outside train are no leak
    by_row = {
        test[0]: Leak("test", f"Titre {test[0]}", f"Titre {train[3]}"),
        validation: Leak("validation", f"Titre {validation}", f"Titre {train[5]}"),
    }
    expected = [by_row[row] for row in sorted(by_row)]
    assert leak_examples(pairs, keys, SplitSettings(mode="grouped")) == expected
    assert leak_examples(pairs, keys, SplitSettings(), limit=1) == expected[:1]


def test_the_same_seed_gives_the_same_split_and_another_does_not():
    keys = unrelated(200)
    same = [make_split(keys, SplitSettings(seed=seed)).parts for seed in (7, 7, 8)]
    assert same[0].equals(same[1])
    assert not same[0].equals(same[2])


@pytest.mark.parametrize("mode", ["notebook", "grouped"])
def test_a_split_left_empty_is_an_error(mode):
    with pytest.raises(EmptySplit):
        make_split(unrelated(2), SplitSettings(mode=mode))
    one_family = unrelated(50).assign(title=0)
    if mode == "grouped":
        with pytest.raises(EmptySplit, match="validation|test"):
            make_split(one_family, SplitSettings())


def test_all_bad_settings_are_named_at_once():
    with pytest.raises(BadSetting, match=r"test_share.*seed"):
        SplitSettings.checked(test_share=2, seed=-1)
