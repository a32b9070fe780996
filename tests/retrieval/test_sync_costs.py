"""What `add(folder, sync=True)` asks of the store depends on the folder alone, and finds all that is below it."""

import os
import shutil

import pytest
from counting import CountingStore

import senseweave as sw
from senseweave.cli.watching import update
from senseweave.retrieval.records.folders import ABOVE
from senseweave.retrieval.records.schema import Record
from senseweave.stores import Memory

SMALL, LARGE = 100, 3000


@pytest.fixture
def make_index(tiny):
    def make(store=None):
        return sw.Index(store or Memory(), spaces=[tiny.make_space(modalities=("text",))])

    return make


def write_notes(folder, count=10):
    for number in range(count):
        path = folder / ("deep" if number % 2 else "") / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"note {number}")


def forget_folders(index):
    """Make an index what a version without folders wrote."""
    store = index._store.store
    for description in index._store.descriptions.values():
        records = store.get(description.name, vectors=True)
        assert any(name.startswith(ABOVE) for record in records for name in record.metadata)
        for record in records:
            plain = {name: value for name, value in record.metadata.items() if not name.startswith(ABOVE)}
            store.upsert(description.name, [Record(record.id, record.vector, record.text, plain)])
        metadata = {name: value for name, value in description.to_metadata().items() if name != "folders"}
        store.save_metadata(description.name, metadata)
    index._store.refresh()


def cost_of_sync(make_index, folder, others, change):
    """Return calls and rows of a sync of a folder and of what a watch asks, in an index of many other records."""
    write_notes(folder)
    store = CountingStore(Memory())
    index = make_index(store)
    index.add([sw.Text(f"other {n}", source=f"{folder.parent}/others{n % 50}/{n}.txt") for n in range(others)])
    index.add(folder)
    change(folder)
    store.take()
    report = index.add([folder], sync=True, on_error="skip")
    costs = [store.take()]
    for path in (folder / "0.txt", folder / "deep"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    update(index, {str(folder / "0.txt"), str(folder / "deep")})
    costs.append(store.take())
    assert not any(source.startswith(str(folder / "deep")) for source in index.sources())
    return report.deleted, costs


@pytest.mark.parametrize("change", ["nothing", "a file is gone", "a folder is gone"])
def test_a_sync_costs_in_a_large_index_what_it_costs_in_a_small_one(make_index, tmp_path, change):
    changes = {
        "nothing": (0, lambda folder: None),
        "a file is gone": (1, lambda folder: (folder / "2.txt").unlink()),
        "a folder is gone": (5, lambda folder: shutil.rmtree(folder / "deep")),
    }
    gone, make_change = changes[change]
    deleted, small = cost_of_sync(make_index, tmp_path / "small" / "notes", SMALL, make_change)
    again, large = cost_of_sync(make_index, tmp_path / "large" / "notes", LARGE, make_change)
    assert deleted == again == gone
    for (calls, rows), (more_calls, more_rows) in zip(small, large, strict=True):
        assert 0 < more_calls <= 2 * calls, (small, large)
        assert more_rows <= 2 * rows + 1, (small, large)


def test_records_that_know_no_folders_are_synced_and_know_them_from_then_on(make_index, tmp_path):
    write_notes(tmp_path / "notes")
    store = CountingStore(Memory())
    index = make_index(store)
    index.add(tmp_path / "notes")
    index.add([sw.Text(f"other {n}", source=f"/others/{n}.txt") for n in range(SMALL)])
    forget_folders(index)
    assert len(index.sources(below=[tmp_path / "notes" / "deep"])) == 5
    shutil.rmtree(tmp_path / "notes" / "deep")
    assert index.add(tmp_path / "notes", sync=True).deleted == 5
    assert len(index) == SMALL + 5
    (tmp_path / "notes" / "2.txt").unlink()
    store.take()
    assert index.add(tmp_path / "notes", sync=True).deleted == 1
    assert store.take()[1] < SMALL


def test_a_sync_takes_only_what_is_below_the_folder(make_index, tmp_path):
    gone = [str(tmp_path / name) for name in ("notes/a.txt", "notes2/a.txt", "notes.txt", "note", "not/notes/b.txt")]
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "here.txt").write_text("here")
    index = make_index()
    index.add([sw.Text(f"gone {path}", source=path) for path in gone])
    index.add(sw.Text("a label", source="notes/a.txt"))
    assert index.add(tmp_path / "notes", sync=True).deleted == 1
    assert set(index.sources()) == {*gone[1:], "notes/a.txt", str(tmp_path / "notes" / "here.txt")}


def test_a_sync_reaches_the_deepest_folders_and_the_highest(make_index, tmp_path):
    deep = tmp_path.joinpath(*["d"] * 60)
    deep.mkdir(parents=True)
    (deep / "here.txt").write_text("here")
    index = make_index()
    sources = [str(deep / "gone.txt"), str(deep / "e" / "gone.txt"), str(deep.parent / "gone.txt")]
    index.add([sw.Text(source, source=source) for source in sources])
    assert index.add(deep, sync=True).deleted == 2
    assert set(index.sources(below=[os.sep])) == {str(deep / "here.txt"), sources[2]}
    records = index._store.store.get(next(iter(index._store.descriptions.values())).name)
    assert all(len(record.metadata) < 60 for record in records)


def test_nobody_sees_the_folders_of_a_record(make_index, tmp_path):
    write_notes(tmp_path / "notes", count=2)
    index = make_index(sw.stores.Chroma(tmp_path / "index"))
    index.add(tmp_path / "notes")
    names = {name for hit in index.search("note 1", group=False) for name in hit.metadata}
    names |= {name for summary in index.contents() for name in summary.fields}
    index.export(tmp_path / "export.jsonl")
    assert not any(name.startswith(ABOVE) for name in names)
    assert ABOVE not in (tmp_path / "export.jsonl").read_text()
    copy = make_index()
    copy.import_(tmp_path / "export.jsonl")
    shutil.rmtree(tmp_path / "notes" / "deep")
    assert copy.add(tmp_path / "notes", sync=True).deleted == 1
    index.close()


def test_an_index_that_was_repaired_is_synced(make_index, tmp_path):
    write_notes(tmp_path / "notes", count=4)
    with sw.Index(tmp_path / "index", spaces=make_index().spaces.values()) as index:
        index.add(tmp_path / "notes")
        index.repair()
        shutil.rmtree(tmp_path / "notes" / "deep")
        assert index.add(tmp_path / "notes", sync=True).deleted == 2


def test_the_names_of_folders_are_reserved(make_index):
    with pytest.raises(ValueError, match="begin with senseweave_above_ are reserved"):
        make_index().add(sw.Text("a note"), metadata={f"{ABOVE}1": 7})
