"""Every test runs away from the user's own folders and from the network."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
from tiny import packed_file, packed_tensors, tiny_model  # noqa: F401  (fixtures)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An own data folder per test; model weights stay where they are cached."""
    folder = tmp_path / "home"
    monkeypatch.setenv("E5DEMO_HOME", str(folder))
    variables = ("PUBLIC", "MODEL", "JOB", "WORKSPACE", "CACHE_GB")
    for name in variables:
        monkeypatch.setenv(f"E5DEMO_{name}", "")  # empty is unset, and what a test sets is undone
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.setenv("E5DEMO_BACKEND", "torch")  # converting takes seconds: tests ask for it
    return folder
