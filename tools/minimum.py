"""Install each distribution with the lowest versions that it declares, and check that it works with them.

Usage: python tools/minimum.py [NAME ...]

Makes one environment a distribution in `.venv-minimum/`, with uv's `--resolution lowest-direct`, and runs
`tools/smoke.py` in it. Several distributions in one environment would hide floors: each raises those of the others.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".venv-minimum"
NEEDED = {
    "senseweave": ["senseweave[all,eval]"],
    "langchain-senseweave": ["senseweave[starter]", "langchain-senseweave[chroma]"],
    "llama-index-embeddings-senseweave": ["senseweave[starter]", "llama-index-embeddings-senseweave[chroma]"],
    "llama-index-retrievers-senseweave": [
        "senseweave[starter]",
        "llama-index-embeddings-senseweave",
        "llama-index-retrievers-senseweave[chroma]",
    ],
    "senseweave-haystack": ["senseweave[starter]", "senseweave-haystack[chroma]"],
}
"""What each distribution's environment holds of this repository; uv takes the lowest of what these name directly."""


def install(name: str) -> Path:
    """Make the environment of one distribution and return its Python."""
    place = ENVIRONMENTS / name
    python = place / "bin" / "python"
    editable: list[str] = []
    for needed in NEEDED[name]:
        distribution, bracket, extras = needed.partition("[")
        folder = "." if distribution == "senseweave" else f"./integrations/{distribution}"
        editable += ["--editable", folder + bracket + extras]
    run("uv", "venv", "--quiet", "--clear", "--python", "3.11", str(place))
    run("uv", "pip", "install", "--quiet", "--python", str(python), "--resolution", "lowest-direct", *editable)
    return python


def run(*command: str) -> None:
    """Run a command from the repository's root; one that fails ends this program with its exit code."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def main() -> None:
    """Check the named distributions, or all."""
    for name in sys.argv[1:] or NEEDED:
        print(f"== {name}", flush=True)
        run(str(install(name)), "tools/smoke.py", name)


if __name__ == "__main__":
    main()
