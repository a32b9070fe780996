"""One text and one image have the same vector in the core, LangChain, LlamaIndex and Haystack."""

from pathlib import Path

import numpy as np
import pytest

import senseweave as sw

TEXT = "A dog lies on the grass."


@pytest.fixture
def photograph(corpus: Path) -> Path:
    return corpus / "images" / "photo-01.jpg"


@pytest.fixture
def expected(photograph: Path) -> dict[str, np.ndarray]:
    space = sw.load("starter")
    return {
        "document": space.embed_text([TEXT])[0],
        "query": space.embed_text([TEXT], role="query")[0],
        "image": space.embed_image([photograph])[0],
    }


def test_langchain_gives_the_core_s_vectors(expected: dict[str, np.ndarray], photograph: Path) -> None:
    from langchain_senseweave import SenseweaveEmbeddings

    embeddings = SenseweaveEmbeddings(model="starter")
    np.testing.assert_allclose(embeddings.embed_documents([TEXT])[0], expected["document"], atol=1e-6)
    np.testing.assert_allclose(embeddings.embed_query(TEXT), expected["query"], atol=1e-6)
    np.testing.assert_allclose(embeddings.embed_image(uris=[str(photograph)])[0], expected["image"], atol=1e-6)


def test_llama_index_gives_the_core_s_vectors(expected: dict[str, np.ndarray], photograph: Path) -> None:
    from llama_index.embeddings.senseweave import SenseweaveEmbedding

    embedding = SenseweaveEmbedding(model_name="starter")
    np.testing.assert_allclose(embedding.get_text_embedding(TEXT), expected["document"], atol=1e-6)
    np.testing.assert_allclose(embedding.get_query_embedding(TEXT), expected["query"], atol=1e-6)
    np.testing.assert_allclose(embedding.get_image_embedding(str(photograph)), expected["image"], atol=1e-6)


def test_haystack_gives_the_core_s_vectors(expected: dict[str, np.ndarray], photograph: Path) -> None:
    from haystack import Document
    from haystack_integrations.components.embedders.senseweave import SenseweaveDocumentEmbedder, SenseweaveTextEmbedder

    documents = [Document(content=TEXT), Document(content="", meta={"modality": "image", "file_path": str(photograph)})]
    text, image = SenseweaveDocumentEmbedder(model="starter").run(documents)["documents"]
    np.testing.assert_allclose(text.embedding, expected["document"], atol=1e-6)
    np.testing.assert_allclose(image.embedding, expected["image"], atol=1e-6)
    query = SenseweaveTextEmbedder(model="starter").run(TEXT)["embedding"]
    np.testing.assert_allclose(query, expected["query"], atol=1e-6)
