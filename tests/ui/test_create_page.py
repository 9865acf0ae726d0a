import subprocess
import sys
from pathlib import Path

import pytest
from fakes import FakeEngine

from e5demo.backends import Backends
from e5demo.ui import TABS, create_page

ROOT = Path(__file__).parents[2]


@pytest.fixture
def page(tmp_path):
    return create_page(Backends(FakeEngine(tmp_path)))[0]


def test_the_page_has_its_tabs_and_one_public_endpoint(page):
    config = page.get_config_file()
    tabs = [c["props"].get("id") for c in config["components"] if c["type"] == "tabitem"]
    assert set(TABS) <= set(tabs)
    wired = [d for d in config["dependencies"] if d["backend_fn"]]
    assert len(wired) > 20
    public = [d["api_name"] for d in config["dependencies"] if d["api_visibility"] != "private"]
    assert public == ["search"]
    assert list(page.get_api_info()["named_endpoints"]) == ["/search"]


def test_no_state_holds_more_than_an_id(page):
    states = [block for block in page.blocks.values() if block.get_block_name() == "state"]
    assert len(states) > 0
    assert {type(state.value) for state in states} <= {str, int}


def test_building_it_loads_no_torch():
    code = (
        "import sys; from e5demo.backends import Backends; from e5demo.ui import create_page\n"
        "create_page(Backends())\n"
        "print(sorted({'torch', 'transformers', 'sentence_transformers'} & sys.modules.keys()))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
