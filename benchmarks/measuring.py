"""What the benchmarks share: alternating rounds, thread settings, the load of other processes, rows of one table.

A script gives `compare` one function for each side, senseweave's first. In every round each side is called once, in
shuffled order, so that all of them meet the same load; ratios are taken within a round, and the median and the range of
these ratios are reported. A round in which other processes used more than `FOREIGN_CORES` is repeated, up to a bound.

    parser = measuring.arguments(__doc__)
    options = parser.parse_args()
    measuring.set_threads(options.threads)
    row = measuring.compare("short texts in bulk", {"senseweave": ours, "sentence-transformers": theirs}, options,
                            unit="texts/s", items=len(texts), gate="greatest difference 3e-7")
    measuring.report(row, options)

With `--json`, `report` prints one line of JSON, which `python benchmarks` collects into its table.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOREIGN_CORES = 0.12
"""A round is disturbed if other processes use more than this many cores while it runs."""
MOST_REPEATS = 2
"""Disturbed rounds are repeated until this many times the rounds were run."""
SETTLE_SECONDS = 0.02
"""Waited before each side, so that threads of the side before it, which spin for work, have gone to sleep."""
QUICK_ROUNDS = 3
OURS = "senseweave"


@dataclass(frozen=True)
class Row:
    """One line of the table: a kind of work, its figure on each side, and how many times as good senseweave is."""

    work: str
    unit: str
    threads: int
    figures: dict[str, float]
    """Median of each side, in `unit`."""
    ratios: dict[str, tuple[float, float, float]]
    """Median, least and greatest ratio of each peer within a round; above 1, senseweave is better."""
    rounds: int = 1
    foreign_cores: float = 0.0
    """Greatest load of other processes in a round that counts."""
    disturbed: int = 0
    """Rounds that count although other processes used more than `FOREIGN_CORES`."""
    gate: str = ""
    """What was found equal before anything was timed."""
    notes: list[str] = field(default_factory=list)
    """What a reader must know, for example why a peer is missing."""


def arguments(description: str | None, *, rounds: int = 7) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has: rounds, threads, quick and json."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="for arithmetic; all cores by default")
    parser.add_argument("--quick", action="store_true", help=f"at most {QUICK_ROUNDS} rounds, and less work in each")
    parser.add_argument("--json", action="store_true", help="print rows as JSON, one a line, for the table")
    return parser


def set_threads(threads: int) -> None:
    """Set the number of threads of libraries that are imported later, and of torch if it was imported.

    Call it before a model library is imported: OpenMP reads its variable once.
    """
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def compare(
    work: str,
    sides: Mapping[str, Callable[[], object]],
    options: argparse.Namespace,
    *,
    unit: str,
    items: int = 1,
    returns_figure: bool = False,
    gate: str = "",
    notes: Sequence[str] = (),
) -> Row:
    """Call every side once a round, in shuffled order, and return the row.

    Args:
        work: What is done, as the table calls it.
        sides: Name and function of each side; `senseweave` must be among them. Call each once before: nothing is
            warmed up here.
        options: Parsed arguments, with `rounds`, `quick` and `threads`.
        unit: `ms` or `s` for the time of a call, `MB`, or `.../s` for items in a second.
        items: Of a call; for a time, what a call takes is divided by it.
        returns_figure: Whether a function returns its figure, in `unit`, rather than being timed.
        gate: What was found equal before.
        notes: For the reader of the table.

    Raises:
        ValueError: If no side is called `senseweave`.
    """
    if OURS not in sides:
        raise ValueError(f"sides are {', '.join(sides)}; one of them must be called {OURS!r}")
    rounds, loads = take_rounds(sides, options, unit=unit, items=items, returns_figure=returns_figure)
    return summarize(work, unit, rounds, options.threads, gate, notes, loads)


def take_rounds(
    sides: Mapping[str, Callable[[], object]],
    options: argparse.Namespace,
    *,
    unit: str,
    items: int = 1,
    returns_figure: bool = False,
) -> tuple[list[dict[str, float]], list[float]]:
    """Call every side once a round, in shuffled order, and return the figures and the foreign load of the rounds.

    Of the rounds, the least disturbed ones count; see `compare` for the arguments.
    """
    wanted = min(options.rounds, QUICK_ROUNDS) if options.quick else options.rounds
    rounds: list[tuple[float, dict[str, float]]] = []
    chance = random.Random(0)
    quiet = 0
    while quiet < wanted and len(rounds) < MOST_REPEATS * wanted:
        load = ForeignLoad()
        figures = {}
        for name in chance.sample(list(sides), len(sides)):
            gc.collect()
            time.sleep(SETTLE_SECONDS)
            began = time.perf_counter()
            returned = sides[name]()
            seconds = time.perf_counter() - began
            figures[name] = float(returned) if returns_figure else convert(seconds, unit, items)  # type: ignore[arg-type]
        rounds.append((load.cores(), figures))
        quiet += rounds[-1][0] <= FOREIGN_CORES
    counted = sorted(rounds, key=lambda round_: round_[0])[:wanted]
    return [figures for _, figures in counted], [cores for cores, _ in counted]


def convert(seconds: float, unit: str, items: int) -> float:
    """Return the figure of a call that took `seconds` for `items`, in a unit."""
    if unit.endswith("/s"):
        return items / seconds
    return seconds / items * {"s": 1.0, "ms": 1000.0}[unit]


def summarize(
    work: str,
    unit: str,
    rounds: Sequence[Mapping[str, float]],
    threads: int,
    gate: str = "",
    notes: Sequence[str] = (),
    loads: Sequence[float] = (),
) -> Row:
    """Return the row of figures that were taken round by round."""
    peers = [name for name in rounds[0] if name != OURS]
    ratios = {}
    for peer in sorted(peers):
        within = [taken[OURS] / taken[peer] if unit.endswith("/s") else taken[peer] / taken[OURS] for taken in rounds]
        ratios[peer] = (statistics.median(within), min(within), max(within))
    return Row(
        work=work,
        unit=unit,
        threads=threads,
        figures={name: statistics.median(taken[name] for taken in rounds) for name in (OURS, *sorted(peers))},
        ratios=ratios,
        rounds=len(rounds),
        foreign_cores=max(loads, default=0.0),
        disturbed=sum(load > FOREIGN_CORES for load in loads),
        gate=gate,
        notes=list(notes),
    )


def report(row: Row, options: argparse.Namespace) -> None:
    """Print a row: as JSON with `--json`, else as lines that a person reads."""
    if options.json:
        print(json.dumps(asdict(row)), flush=True)
        return
    print(f"{row.work}, threads: {row.threads}, rounds: {row.rounds}" + (f", {row.gate}" if row.gate else ""))
    for name, figure in row.figures.items():
        ratio = "" if name == OURS else "  {:.2f} times [{:.2f} to {:.2f}]".format(*row.ratios[name])
        print(f"  {name:24} {figure:10.3f} {row.unit}{ratio}")
    if row.disturbed:
        print(f"  other processes used up to {row.foreign_cores:.2f} cores in {row.disturbed} of the rounds")
    for note in row.notes:
        print(f"  {note}")
    print(flush=True)


def read_row(line: str) -> Row | None:
    """Return the row of a line that `report` printed as JSON, or None if it is another line."""
    if not line.startswith('{"work"'):
        return None
    fields = json.loads(line)
    fields["ratios"] = {peer: tuple(ratio) for peer, ratio in fields["ratios"].items()}
    return Row(**fields)


class ForeignLoad:
    """How many cores other processes used since this was created, by Linux's counters; 0 where there are none."""

    def __init__(self) -> None:
        """Read the counters."""
        self._began = time.perf_counter()
        self._all, self._own = busy_ticks(), own_ticks()

    def cores(self) -> float:
        """Return the mean number of cores."""
        seconds = time.perf_counter() - self._began
        ticks = (busy_ticks() - self._all) - (own_ticks() - self._own)
        return max(0, ticks - COUNTING_ERROR) / TICKS_PER_SECOND / seconds


TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
COUNTING_ERROR = 2
"""Ticks by which the difference of two counters may be off: a tick is counted where it ends."""


def busy_ticks() -> int:
    """Return the time that all cores were busy since the machine started, in ticks."""
    try:
        user, nice, system, _idle, _waiting, *others = map(
            int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9]
        )
    except OSError:
        return 0
    return user + nice + system + sum(others)


def own_ticks() -> int:
    """Return the processor time of this process, of its descendants, and of children that ended, in ticks."""
    stats: dict[int, tuple[int, int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile; its parent has its time
            continue
        stats[int(path.parent.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    children: dict[int, list[int]] = {}
    for process, (parent, _) in stats.items():
        children.setdefault(parent, []).append(process)
    total, waiting = 0, [os.getpid()]
    while waiting:
        process = waiting.pop()
        total += stats.get(process, (0, 0))[1]
        waiting += children.get(process, [])
    return total


def peak_megabytes() -> float:
    """Return the greatest resident memory of this process so far, in MB.

    Linux's `ru_maxrss` begins with what the process had before it became this program: its parent's memory.
    """
    import resource

    status = Path("/proc/self/status")
    if status.exists():
        return float(status.read_text().partition("VmHWM:")[2].split()[0]) / 1e3
    greatest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return greatest / (1e6 if sys.platform == "darwin" else 1e3)
