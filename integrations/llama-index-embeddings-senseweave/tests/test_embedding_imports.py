"""What importing the package costs, and that it lives beside other packages of the namespace."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]
HEAVY = ("torch", "transformers", "sentence_transformers", "open_clip", "av", "soundfile", "chromadb", "faster_whisper")


def modules_after(code: str) -> set[str]:
    report = "import json, sys; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(json.loads(ran.stdout.splitlines()[-1]))


def test_importing_the_package_adds_no_heavy_library_to_what_the_framework_loads() -> None:
    framework = modules_after("import llama_index.core, llama_index.core.embeddings, llama_index.core.ingestion")
    package = modules_after("from llama_index.embeddings.senseweave import SenseweaveEmbedding; SenseweaveEmbedding()")
    assert [name for name in HEAVY if name in package - framework] == []


@pytest.mark.integration
def test_other_packages_of_the_namespace_still_import() -> None:
    code = (
        "import llama_index.embeddings.senseweave, llama_index.vector_stores.chroma\n"
        "import importlib.util as u\n"
        "assert u.find_spec('llama_index.embeddings.huggingface') is not None\n"
        "import llama_index, llama_index.embeddings\n"
        "assert llama_index.__file__ is None and llama_index.embeddings.__file__ is None"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_wheel_holds_nothing_above_the_leaf(tmp_path: Path) -> None:
    build = "from hatchling.build import build_wheel; print(build_wheel(__import__('sys').argv[1]))"
    ran = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=PACKAGE, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(tmp_path / ran.stdout.splitlines()[-1]) as wheel:
        names = [name for name in wheel.namelist() if ".dist-info/" not in name]
    leaf = "llama_index/embeddings/senseweave/"
    assert f"{leaf}__init__.py" in names
    assert f"{leaf}py.typed" in names
    assert all(name.startswith(leaf) for name in names)
