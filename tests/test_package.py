"""What importing costs, what the package exports, and the layers it is built in."""

import ast
import importlib
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import senseweave

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "senseweave"
HEAVY = {"torch", "transformers", "sentence_transformers", "open_clip", "timm", "chromadb", "av", "faster_whisper"}
LAYERS = [
    "errors",
    "extras",
    "lazy",
    "media",
    "encoders",
    "spaces",
    "retrieval",
    "explore",
    "training",
    "evaluation",
    "scale",
    "interop",
    "serving",
    "cli",
    "demo",
    "testing",
]
"""Lowest first; evaluation and training stand beside each other, and the demo beside the command line."""
TOGETHER = [
    {"errors", "extras", "lazy"},
    {"media"},
    {"encoders"},
    {"spaces"},
    {"retrieval", "explore"},
    {"training", "evaluation", "scale"},
    {"interop"},
    {"serving"},
    {"cli", "demo", "testing"},
]


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    "statement",
    [
        "import senseweave",
        "import senseweave as sw; sw.load, sw.Index, sw.Image, sw.Text('a'), sw.MediaPolicy()",
        "import langchain_senseweave",
        "from senseweave.cli import app",
    ],
)
def test_importing_loads_no_model_library(statement: str) -> None:
    assert not modules_after(statement) & HEAVY


