"""What a package that is one leaf of LlamaIndex's namespace owes it; the tests of both packages ask it here."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

HEAVY = ("torch", "transformers", "sentence_transformers", "open_clip", "av", "soundfile", "chromadb", "faster_whisper")
FRAMEWORK = "import llama_index.core, llama_index.core.embeddings, llama_index.core.ingestion"


def list_heavy_modules(code: str) -> list[str]:
    """Return the heavy libraries that some code loads and the framework alone does not."""
    added = _modules_after(code) - _modules_after(FRAMEWORK)
    return [name for name in HEAVY if name in added]


def import_beside_others(namespace: str) -> None:
    """Import the leaf and other packages of the namespaces above it, which must be no packages themselves."""
    code = (
        f"import {namespace}.senseweave, llama_index.vector_stores.chroma\n"
        "import importlib.util as u\n"
        "assert u.find_spec('llama_index.embeddings.huggingface') is not None\n"
        f"import llama_index, {namespace}\n"
        f"assert llama_index.__file__ is None and {namespace}.__file__ is None"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def build_wheel(package: Path, folder: Path) -> list[str]:
    """Build a package's wheel into a folder and return what it holds beside its metadata."""
    build = "from hatchling.build import build_wheel; print(build_wheel(__import__('sys').argv[1]))"
    ran = subprocess.run(
        [sys.executable, "-c", build, str(folder)], cwd=package, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(folder / ran.stdout.splitlines()[-1]) as wheel:
        return [name for name in wheel.namelist() if ".dist-info/" not in name]


def _modules_after(code: str) -> set[str]:
    report = "import json, sys; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(json.loads(ran.stdout.splitlines()[-1]))
