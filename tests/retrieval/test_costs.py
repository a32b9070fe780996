"""What adding costs does not grow with the index: counted in calls, rows read and files opened, not in seconds."""

import shutil

import pytest
from counting import CountingStore, opened_files

import senseweave as sw
from senseweave.media.documents import scans
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.base import VectorStore
from senseweave.retrieval.stores.lock import FolderLock
from senseweave.stores import Memory

SMALL, LARGE = 1000, 10_000


def cost_of_changes(tiny, path, records):
    """Return calls and rows of some changes of one file, in an index of so many records."""
    store = CountingStore(Memory())
    assert isinstance(store, VectorStore)
    index = sw.Index(store, spaces=[tiny.make_space(modalities=("text",))])
    index.add([sw.Text(f"note {n}", source=f"/notes/{n}.txt") for n in range(records)])
    store.take()
    costs = {}
    for name, text in {"new": "tomatoes", "unchanged": "tomatoes", "changed": "bread", "moved": "note 7"}.items():
        path.write_text(text)
        report = index.add(path)
        assert not report.failed
        costs[name] = store.take()
    assert index.delete(sources=path) == 1
    costs["deleted"] = store.take()
    assert len(index) == records - 1  # the file took the place of a note whose own file is not there
    return costs


def test_a_file_costs_in_a_large_index_what_it_costs_in_a_small_one(tiny, tmp_path):
    small = cost_of_changes(tiny, tmp_path / "note.txt", SMALL)
    large = cost_of_changes(tiny, tmp_path / "note.txt", LARGE)
    assert all(calls > 0 for calls, _ in small.values())
    for name, (calls, rows) in large.items():
        assert calls <= 2 * small[name][0], (name, small, large)
        assert rows <= 2 * small[name][1], (name, small, large)


@pytest.fixture
def hundreds(tmp_path, corpus, write_picture, write_sound):
    """Hundreds of files, of every type that the samples have."""
    folder = tmp_path / "hundreds"
    shutil.copytree(corpus, folder / "samples")
    for number in range(200):
        (folder / f"note-{number}.txt").write_text(f"note {number} about subject {number % 7} " * (number % 9 + 1))
        write_picture(folder / f"picture-{number}.png", ("red", "green", "blue")[number % 3], number)
    for number in range(20):
        write_sound(folder / f"sound-{number}.wav", ["low", "high"], seconds=0.5 + number / 10)
    (folder / "empty.txt").touch()
    (folder / "unknown.bin").write_bytes(bytes(range(256)))
    return folder


@pytest.mark.parametrize("options", [{}, {"sync": True}, {"progress": lambda *_: None}], ids=" ".join)
def test_no_unchanged_file_is_opened_twice(options, hundreds, tiny):
    files = {str(path) for path in hundreds.rglob("*") if path.is_file()}
    index = sw.Index(Memory(), spaces=[tiny.make_space()])
    added = index.add(hundreds)
    assert added.added > 440
    with opened_files(hundreds) as opened:
        again = index.add(hundreds, **options)
    assert (again.added, again.skipped) == (0, len(index))
    assert set(opened) == files
    assert set(opened.values()) == {1}


@pytest.mark.parametrize("reader", [False, True])
def test_progress_of_documents_ends_at_all_their_pages(tmp_path, tiny, monkeypatch, reader):
    if reader:
        pytest.importorskip("rapidocr")
    monkeypatch.setattr(scans, "is_installed", lambda: reader)
    pages = [tiny_picture(shade) for shade in (10, 90, 200)]
    pages[0].save(tmp_path / "pages.pdf", save_all=True, append_images=pages[1:])
    (tmp_path / "note.txt").write_text("tomatoes")
    seen = []
    sw.Index(Memory(), spaces=[tiny.make_space()]).add(tmp_path, progress=lambda *counts: seen.append(counts))
    total = 7 if reader else 4  # each page is shown, and read if there is a reader; the note
    assert seen == [(done, total) for done in range(1, total + 1)]


def tiny_picture(shade):
    from PIL import Image

    return Image.new("RGB", (40, 40), (shade, shade, shade))


def test_converting_an_old_index_costs_a_few_calls_for_any_number_of_records(tiny):
    store = CountingStore(Memory())
    index = sw.Index(store, spaces=[tiny.make_space(modalities=("text",))])
    index.add([sw.Text(f"note {n}", source=f"/notes/{n}.txt") for n in range(SMALL)])
    (description,) = index._store.descriptions.values()
    records = store.get(description.name, vectors=True)
    store.delete(description.name, [record.id for record in records])
    old = [Record(f"{n:032x}", record.vector, record.text, record.metadata) for n, record in enumerate(records)]
    store.upsert(description.name, old)
    store.save_metadata(description.name, {**description.to_metadata(), "senseweave": 1})
    store.take()
    opened = sw.Index(store, spaces=[tiny.make_space(modalities=("text",))])
    opened.add(sw.Text("another note"))
    calls, _ = store.take()
    assert calls < 30
    kept = {record.id: record.text for record in store.get(description.name)}
    assert kept.items() > {record.id: record.text for record in records}.items()
    assert len(kept) == SMALL + 1


def test_a_search_reads_a_few_times_whether_others_have_written(tmp_path, tiny, monkeypatch):
    with sw.Index(tmp_path / "index", spaces=[tiny.make_space(modalities=("text",))]) as index:
        index.add([sw.Text(f"note {n}", source=f"/notes/{n}.txt") for n in range(20)])
        index.search("note 3")
        reads = []
        read = FolderLock._read
        monkeypatch.setattr(FolderLock, "_read", lambda self: (reads.append(self), read(self))[1])
        index.search("note 3")
        assert len(reads) <= 4
