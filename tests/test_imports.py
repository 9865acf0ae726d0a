"""The design's 'Who may import whom', read from the sources; nothing is imported here."""

import ast
import subprocess
import sys
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = [
    ("errors", "config", "importing"),
    ("workspace", "jobs"),
    ("data",),
    ("retrieval",),
    ("evaluation",),
    ("training",),
    ("figures",),
    ("report",),
    ("answers", "analysis"),
    ("backend",),
    ("backends",),
    ("cli", "ui"),
    ("app", "__main__"),
]
PLACE = {name: place for place, names in enumerate(ORDER) for name in names}
TORCH = {"torch", "transformers", "sentence_transformers", "peft", "openvino", "accelerate"}
NETWORK = {"httpx", "requests", "urllib", "urllib3", "aiohttp", "http", "socket", "ftplib",
           "huggingface_hub", "datasets"}  # fmt: skip


def sources(root: Path = ROOT) -> dict[str, Path]:
    """Modules by dotted name; `app` where it is there."""
    found = {}
    for path in [*sorted((root / "e5demo").rglob("*.py")), *root.glob("app.py")]:
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


SOURCES = sources()


def imported(module: str, text: str, known=SOURCES) -> set[str]:
    """All that `module` imports anywhere, inside functions too; modules of ours by full name."""
    package = module if is_package(module, known) else module.rpartition(".")[0]
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            whole = {f"{source}.{alias.name}" for alias in node.names}
            names |= {name if name in known else source for name in whole}
    return names


def is_package(module: str, known) -> bool:
    return known.get(module, Path("x.py")).name == "__init__.py"


def layer(module: str) -> str | None:
    """The top part that a module of ours belongs to; None for others' and for `e5demo` itself."""
    if module.partition(".")[0] == "e5demo":
        return module.split(".")[1] if "." in module else None
    return "app" if module == "app" else None


def offences(module: str, imports: set[str]) -> list[str]:
    """Imports that the order forbids."""
    here = layer(module)
    if here is None:
        return []
    found = []
    for name in imports:
        there = layer(name)
        if there is None or there == here:
            continue
        if PLACE[there] > PLACE[here] or {here, there} == {"cli", "ui"}:
            found.append(f"{module} imports {name}")
    return found


IMPORTS = {module: imported(module, path.read_text("utf-8")) for module, path in SOURCES.items()}


def users_of(packages: set[str]) -> set[str]:
    return {
        module
        for module, imports in IMPORTS.items()
        if packages & {name.partition(".")[0] for name in imports}
    }


def test_the_sources_are_found():
    assert {"e5demo", "e5demo.cli", "e5demo.data.pairs", "e5demo.retrieval.dense"} <= SOURCES.keys()
    assert "e5demo.errors" in IMPORTS["e5demo.data.pairs"]
    assert "e5demo.retrieval.models" in IMPORTS["e5demo.retrieval.encoder"]  # from package import
    assert "e5demo.backend" in IMPORTS["e5demo.cli"]  # inside a function


@pytest.mark.parametrize(
    ("module", "text", "wrong"),
    [
        ("e5demo.data.pairs", "from e5demo.config import X", False),
        ("e5demo.data.pairs", "import e5demo.retrieval.dense", True),
        ("e5demo.data.pairs", "from e5demo.retrieval import dense", True),
        ("e5demo.data.pairs", "from ..retrieval.dense import DenseRetriever", True),
        ("e5demo.data.pairs", "from .reading import Table", False),
        ("e5demo.data.pairs", "def f():\n    from e5demo import backend", True),
        ("e5demo.cli", "from e5demo.ui import create_page", True),
        ("e5demo.ui", "from e5demo.cli import main", True),
        ("e5demo.config", "from e5demo import workspace", True),
        ("e5demo.config", "from e5demo.errors import BadSetting", False),
        ("app", "from e5demo.ui import create_page", False),
    ],
)
def test_an_offence_is_seen(module, text, wrong):
    assert bool(offences(module, imported(module, text))) is wrong


def test_every_module_has_its_place():
    assert {layer(module) for module in SOURCES} - PLACE.keys() == {None}


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_imports_go_one_way(module):
    assert offences(module, IMPORTS[module]) == []


def test_gradio_is_known_to_the_page_alone():
    users = users_of({"gradio", "gradio_client"})
    assert {user for user in users if layer(user) not in ("ui", "app")} == set()


@pytest.mark.parametrize(
    ("package", "where"),
    [
        ("faiss", r"e5demo.retrieval.index"),
        ("peft", r"e5demo.training."),
        ("openvino", r"e5demo.retrieval.compiled"),
        ("kagglehub", r"e5demo.data.kaggle"),  # optional, and imported when it is asked for
    ],
)
def test_a_heavy_library_has_one_place(package, where):
    assert [user for user in users_of({package}) if not user.startswith(where)] == []


def test_tabs_never_import_each_other():
    tabs = {module for module in SOURCES if module.endswith("_tab")}
    assert {tab: IMPORTS[tab] & tabs for tab in tabs if IMPORTS[tab] & tabs} == {}


def test_data_and_evaluation_need_neither_torch_nor_network():
    users = {user for user in users_of(TORCH | NETWORK) if layer(user) in ("data", "evaluation")}
    assert users == set()


@pytest.mark.parametrize(
    "modules",
    [
        "e5demo, e5demo.cli, e5demo.backend",
        "e5demo.ui",
        "e5demo.data.store, e5demo.evaluation.metrics, e5demo.evaluation.experiments",
    ],
)
def test_a_fresh_interpreter_loads_no_torch(modules):
    report = f"import sys, {modules}; print(sorted({TORCH} & sys.modules.keys()))"
    ran = subprocess.run(
        [sys.executable, "-c", report], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


def test_the_page_opens_without_what_only_searches_and_editors_need():
    later = TORCH | {"bm25s", "numba", "faiss", "scipy", "sklearn"}
    report = f"""
import ast, sys
stubs, segment = [], ast.get_source_segment
ast.get_source_segment = lambda *told, **how: stubs.append(1) or segment(*told, **how)
import app
print(len(stubs), sorted({later} & sys.modules.keys()))
"""
    ran = subprocess.run(
        [sys.executable, "-c", report], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "0 []"