EMBED = "import senseweave as sw; sw.load('starter').embed_text(['a cat'], role='query')"
NAMES_ALONE = {"numpy", "asyncio", "pydantic", "senseweave.errors", "senseweave.media", "senseweave.retrieval"}
"""What a package needs nothing of that only says which names it has."""
RETRIEVAL = {
    "senseweave.retrieval.index",
    "senseweave.retrieval.ranking",
    "senseweave.retrieval.stores.base",
    "sqlite3",
}
"""What embedding, and giving what is embedded to a framework, needs nothing of."""
OTHER_MODELS = {
    "senseweave.encoders.families.contextual",
    "senseweave.encoders.parts.graph_encoder",
    "senseweave.encoders.rerankers",
    "senseweave.spaces.sparse_space",
}
"""What the starter's texts need nothing of."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "unneeded"),
    [
        ("import senseweave", NAMES_ALONE),
        ("import senseweave.interop, senseweave.spaces, senseweave.retrieval", NAMES_ALONE - {"senseweave.retrieval"}),
        ("import langchain_senseweave", NAMES_ALONE | {"langchain_core"}),
        ("from senseweave.cli import app", {"numpy", "PIL", "asyncio", "httpx", "pydantic"}),
        (EMBED, HEAVY | RETRIEVAL | OTHER_MODELS | {"senseweave.retrieval", "PIL", "asyncio", "filelock", "pydantic"}),
        ("from langchain_senseweave import SenseweaveEmbeddings", RETRIEVAL | OTHER_MODELS),
        ("from senseweave.retrieval.fusion import find_method", RETRIEVAL | {"senseweave.spaces.space", "asyncio"}),
        ("from senseweave import Index", (HEAVY | OTHER_MODELS | {"PIL"}) - {"senseweave.spaces.sparse_space"}),
    ],
)
def test_a_start_imports_nothing_that_it_does_not_need(statement: str, unneeded: set[str]) -> None:
    assert modules_after(statement) & unneeded == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    "statement",
    [
        "from senseweave.stores import connect; connect",
        "from senseweave import stores; stores.Memory()",
        "from senseweave.retrieval.fusion import find_method; find_method('none')",
    ],
)
def test_what_the_package_brings_is_found_without_looking_through_other_packages(statement: str) -> None:
    code = (
        "import sys; read = []\n"
        "def note(event, values):\n"
        "    if event == 'open' and str(values[0]).endswith('entry_points.txt'): read.append(values[0])\n"
        f"sys.addaudithook(note)\n{statement}\nprint(len(read))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("framework", "ours"),
    [
        (
            "llama_index.core, llama_index.core.embeddings, llama_index.core.indices",
            "llama_index.embeddings.senseweave",
        ),
        ("haystack", "haystack_integrations.components.embedders.senseweave"),
        ("haystack", "haystack_integrations.components.converters.senseweave"),
    ],
)
def test_an_integration_loads_no_model_library_or_index_that_its_framework_does_not(framework: str, ours: str) -> None:
    before = modules_after(f"import {framework}")
    assert (modules_after(f"import {framework}, {ours}") - before) & (HEAVY | RETRIEVAL | OTHER_MODELS) == set()


def test_every_exported_name_exists() -> None:
    for name in senseweave.__all__:
        assert getattr(senseweave, name) is not None


INTEGRATED = ROOT / "integrations" / "langchain-senseweave" / "langchain_senseweave"
LAZY = [
    ".".join(path.relative_to(folder.parent).parent.parts)
    for folder in (SOURCE, INTEGRATED)
    for path in sorted(folder.rglob("__init__.py"))
    if "lazy_names(__name__" in path.read_text(encoding="utf-8")
]
"""Packages whose names are imported when they are first used."""


@pytest.mark.parametrize("package", LAZY)
def test_type_checkers_and_programs_get_a_late_name_from_the_same_module(package: str) -> None:
    module = importlib.import_module(package)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    checked = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    homes = {
        alias.name: node.module
        for block in checked
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    assert sorted({*homes, *vars(module)} & set(module.__all__)) == sorted(module.__all__) == dir(module)
    for name, home in homes.items():
        assert getattr(module, name) is getattr(importlib.import_module(home), name), name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Sapce'"):
        senseweave.Sapce  # noqa: B018


def rank(module: str) -> int:
    part = module.split(".")[1] if "." in module else ""
    return next((level for level, names in enumerate(TOGETHER) if part in names), -1)


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_imports_only_from_its_own_layer_or_a_lower_one(path: Path) -> None:
    relative = path.relative_to(SOURCE.parent).with_suffix("")
    own = rank(".".join(relative.parts))
    if own < 0:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name.startswith("senseweave."):
                assert rank(name) <= own, f"{path.name} imports {name}"


INTEGRATIONS = [
    path
    for path in sorted((ROOT / "integrations").rglob("*.py"))
    if not {"tests", "examples", "benchmarks", "pydoc"} & set(path.relative_to(ROOT).parts)
]


@pytest.mark.parametrize("path", INTEGRATIONS, ids=lambda path: str(path.relative_to(ROOT / "integrations")))
def test_an_integration_uses_only_what_the_core_states(path: Path) -> None:
    stated = {"senseweave", "senseweave.interop"} | ({"senseweave.testing"} if path.name == "testing.py" else set())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            ours = [alias.name for alias in node.names if alias.name.split(".")[0] == "senseweave"]
            assert set(ours) <= {"senseweave"}, ours
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "senseweave":
            assert node.module in stated, node.module
            home = importlib.import_module(node.module)
            assert {alias.name for alias in node.names} <= set(home.__all__), f"{path.name}: {node.module}"


def test_no_two_modules_need_each_other_to_be_imported() -> None:
    imports = {}
    for path in SOURCE.rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        names = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
        imports[".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)] = names
    list(TopologicalSorter(imports).static_order())  # raises CycleError, which names the circle


def test_no_init_file_stands_above_the_leaf_packages() -> None:
    shared = ("llama_index", "llama_index/embeddings", "llama_index/retrievers", "haystack_integrations")
    for manifest in (ROOT / "integrations").glob("*/pyproject.toml"):
        for init in manifest.parent.rglob("__init__.py"):
            folder = init.parent.relative_to(manifest.parent).as_posix().removeprefix("src/")
            assert folder not in shared
            assert not folder.startswith("haystack_integrations") or folder.endswith("senseweave"), init


def test_every_file_says_what_it_is_for_in_its_first_line() -> None:
    for path in SOURCE.rglob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path
