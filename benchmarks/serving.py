"""Load on a server: many clients with words and pictures, one writer, and how long each waits.

    python benchmarks/serving.py                          # the sample corpus, 64 clients, 30 seconds
    python benchmarks/serving.py --index my-index --clients 16 --seconds 60

It starts `senseweave serve` in a process of its own on a free port, so that its memory is the server's alone. Clients
wait for each answer before they ask again. The writer adds texts and deletes them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

import senseweave as sw
from senseweave.demo.corpus import corpus_folder, questions

PICTURES = 0.2
"""Share of the searches that are by a picture."""
START_SECONDS = 300.0
KINDS = ("words", "picture", "write")


@dataclass
class Load:
    """What a run has seen.

    Attributes:
        seconds: Of each answer, by kind of request.
        failed: Statuses and errors of requests that were not answered.
        memory: The server's resident memory in MB, over time.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    failed: list[str] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def main() -> None:
    """Run the load that the command line asks for, and print a table; the exit code is 1 if a request failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, help="folder of an index; the sample corpus by default")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = asked.index or make_index(Path(folder))
        with serving(place) as (url, pid):
            load = asyncio.run(run(url, pid, asked.clients, asked.seconds, asked.seed))
    print(table(load, asked.clients, asked.seconds))
    if load.failed:
        sys.exit(1)


def make_index(folder: Path) -> Path:
    """Index the sample corpus, and return the folder of the index."""
    with sw.Index(folder / "index") as index:
        index.add(corpus_folder(), on_error="skip")
    return folder / "index"


@contextlib.contextmanager
def serving(place: Path) -> Iterator[tuple[str, int]]:
    """Serve an index until the block ends, and give the server's URL and process once its models are loaded."""
    command = [sys.executable, "-c", "from senseweave.cli import main; main()", "serve", str(place), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = next(word.rstrip(";") for word in server.stdout.readline().split() if word.startswith("http://"))
        deadline = time.monotonic() + START_SECONDS
        while httpx.get(f"{url}/readyz", trust_env=False).status_code != 200:
            if time.monotonic() > deadline:
                msg = f"the server is not ready after {START_SECONDS:g} seconds"
                raise TimeoutError(msg)
            time.sleep(0.2)
        yield url, server.pid
    finally:
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        code = server.wait(60)
        print(f"shutdown: exit code {code} after {time.monotonic() - began:.1f} s")


async def run(url: str, pid: int, clients: int, seconds: float, seed: int) -> Load:
    """Let clients and a writer ask for some seconds."""
    load = Load()
    end = time.monotonic() + seconds
    words = [question.question for question in questions(corpus_folder())]
    pictures = [path.read_bytes() for path in sorted((corpus_folder() / "images").glob("*.jpg"))]
    limits = httpx.Limits(max_connections=clients + 2)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits, trust_env=False) as http:

        async def timed(kind: str, method: str, path: str, **content: object) -> None:
            began = time.perf_counter()
            try:
                answer = await http.request(method, path, **content)  # type: ignore[arg-type]
            except httpx.HTTPError as error:
                load.failed.append(type(error).__name__)
                return
            if answer.status_code == 200:
                load.seconds[kind].append(time.perf_counter() - began)
            else:
                load.failed.append(f"{kind}: {answer.status_code}")

        async def client(number: int) -> None:
            choice = random.Random(seed * 1000 + number)
            while time.monotonic() < end:
                if choice.random() < PICTURES:
                    files = [("files", ("query.jpg", choice.choice(pictures)))]
                    await timed("picture", "POST", "/api/search/upload", files=files)
                else:
                    # A number makes each question another, which no cache of vectors knows.
                    query = f"{choice.choice(words)} {choice.randrange(10**6)}"
                    await timed("words", "POST", "/api/search", json={"query": query})

        async def writer() -> None:
            for number in itertools.count():
                if time.monotonic() >= end:
                    return
                text = {"text": f"a note about matter {number}", "source": f"note {number}"}
                await timed("write", "POST", "/api/texts", json={"texts": [text]})
                if number:
                    await timed("write", "DELETE", "/api/sources", params={"source": f"note {number - 1}"})

        async def watch() -> None:
            while time.monotonic() < end:
                load.memory.append(resident(pid))
                await asyncio.sleep(1)

        await asyncio.gather(writer(), watch(), *(client(number) for number in range(clients)))
    return load


def resident(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def table(load: Load, clients: int, seconds: float) -> str:
    """Return what a run has seen as a table."""
    lines = [
        "| request | answers | a second | p50 ms | p95 ms | p99 ms | longest ms |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for kind, times in load.seconds.items():
        if times:
            spread = [f"{value * 1000:.0f}" for value in (*np.percentile(times, [50, 95, 99]), max(times))]
            lines.append(f"| {kind} | {len(times)} | {len(times) / seconds:.1f} | {' | '.join(spread)} |")
    quarter = max(len(load.memory) // 4, 1)
    early = load.memory[quarter : 2 * quarter] or load.memory
    first, last = np.median(early), np.median(load.memory[-quarter:])
    lines.append("")
    lines.append(f"{clients} clients, 1 writer, {seconds:g} s; {len(load.failed)} failed {sorted(set(load.failed))}")
    lines.append(f"memory of the server: {first:.0f} MB in the second quarter, {last:.0f} MB in the last")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
