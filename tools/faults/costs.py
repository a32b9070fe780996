"""What adding costs does not grow with the index: counted in calls, rows read and files opened."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
from counting import CountingStore, opened_files
from figures import Figures
from processes import run
from records import make_space, open_index

import senseweave as sw
from senseweave.retrieval.records.identity import record_id
from senseweave.retrieval.records.schema import Provenance, Record, write_metadata
from senseweave.retrieval.stores.chroma import ChromaStore

SMALL, LARGE = 1000, 100_000
FILES: Final = 20_000
SECONDS: Final = 1200.0


def costs(place: Path, seed: int) -> Figures:
    """Compare a file's cost in Chroma at 1,000 and 100,000 records, and count how often unchanged files are opened."""
    figures = Figures("costs")
    small = figures.take(run(lambda: changes(place / "small", SMALL, seed), SECONDS), "1,000 records")
    large = figures.take(run(lambda: changes(place / "large", LARGE, seed), SECONDS), "100,000 records")
    if small and large:
        for name, (calls, rows) in large.items():
            figures.tries += 1
            dear = calls > 2 * small[name][0] or rows > 2 * small[name][1]
            figures.count("wrong", f"{name} file: {small[name]} and {large[name]} calls and rows", int(dear))
        figures.notes.append(f"a new file at {LARGE:,} records: {large['new'][0]} calls, {large['new'][1]} rows")
        figures.notes[-1] += f" ({small['new'][0]} and {small['new'][1]} at {SMALL:,})"
    opened = figures.take(run(lambda: opens(place / "files", place / "index"), SECONDS), "unchanged files")
    if opened:
        figures.tries += FILES
        figures.count("wrong", f"unchanged files were opened {opened} times", int(opened != {"1": FILES}))
        figures.notes.append(f"{FILES:,} unchanged files, opened once each")
    return figures


def changes(folder: Path, records: int, seed: int) -> dict[str, tuple[int, int]]:
    """Return calls and rows of some changes of one file in an index of so many records."""
    store = CountingStore(ChromaStore(folder))
    index = sw.Index(store, spaces=[make_space(modalities=("text",))])
    (description,) = index._store.descriptions.values()
    chance = np.random.default_rng(seed)
    for first in range(0, records, 5000):
        vectors = chance.normal(size=(min(5000, records - first), description.dimension)).astype(np.float32)
        found = [_record(first + n, v, description.fingerprint) for n, v in enumerate(vectors)]
        index._store.upsert(description, found)
    path = folder.with_suffix(".txt")
    path.write_text("the first file")
    index.add(path)  # the first add after so many renews the statistics
    taken = {}
    for name, text in {"unchanged": "the first file", "changed": "other words", "new": "a new file"}.items():
        path = path.with_stem("new") if name == "new" else path
        path.write_text(text)
        store.take()
        assert not index.add(path).failed
        taken[name] = store.take()
    notes = folder.with_name(f"{folder.name}-notes")
    notes.mkdir()
    for number in range(10):
        (notes / f"{number}.txt").write_text(f"note {number} of a folder")
    index.add(notes)
    (notes / "0.txt").unlink()
    store.take()
    assert index.add(notes, sync=True).deleted == 1
    taken["synced folder of a"] = store.take()
    assert len(index) == records + 11
    store.close()
    return taken


def _record(number: int, vector: np.ndarray, fingerprint: str) -> Record:
    source, digest = f"/notes/{number}.txt", f"{number:064x}"
    provenance = Provenance(source=source, mime_type="text/plain", sha256=digest, fingerprint=fingerprint)
    return Record(record_id(provenance), vector, f"note {number}", write_metadata(provenance))


def opens(files: Path, folder: Path) -> dict[str, Any]:
    """Return how many files were opened how often when all of them are added again."""
    files.mkdir()
    for number in range(FILES):
        (files / f"note{number:05}.txt").write_text(f"note number{number} subject{number % 31}")
    with open_index(folder, ("text",)) as index:
        assert index.add(files).added == FILES
        with opened_files(files) as opened:
            assert index.add(files).skipped == FILES
    return {str(times): number for times, number in Counter(opened.values()).items()}
