import pytest
from pydantic import ValidationError

from e5demo.config import EvaluationSettings, SplitSettings
from e5demo.errors import BadSetting


@pytest.mark.parametrize(
    "settings",
    [
        SplitSettings(mode="notebook", test_share=0.25, seed=7),
        EvaluationSettings(corpus="all", cutoffs=(3, 20), limit_queries=50),
        EvaluationSettings(),
    ],
)
def test_yaml_out_and_in_again(tmp_path, settings):
    path = tmp_path / "settings.yaml"
    path.write_text(settings.to_yaml(), "utf-8")
    assert type(settings).from_yaml(path) == settings


def test_an_empty_yaml_is_the_defaults(tmp_path):
    (tmp_path / "s.yaml").write_text("# rien\n")
    assert SplitSettings.from_yaml(tmp_path / "s.yaml") == SplitSettings()


def test_unknown_keys_are_named(tmp_path):
    (tmp_path / "s.yaml").write_text("seed: 1\ntest_size: 0.2\n")
    with pytest.raises(BadSetting, match=r"test_size = 0\.2"):
        SplitSettings.from_yaml(tmp_path / "s.yaml")


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_length": 7},
        {"max_length": 513},
        {"limit_queries": 0},
        {"corpus": "train"},
        {"cutoffs": ()},
        {"cutoffs": (0, 5)},
        {"seed": 2**32},
    ],
)
def test_values_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(BadSetting, match=name):
        EvaluationSettings.checked(**wrong)


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan"), "beaucoup"])
def test_a_share_lies_between_0_and_1(share):
    with pytest.raises(BadSetting, match="test_share"):
        SplitSettings.checked(test_share=share)


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        SplitSettings().seed = 1
