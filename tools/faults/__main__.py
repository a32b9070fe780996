"""The fault campaign: kill, damage, fill and crowd indexes, and count what is lost; ends with 1 if anything is.

Usage: make faults [ARGS="--soak 60"]
       python tools/faults [--only STEP ...] [--soak MINUTES] [--kills N] [--seed N] [--workers N]

Each step runs in a process of its own, with a time limit, and starts further ones that may die. With other seeds, other
moments and bytes are drawn.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT / "tests"), str(ROOT / "tests" / "retrieval")]

from figures import COUNTS, Figures  # noqa: E402

STEPS = {
    "kills": ("kills.kill_at_random_moments", 900),
    "costs": ("costs.costs", 900),
    "damage": ("damaged.damaged_files", 600),
    "disk": ("disks.full_disks", 600),
    "soak": ("soak.soak", 600),
    "values": ("values.hostile_values", 600),
    "server": ("rivals.eight_clients_of_a_server", 600),
    "processes": ("rivals.two_processes_on_a_folder", 600),
    "read-only": ("read_only.read_only_folders", 300),
}
"""By name: the function, and the seconds after which the step is killed; the longest first."""


def main() -> int:
    """Run the steps, print a table, and return the exit code."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), help="these steps alone")
    parser.add_argument("--soak", type=float, default=1.0, metavar="MINUTES", help="how long the 64 clients work")
    parser.add_argument("--kills", type=int, default=40, help="how often a process is killed")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn by chance")
    parser.add_argument("--workers", type=int, default=2, help="steps that run at a time")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        print(json.dumps(dataclasses.asdict(_carry_out(given))), flush=True)
        return 0
    began = time.monotonic()
    with ThreadPoolExecutor(given.workers) as threads:
        results = list(
            threads.map(lambda name: _in_process(name, given), [name for name in STEPS if name in given.only])
        )
    _print_table(results, given, time.monotonic() - began)
    return 0 if all(figures.ok for figures, _ in results) else 1


def _carry_out(given: argparse.Namespace) -> Figures:
    """Carry out one step in this process."""
    module, function = STEPS[given.step][0].split(".")
    options = {"kills": {"kills": given.kills}, "soak": {"minutes": given.soak}}.get(given.step, {})
    place = Path(tempfile.mkdtemp(prefix=f"senseweave-faults-{given.step}-"))
    try:
        figures: Figures = getattr(importlib.import_module(module), function)(place, given.seed, **options)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return figures


def _in_process(name: str, given: argparse.Namespace) -> tuple[Figures, float]:
    """Run a step in a process of its own, and return its figures and seconds."""
    limit = STEPS[name][1] + (60 * given.soak if name == "soak" else 0)
    command = [sys.executable, str(Path(__file__).parent), "--step", name, "--soak", str(given.soak)]
    command += ["--kills", str(given.kills), "--seed", str(given.seed)]
    began = time.monotonic()
    print(f"{name} ...", flush=True)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        output, errors = process.communicate(timeout=limit)
        figures = Figures(**json.loads(output.splitlines()[-1])) if process.returncode == 0 else Figures(name)
        if process.returncode:
            figures.count("crashes", f"exit code {process.returncode}: {errors[-2000:]}")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        figures = Figures(name)
        figures.count("hangs", f"the step took longer than {limit:.0f} seconds")
    seconds = time.monotonic() - began
    print(
        "\n".join([f"{name}: {'passed' if figures.ok else 'FAILED'} in {seconds:.0f} s", *figures.faults]), flush=True
    )
    return figures, seconds


def _print_table(results: list[tuple[Figures, float]], given: argparse.Namespace, seconds: float) -> None:
    """Print the figures, a line for each step, and what went wrong."""
    print(f"\n{'step':<22}{'tries':>8}" + "".join(f"{name:>9}" for name in COUNTS) + f"{'seconds':>9}  notes")
    for figures, took in results:
        numbers = "".join(f"{getattr(figures, name):>9}" for name in COUNTS)
        print(f"{figures.step:<22}{figures.tries:>8}{numbers}{took:>9.0f}  {'; '.join(figures.notes)}")
    totals = "".join(f"{sum(getattr(figures, name) for figures, _ in results):>9}" for name in COUNTS)
    print(f"{'all':<22}{sum(figures.tries for figures, _ in results):>8}{totals}{seconds:>9.0f}  seed {given.seed}")
    for figures, _ in results:
        for fault in figures.faults:
            print(fault)


if __name__ == "__main__":
    sys.exit(main())
