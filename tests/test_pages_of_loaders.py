"""The loaders of the three frameworks keep the pages of a PDF as text, as a picture, or as both that are one result."""

import asyncio
from collections import Counter

import pytest
from pdf_objects import write_pages

import senseweave as sw
from senseweave.testing import toy_space

PAGES = [["part 4711 of the pump"], ["nothing else is here"]]
EXPECTED = {
    "separate": {"text": 2, "image": 2},
    "both": {"text": 2, "image": 2},
    "text": {"text": 2},
    "picture": {"image": 2},
}


@pytest.fixture
def pdf(tmp_path):
    path = tmp_path / "manual.pdf"
    path.write_bytes(write_pages(PAGES))
    return path


def langchain(path, pages):
    from langchain_core.documents.base import Blob

    from langchain_senseweave import MediaParser

    return [document.metadata for document in MediaParser(pages=pages).parse(Blob.from_path(path))]


def llama_index(path, pages):
    from llama_index.embeddings.senseweave import MediaNodeParser, MediaReader

    again = MediaReader.from_dict(MediaReader(pages=pages).to_dict())
    return [node.metadata for node in MediaNodeParser()(again.load_data(str(path)))]


def haystack(path, pages):
    from haystack_integrations.components.converters.senseweave import MediaToDocument

    converter = MediaToDocument.from_dict(MediaToDocument(pages=pages).to_dict())
    return [document.meta for document in converter.run(sources=[path])["documents"]]


@pytest.mark.parametrize("pages", EXPECTED)
@pytest.mark.parametrize("load", [langchain, llama_index, haystack])
def test_a_loader_keeps_what_is_chosen(load, pages, pdf):
    pytest.importorskip({"langchain": "langchain_senseweave"}.get(load.__name__, load.__name__))
    loaded = load(pdf, pages)
    assert Counter(metadata["modality"] for metadata in loaded) == EXPECTED[pages]
    marked = [metadata.get("page_picture") for metadata in loaded if metadata["modality"] == "text"]
    assert set(marked) <= {True if pages == "both" else None}


@pytest.mark.parametrize("load", [langchain, llama_index, haystack])
def test_a_loader_refuses_an_unknown_choice(load, pdf):
    pytest.importorskip({"langchain": "langchain_senseweave"}.get(load.__name__, load.__name__))
    with pytest.raises(ValueError, match="'separate', 'both', 'text' or 'picture'"):
        load(pdf, "all")


def test_a_page_is_one_result_of_a_store_of_a_framework(pdf, tmp_path):
    pytest.importorskip("langchain_senseweave")
    from langchain_senseweave import SenseweaveChroma, SenseweaveEmbeddings, SenseweaveRetriever

    embeddings = SenseweaveEmbeddings(model=toy_space())
    store = SenseweaveChroma("pages", embeddings, persist_directory=str(tmp_path / "store"))
    store.add_media([pdf], pages="both")
    retriever = SenseweaveRetriever(vector_stores=[store], k=10)
    found = retriever.invoke("part 4711 of the pump")
    assert sorted(document.metadata["page"] for document in found) == [1, 2]
    assert found[0].page_content == "part 4711 of the pump"
    assert sorted(d.metadata["page"] for d in asyncio.run(retriever.ainvoke("part 4711 of the pump"))) == [1, 2]
    assert sw.Image(pdf, page=1).sha256 == found[0].metadata["file_sha256"]
