"""Several writers at once: eight clients of a server, and two processes on one folder."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import rival_writer
from chroma_server import ChromaServer
from figures import Figures
from processes import run
from records import ROOT, checked, count_faults, make_space, open_index, write_files

import senseweave as sw

PROGRAMS = ROOT / "tests" / "retrieval"
SECONDS = 240.0
"""What a process of writers may take, on a machine that does other things too."""


def eight_clients_of_a_server(place: Path, seed: int) -> Figures:
    """Add and delete by eight clients of a Chroma server at once, in four processes; twice, with other plans."""
    figures = Figures("8 clients of a server")
    for turn in (0, 1):
        clients = [1000 * seed + 8 * turn + client for client in range(8)]
        server = ChromaServer(place / f"server{turn}")
        try:
            _run(figures, [["rival_writer.py", server.port, *clients[at : at + 2]] for at in range(0, 8, 2)])
            faults = run(lambda clients=clients, port=server.port: _compare(port, clients), SECONDS)
            count_faults(figures, figures.take(faults, "comparison") or {}, f"clients {clients[0]} to {clients[-1]}")
        finally:
            server.kill()
        figures.tries += sum(len(rival_writer.plan(client)) for client in clients)
    figures.notes.append("additions and deletions mixed")
    return figures


def two_processes_on_a_folder(place: Path, seed: int) -> Figures:
    """Add and delete by two processes in one folder, then add files by two processes and read meanwhile."""
    figures = Figures("2 processes, 1 folder")
    clients = [1000 * seed + 100 + client for client in range(4)]
    folder = place / "rivals"
    _run(figures, [["rival_writer.py", folder, *clients[:2]], ["rival_writer.py", folder, *clients[2:]]])
    faults = run(lambda: _compare(folder, clients), SECONDS)
    count_faults(figures, figures.take(faults, "comparison") or {}, "additions and deletions")
    files = write_files(place / "files", range(1200))
    folder = place / "added"
    _run(figures, [["tiny_space.py", folder, *files[at::2]] for at in (0, 1)])
    count_faults(figures, figures.take(run(lambda: _has_all(folder, files), SECONDS), "comparison") or {}, "files")
    figures.tries = sum(len(rival_writer.plan(client)) for client in clients) + len(files)
    return figures


def _run(figures: Figures, commands: list[list[object]]) -> None:
    """Run programs of the tests at once, and count those that hang or crash."""
    started = []
    for program, *arguments in commands:
        command = [sys.executable, str(PROGRAMS / str(program)), *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
    for process in started:
        try:
            _, errors = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            figures.count("hangs", f"{process.args}")
            continue
        if process.returncode:
            figures.count("crashes", f"exit code {process.returncode}: {errors[-1500:]}")


def _compare(where: int | Path, clients: list[int]) -> dict[str, list[str]]:
    import chromadb

    place = chromadb.HttpClient(host="127.0.0.1", port=where) if isinstance(where, int) else where
    expected = Counter(("text", *pair) for pair in rival_writer.remaining(clients))
    with sw.Index(place, spaces=[make_space(modalities=("text",))]) as index:
        return checked(index, expected, expected)


def _has_all(folder: Path, files: list[Path]) -> dict[str, list[str]]:
    with open_index(folder, ("text", "image", "audio")) as index:
        faults = checked(index, Counter(), Counter())
        report = index.add(files)
        counted = Counter(source for source in faults.pop("doubled"))
        faults["doubled"] = [source for source, number in counted.items() if number > 1]
        there = index.sources()
        faults["lost"] = [str(source) for source in files if str(source) not in there]
        faults["wrong"] += [str(report)] if report.added or report.failed else []
        faults["doubled"] += ["more records than files"] * (len(index) != len(files))
        return faults
