"""Folders that may only be read."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Final

from figures import Figures
from namespaces import can_mount, run_in_namespace
from processes import run
from records import checked, count_faults, held, notes, one_line, open_index

import senseweave as sw

RECORDS: Final = 1100
NOBODY: Final = 65534
SECONDS: Final = 120.0


def read_only_folders(place: Path, seed: int) -> Figures:
    """Read an index without permission to write, and one on a disk that is mounted read-only; try to change them."""
    del seed
    figures = Figures("read-only folder")
    folder, home = place / "index", place / "home"
    home.mkdir()
    for path in (place, home):
        path.chmod(0o777)
    if figures.take(run(lambda: _make(folder), SECONDS), "preparation") is None:
        return figures
    before = _files(folder)
    ways = {"no permission": lambda: _without_permission(folder, home)}
    if can_mount(home):
        ways["read-only disk"] = lambda: run_in_namespace("read_only", [folder, home], SECONDS)
    else:
        figures.notes.append("read-only disk skipped: nothing can be mounted here")
    for name, use in ways.items():
        count_faults(figures, figures.take(run(use, SECONDS + 30), name) or {}, name)
        figures.tries += 1
        figures.count("wrong", f"{name}: files of the folder changed", int(_files(folder) != before))
    return figures


def main(folder: str, home: str) -> None:
    """Mount a folder read-only over itself, use it, and print the faults as JSON."""
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
    print(json.dumps(use_read_only(Path(folder), Path(home))))


def use_read_only(folder: Path, home: Path) -> dict[str, list[str]]:
    """Read an index that may not be written to, try to change it, and return what is wrong."""
    os.environ["HOME"] = os.environ["XDG_CACHE_HOME"] = str(home)
    with open_index(folder) as index:
        state = held(index)
        faults = checked(index, state, state)
        faults["lost"] += ["records"] * (RECORDS - len(index))
        for change in (lambda: index.add(notes(1, RECORDS)), lambda: index.delete(sources="s1"), index.repair):
            try:
                change()
            except Exception as error:
                faults["wrong"] += [] if one_line(error) and "read-only" in str(error) else [repr(error)]
            else:
                faults["wrong"].append("changed without an error")
    faults["wrong"] += [f"left behind: {path}" for path in home.rglob("read-only-*")]
    return faults


def _make(folder: Path) -> int:
    with open_index(folder) as index:
        return index.add(notes(RECORDS)).added


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def _without_permission(folder: Path, home: Path) -> dict[str, list[str]]:
    """Use a folder without write permission; root, which has it everywhere, becomes another user first."""
    with sw.Index(folder.parent / "other", spaces=[]) as index:
        index.verify()  # imports what the other user may not be able to read
    if os.geteuid():
        for path in [*folder.rglob("*"), folder]:
            path.chmod(0o555)
    else:
        for parent in (folder, *folder.parents):
            if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o005:
                parent.chmod(0o755)
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    return use_read_only(folder, home)
