"""Disks that are full."""

from __future__ import annotations

import json
import random
import resource
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from figures import Figures
from namespaces import can_mount, run_in_namespace
from processes import run
from records import State, checked, count_faults, held, notes, one_line, open_index

import senseweave as sw

SIZES: Final = (300, 600, 900, 1400, 1900, 2300)
"""Kilobytes of the disks: from too small for an empty index to nearly enough for all of it."""
RECORDS: Final = 1300
SECONDS: Final = 180.0


def full_disks(place: Path, seed: int) -> Figures:
    """Fill small disks, make room and finish; where no disk can be mounted, limit the size of files instead."""
    figures = Figures("full disk")
    mounts = can_mount(place)
    chance = random.Random(seed)
    sizes = [*SIZES, *(chance.randrange(600, 2400) for _ in range(2))]
    figures.notes.append("tmpfs, and a limit of the size of files" if mounts else "limit of the size of files alone")
    repaired = 0
    for size, mounted in [*((size, True) for size in sizes if mounts), *((size, False) for size in sizes)]:
        here = place / f"disk{size}"
        here.mkdir()
        if mounted:
            outcome = run(lambda here=here, size=size: run_in_namespace("disks", [here, size], SECONDS), SECONDS + 30)
        else:
            outcome = run(lambda here=here, size=size: fill_limited(here, size), SECONDS)
        faults = figures.take(outcome, f"{size} KB") or {}
        repaired += len(faults.pop("repaired", []))
        count_faults(figures, faults, f"{size} KB")
        figures.tries += 1
        shutil.rmtree(here)
    figures.notes.append(f"{repaired} repaired first, as their error said")
    return figures


def main(here: str, size: str) -> None:
    """Mount a disk of some kilobytes at a folder, fill it, make it larger, and finish; print the faults as JSON."""

    def mount(*options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", here], check=True)

    mount("-o", f"size={size}k")
    print(json.dumps(fill(Path(here), lambda: mount("-o", "remount,size=64m"))))


def fill_limited(here: Path, size: int) -> dict[str, list[str]]:
    """Limit the size of files, fill one, lift the limit, and finish."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size * 700, most))
    return fill(here, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))


def fill(here: Path, make_room: Callable[[], None]) -> dict[str, list[str]]:
    """Add until the disk is full, look at what is there, make room, and finish; return what is wrong."""
    faults: dict[str, list[str]] = {"lost": [], "doubled": [], "wrong": [], "repaired": []}
    everything = notes(RECORDS)
    finished: State = Counter()
    raised = 0
    try:
        with open_index(here / "index") as index:
            for at in range(0, RECORDS, 100):
                index.add(everything[at : at + 100])
                finished.update(_states(everything[at : at + 100]))
    except Exception as error:
        raised += 1
        faults["wrong"] += [] if one_line(error) else [repr(error)]
    faults["wrong"] += [] if raised else ["the disk was never full"]
    for use in (lambda index: held(index), lambda index: index.search("record number3"), lambda index: len(index)):
        try:
            with sw.Index.open(here / "index", spaces=[]) as index:
                use(index)
        except Exception as error:
            faults["wrong"] += [] if one_line(error) else [repr(error)]
    make_room()
    full = Counter(_states(everything))
    try:
        open_index(here / "index").close()
    except sw.SenseweaveError as error:  # Chroma was writing its files when there was no more room
        faults["repaired" if one_line(error) and "senseweave repair" in str(error) else "wrong"].append(str(error))
        with open_index(here / "index", check=False) as index:
            index.repair()
    with open_index(here / "index") as index:
        now = held(index)
        faults["lost"] += [str(record) for record in finished if not now[record]]
        assert not index.add(everything).failed
        for kind, found in checked(index, full, full).items():
            faults[kind] += found
    return faults


def _states(texts: list[sw.Text]) -> list[tuple[str, str, str]]:
    return [("text", text.source, text.decode()) for text in texts]
