"""A store in step with files that change: by `add_media`, by LangChain's `index()`, and by both."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, aindex, index
from PIL import Image as PILImage

from langchain_senseweave import MediaLoader, SenseweaveChroma
from senseweave import Image


@pytest.fixture
def store(embeddings, tmp_path):
    return SenseweaveChroma("media", embeddings, persist_directory=str(tmp_path / "db"))


def stored_vectors(store):
    found = store.get(include=["embeddings"])
    return {identifier: vector.tolist() for identifier, vector in zip(found["ids"], found["embeddings"], strict=True)}


def indexed(loader, records, store):
    result = index(loader, records, store, cleanup="incremental", source_id_key="source", key_encoder="sha256")
    return result["num_added"], result["num_skipped"], result["num_deleted"]


def test_adding_the_same_again_changes_nothing(store, red_png, tone_wav):
    first = store.add_media([red_png, tone_wav, red_png])
    assert store.add_media([red_png, tone_wav]) == first
    assert len(store.get()["ids"]) == len(first) == 2


def test_a_changed_file_replaces_what_the_store_made_of_it(store, embeddings, red_png, blue_png, tone_wav):
    store.add_texts(["my note"], [{"source": str(red_png)}], ids=["mine"])
    kept = [*store.add_media([blue_png, tone_wav]), "mine"]
    (old,) = store.add_media(red_png)
    red_png.write_bytes(blue_png.read_bytes())
    (new,) = store.add_media(red_png)
    assert new != old
    assert sorted(store.get()["ids"]) == sorted([*kept, new])
    assert stored_vectors(store)[new] == pytest.approx(embeddings.embed_image([blue_png])[0], abs=1e-6)


def test_files_under_a_common_source_do_not_replace_each_other(store, red_png, blue_png):
    ids = [store.add_media(path, {"source": "an album"})[0] for path in (red_png, blue_png)]
    assert sorted(store.get()["ids"]) == sorted(ids)


def test_indexing_notices_new_pixels_at_the_same_path(store, embeddings, red_png, blue_png, tone_wav):
    records = InMemoryRecordManager("test")
    records.create_schema()
    loader = MediaLoader([red_png, blue_png, tone_wav])
    assert indexed(loader, records, store) == (3, 0, 0)
    assert indexed(loader, records, store) == (0, 3, 0)

    before = os.stat(red_png)
    PILImage.new("RGB", (40, 30), (20, 200, 20)).save(red_png)
    os.utime(red_png, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert indexed(loader, records, store) == (1, 2, 1)

    found = store.get(where={"source": str(red_png)}, include=["embeddings", "metadatas"])
    assert found["metadatas"][0]["sha256"] == Image(red_png).sha256
    assert found["embeddings"][0].tolist() == pytest.approx(embeddings.embed_image([red_png])[0], abs=1e-6)


async def test_indexing_works_asynchronously(store, red_png, tone_wav):
    records = InMemoryRecordManager("test")
    await records.acreate_schema()
    result = await aindex(
        MediaLoader([red_png, tone_wav]), records, store, cleanup="full", key_encoder="sha256", source_id_key="source"
    )
    assert result["num_added"] == 2


def test_a_row_of_the_users_own_of_the_same_file_stays_and_is_not_added_again(store, red_png, blue_png):
    store.add_images([red_png], metadatas=[{"title": "My shot"}], ids=["sku-1"])
    assert store.add_media([red_png]) == ["sku-1"]
    assert store.get()["ids"] == ["sku-1"]
    red_png.write_bytes(blue_png.read_bytes())
    (new,) = store.add_media([red_png])
    assert sorted(store.get()["ids"]) == sorted(["sku-1", new])
    assert store.get(ids=["sku-1"])["metadatas"][0]["title"] == "My shot"


def test_adding_what_index_keeps_leaves_its_rows_to_index(store, embeddings, red_png):
    records = InMemoryRecordManager("kept")

    def run():
        loader = MediaLoader(red_png.parent, embeddings=embeddings, describe=False)
        return index(loader, records, store, cleanup="full", source_id_key="source", key_encoder="sha256")

    run()
    store.add_media([red_png])
    assert run()["num_skipped"] == 1
    assert len(store.get()["ids"]) == 1
    red_png.unlink()
    assert run()["num_deleted"] == 1
    assert store.get()["ids"] == []


def test_chunks_of_a_splitter_do_not_stand_for_the_passage_that_they_are_from(store, embeddings, tmp_path):
    (tmp_path / "note.txt").write_text("one two three four")
    (passage,) = MediaLoader([tmp_path / "note.txt"], embeddings=embeddings).load()
    store.add_documents([Document("one two", metadata=passage.metadata, id="chunk")])
    store.add_media([tmp_path / "note.txt"])
    assert sorted(store.get()["documents"]) == ["one two", "one two three four"]


def test_the_readmes_way_of_indexing_embeds_an_unchanged_file_of_many_passages_once(store, embeddings, tmp_path):
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (cleanup,) = re.findall(r'index\(.*cleanup="(\w+)"', readme)
    (tmp_path / "book.txt").write_text("\n\n".join(f"Chapter {n}. " + "The river rises. " * 60 for n in range(110)))
    records = InMemoryRecordManager("book")

    def run():
        loader = MediaLoader([tmp_path / "book.txt"], embeddings=embeddings, describe=False)
        return index(loader, records, store, cleanup=cleanup, source_id_key="source", key_encoder="sha256")

    assert run()["num_added"] > 100
    assert run()["num_added"] == 0
