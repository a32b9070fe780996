"""What SenseweaveRetriever takes for the same result, and what it keeps apart."""

from __future__ import annotations

import uuid

import pytest

from langchain_senseweave import MediaLoader, SenseweaveChroma, SenseweaveEmbeddings, SenseweaveRetriever


def test_every_chunk_of_a_text_that_was_split_can_be_found(embeddings, tmp_path):
    splitters = pytest.importorskip("langchain_text_splitters")
    (tmp_path / "guide.txt").write_text(" ".join(f"Valve {n} is closed before winter number {n}." for n in range(9)))
    splitter = splitters.RecursiveCharacterTextSplitter(chunk_size=90, chunk_overlap=0)
    chunks = splitter.split_documents(MediaLoader(tmp_path / "guide.txt").load())
    store = SenseweaveChroma(f"c{uuid.uuid4().hex}", embeddings)
    store.add_documents(chunks)
    assert len(chunks) > 4
    found = SenseweaveRetriever(vector_stores=[store], k=20).invoke("valve")
    assert sorted(document.page_content for document in found) == sorted(chunk.page_content for chunk in chunks)


def test_equal_content_at_two_places_is_one_result_that_names_both(make_space, red_png, tmp_path):
    copy = tmp_path / "copy.png"
    copy.write_bytes(red_png.read_bytes())
    stores = []
    for seed, path in enumerate((red_png, copy)):
        store = SenseweaveChroma(f"c{uuid.uuid4().hex}", SenseweaveEmbeddings(model=make_space(seed)))
        store.add_media(path)
        stores.append(store)
    (document,) = SenseweaveRetriever(vector_stores=stores).invoke("red")
    assert sorted(document.metadata["sources"]) == sorted(map(str, (red_png, copy)))
