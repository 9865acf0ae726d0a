"""The README's front matter is what Spaces reads: valid, and in agreement with the code."""

import re
from pathlib import Path

import pytest
import yaml

from e5demo.config import BASE_MODEL

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


@pytest.fixture(scope="module")
def card():
    return yaml.safe_load(README.split("---\n")[1])


def test_front_matter_is_valid_for_spaces(card):
    assert card["sdk"] == "gradio"
    assert (ROOT / card["app_file"]).is_file()
    assert len(card["short_description"]) <= 60
    assert {card["colorFrom"], card["colorTo"]} <= COLOURS
    assert card["models"] == [BASE_MODEL]
    assert isinstance(card["python_version"], str)


def test_versions_agree_with_what_is_installed(card):
    (pinned,) = re.findall(r"^gradio==(\S+)", (ROOT / "requirements.txt").read_text(), re.M)
    assert card["sdk_version"] == pinned
    (needed,) = re.findall(r'requires-python = ">=(.+)"', (ROOT / "pyproject.toml").read_text())
    assert card["python_version"] == needed


def test_linked_files_exist():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
