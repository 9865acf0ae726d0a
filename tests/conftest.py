"""Every test runs away from the user's own folders and from the network."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An own data folder per test; model weights stay where they are cached."""
    folder = tmp_path / "home"
    monkeypatch.setenv("E5DEMO_HOME", str(folder))
    monkeypatch.delenv("E5DEMO_PUBLIC", raising=False)
    return folder
