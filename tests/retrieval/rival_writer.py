"""Clients that add and delete in one index at once. Run as a program it works for some of them in threads."""

import json
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import chromadb

import senseweave as sw

CONTENTS = [f"word{n} tree{n % 7}" for n in range(24)]
"""Texts that all clients add, each from sources of its own."""
SHARED = "everybody"
"""A source that all clients add with equal content, and nobody deletes."""
STEPS = 24


def plan(client):
    """Return what a client does in order: pairs of `add` or `delete` and a list of (source, text)."""
    choose = random.Random(client)
    steps, held = [("add", [(SHARED, text) for text in CONTENTS[:3]])], {}
    for _ in range(STEPS):
        if held and choose.random() < 0.4:
            sources = choose.sample(sorted(held), min(len(held), choose.randint(1, 3)))
            for source in sources:
                del held[source]
            steps.append(("delete", [(source, "") for source in sources]))
        else:
            added = [
                (f"c{client}-{choose.randrange(12)}", choose.choice(CONTENTS)) for _ in range(choose.randint(1, 4))
            ]
            for source, text in added:
                held.setdefault(source, set()).add(text)
            steps.append(("add", added))
    return steps


def remaining(clients):
    """Return the (source, text) pairs that are in the index after all plans, in whatever order clients took turns."""
    pairs = {(SHARED, text) for text in CONTENTS[:3]}
    for client in clients:
        held = set()
        for kind, items in plan(client):
            sources = {source for source, _ in items}
            held = held | set(items) if kind == "add" else {pair for pair in held if pair[0] not in sources}
        pairs |= held
    return pairs


def work(index, client):
    """Carry out the plan of a client."""
    for kind, items in plan(client):
        if kind == "add":
            report = index.add([sw.Text(text, source=source) for source, text in items])
            assert not report.failed, report
        else:
            index.delete(sources=[source for source, _ in items])


def main(place, *clients):
    """Work for some clients at once: each with an index of its own on a server, sharing one on a folder."""
    sys.path.insert(0, str(Path(__file__).parent))
    from tiny_space import make_space

    is_server = place.isdigit() or "://" in place

    def open_index():
        if place.startswith("postgresql://"):
            server = sw.stores.PgVector(place)
        else:
            server = chromadb.HttpClient(host="127.0.0.1", port=int(place)) if place.isdigit() else place
        return sw.Index(server, spaces=[make_space(modalities=("text",))])

    shared = None if is_server else open_index()
    with ThreadPoolExecutor(len(clients)) as threads:
        list(threads.map(lambda client: work(shared or open_index(), int(client)), clients))
    print(json.dumps("done"), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
