"""Every row of the table of speed, in one run: `python benchmarks`, or `make bench`.

    python benchmarks [--quick] [--only WORD ...] [--threads 1 2] [--results FOLDER]

Each script runs in a process of its own, once with one thread for arithmetic and once with all, with byte code kept.
Rows are printed as one table and written to `benchmarks/results/` as JSON and Markdown, named by the processor. A row
below 1.0 is marked; so is a row whose rounds other processes disturbed, and a script that failed. A full run takes
some hours on two quiet cores, `--quick` about half an hour.

What is not a comparison of speed has a script of its own, which `docs/` quotes: quality by `mixed_retrieval`,
`default_scene`, `words.py`, `rerank.py`, `quantized.py`, `speech_words.py`, `whisper_padding.py`, `duplicates.py` and
`fast_decode.py`; what calls keep waiting by `event_loop.py`, `haystack_event_loop.py`, `chroma_writes.py` and
`serving.py`; stores by `stores.py`; media by `media_decode.py`, `media_memory.py` and `image_memory.py`; a graphics
card by `gpu.py`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from measuring import OURS, Row, read_row

HERE = Path(__file__).parent
SECONDS = 1200
"""A script that takes longer has failed."""
ABSENT = {
    "fastembed": "fastembed is left out: it is not installed, as `make bench` does in a folder of its own",
}
PACKAGES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "fastembed",
    "onnxruntime",
    "openvino",
    "faster-whisper",
    "chromadb",
)


@dataclass(frozen=True)
class Script:
    """A script that prints rows."""

    name: str
    arguments: Sequence[str] = ()
    once: bool = False
    """Whether the number of threads does not matter; all are used then."""


SCRIPTS = (
    Script("text_throughput.py"),
    Script("query_latency.py"),
    Script("backends.py"),
    Script("cold_start.py", once=True),
    Script("memory.py", once=True),
    Script("memory_growth.py", once=True),
    Script("concurrent_search.py"),
    Script("images.py"),
    Script("image_backends.py"),
    Script("speech.py"),
    Script("audio_encoders.py"),
    Script("search_latency.py", ("--sizes", "10000"), once=True),
    Script("wrappers.py"),
)


@dataclass
class Results:
    """What a run found, and where."""

    processor: str
    cores: int
    python: str
    packages: dict[str, str]
    quick: bool
    date: str
    rows: list[Row] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    """Last line that each script that failed wrote."""


def main() -> None:
    """Run the scripts, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, less work")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="scripts whose names hold one of these")
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, os.cpu_count() or 1}))
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--scripts", type=Path, default=HERE, help="folder of the scripts")
    options = parser.parse_args()
    scripts = [script for script in SCRIPTS if (options.scripts / script.name).exists()]
    if options.scripts != HERE:
        scripts = [Script(path.name) for path in sorted(options.scripts.glob("*.py"))]
    wanted = [script for script in scripts if not options.only or any(word in script.name for word in options.only)]
    results = run(options.scripts, wanted, options.threads, quick=options.quick)
    print("\n" + table(results))
    if not options.only:
        write(results, options.results)
    if results.failures:
        sys.exit(f"failed: {', '.join(results.failures)}")


def run(folder: Path, scripts: Sequence[Script], threads: Sequence[int], *, quick: bool) -> Results:
    """Run the scripts one after another, each with each number of threads."""
    results = Results(
        processor=processor(),
        cores=os.cpu_count() or 1,
        python=platform.python_version(),
        packages={name: found for name in PACKAGES if (found := installed(name))},
        quick=quick,
        date=time.strftime("%Y-%m-%d"),
    )
    for script in scripts:
        for count in threads[-1:] if script.once else threads:
            print(f"{script.name}, threads: {count}", file=sys.stderr, flush=True)
            command = [sys.executable, str(folder / script.name), "--json", "--threads", str(count), *script.arguments]
            rows, problem = rows_of(command + ["--quick"] * quick, count)
            results.rows += rows
            if problem:
                results.failures[f"{script.name} with {count} threads"] = problem
    return results


def rows_of(command: Sequence[str], threads: int) -> tuple[list[Row], str]:
    """Run a script, and return its rows and, if it failed, its last line."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [environment.get("PYTHONPATH")])])
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return [], f"took longer than {SECONDS} seconds"
    rows = [row for line in done.stdout.splitlines() if (row := read_row(line)) is not None]
    if done.returncode == 0 and rows:
        return rows, ""
    return rows, ((done.stderr or done.stdout).strip().splitlines() or ["printed no row"])[-1]


def table(results: Results) -> str:
    """Return the results as Markdown."""
    lines = [
        f"{results.processor}, {results.cores} cores; Python {results.python}, byte code on; "
        + ", ".join(f"{name} {found}" for name, found in results.packages.items())
        + (f"; {results.date}, quick" if results.quick else f"; {results.date}"),
        "",
        "Ratios are medians of rounds, with their range; above 1, senseweave is better.",
        "",
        "| work | threads | senseweave | peer | peer's figure | ratio | found equal before; remarks |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in results.rows:
        ours = f"{figure(row.figures[OURS])} {row.unit}"
        gate = [row.gate] if row.gate else []
        marks = [f"other processes used up to {row.foreign_cores:.2f} cores"] if row.disturbed else []
        for peer, (middle, least, most) in row.ratios.items():
            below = ["**below 1**"] if middle < 1 else []
            cells = [row.work, str(row.threads), ours, peer, figure(row.figures[peer])]
            ratio = f"{middle:.2f} [{least:.2f} to {most:.2f}]"
            lines.append(f"| {' | '.join(cells)} | {ratio} | {'; '.join(gate + below + marks)} |")
        if not row.ratios:
            lines.append(f"| {row.work} | {row.threads} | {ours} | | | | {'; '.join(gate + marks)} |")
    notes = sorted({note for row in results.rows for note in row.notes})
    notes += [reason for package, reason in ABSENT.items() if not importlib.util.find_spec(package)]
    lines += ["", *(f"- {note}" for note in notes)]
    lines += [f"- **failed**: {script}: {problem}" for script, problem in results.failures.items()]
    return "\n".join(lines)


def figure(value: float) -> str:
    """Return a figure with three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def write(results: Results, folder: Path) -> None:
    """Write the results as JSON and as a table."""
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", f"{results.processor} {results.cores} cores".lower()).strip("-")
    (folder / f"{name}.json").write_text(json.dumps(asdict(results), indent=1) + "\n")
    (folder / f"{name}.md").write_text(f"# Measured by `make bench`\n\n{table(results)}\n")
    print(f"\nwritten to {folder.name}/{name}.json and .md")


def processor() -> str:
    """Return the model of the processor."""
    try:
        names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        names = []
    return names[0].strip() if names else platform.processor() or platform.machine()


def installed(package: str) -> str:
    """Return the version of a package, or nothing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    main()
