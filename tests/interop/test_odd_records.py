"""Unusual records mean the same in every framework: fused media, changed files, impossible pages, no source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from haystack import Document as HaystackDocument
from haystack_integrations.common.senseweave import document_to_media
from haystack_integrations.components.builders.senseweave import MultimodalPromptBuilder
from haystack_integrations.components.retrievers.senseweave import SenseweaveMultimodalRetriever
from langchain_core.documents import Document
from llama_index.core.llms.mock import MockLLMWithChatMemoryOfLastCall
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import MetadataMode, TextNode
from llama_index.embeddings.senseweave import SenseweaveEmbedding, media_from_node, media_node
from llama_index.embeddings.senseweave.items.nodes import node_from_media
from llama_index.retrievers.senseweave import SenseweaveRetriever as LlamaIndexRetriever
from PIL import Image as PillowImage

import senseweave as sw
from langchain_senseweave import SenseweaveRetriever as LangChainRetriever
from langchain_senseweave import content_blocks, media_from_document
from senseweave.interop import media_provenance, write_metadata
from senseweave.testing import toy_space

READERS: dict[str, Callable[[dict[str, Any], str], sw.Media]] = {
    "LangChain": lambda metadata, text: media_from_document(Document(text, metadata=metadata)),
    "LlamaIndex": lambda metadata, text: media_from_node(TextNode(text=text, metadata=metadata)),
    "Haystack": lambda metadata, text: document_to_media(
        HaystackDocument(content=text, meta=metadata), policy=sw.MediaPolicy()
    ),
}


@pytest.fixture(params=READERS)
def read(request: Any) -> Callable[[dict[str, Any], str], sw.Media]:
    return READERS[request.param]


@pytest.fixture(autouse=True)
def _cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what LlamaIndex spools out of the user's cache."""
    monkeypatch.setenv("LLAMA_INDEX_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return picture(tmp_path / "photo.png", "red")


def picture(path: Path, color: str) -> Path:
    PillowImage.new("RGB", (24, 16), color).save(path)
    return path


@pytest.fixture
def paged(tmp_path: Path) -> Path:
    """A TIFF of two pages."""
    pages = [PillowImage.new("RGB", (24, 16), color) for color in ("red", "blue")]
    pages[0].save(tmp_path / "pages.tiff", save_all=True, append_images=pages[1:])
    return tmp_path / "pages.tiff"


def test_a_file_that_has_changed_since_is_refused(read: Any, photo: Path) -> None:
    metadata = write_metadata(media_provenance(sw.Image(photo)))
    assert read(metadata, "a photo").sha256 == metadata["sha256"]
    picture(photo, "blue")
    with pytest.raises(sw.MediaError, match="has changed since"):
        read(metadata, "a photo")


def test_a_part_of_fused_media_that_has_changed_since_is_refused(read: Any, photo: Path) -> None:
    metadata = write_metadata(media_provenance(sw.fuse({"image": photo, "text": "a red kettle"})))
    assert read(metadata, "a red kettle").sha256 == metadata["sha256"]
    picture(photo, "blue")
    with pytest.raises(sw.MediaError, match="has changed since"):
        read(metadata, "a red kettle")


def test_a_node_of_its_own_file_is_refused_once_the_file_has_changed(photo: Path) -> None:
    node = media_node("image", photo)
    copied = media_node("image", photo.read_bytes())
    picture(photo, "blue")
    with pytest.raises(sw.MediaError, match="has changed since"):
        media_from_node(node)
    assert media_from_node(copied).decode() is not None


@pytest.mark.parametrize("page", [0, -1, 1.5])
def test_a_number_that_is_no_page_is_an_error_and_not_the_first_page(read: Any, paged: Path, page: Any) -> None:
    with pytest.raises(ValueError, match=f"a page is a whole number from 1, not {page}"):
        read({"modality": "image", "source": str(paged), "page": page}, "")
    assert read({"modality": "image", "source": str(paged), "page": 2}, "").page == 2


def test_a_page_in_words_is_the_users_own(read: Any, photo: Path) -> None:
    media = read({"modality": "image", "source": str(photo), "page": "iv"}, "")
    assert (media.page, media.metadata["page"]) == (None, "iv")


def test_media_without_a_source_are_not_taken_for_their_caption(read: Any) -> None:
    with pytest.raises(sw.MediaError):
        read({"modality": "image"}, "a red kettle")


@pytest.fixture
def index(photo: Path) -> Any:
    space = toy_space(modalities=["text", "image"])
    with sw.Index(sw.stores.Memory(), spaces=[space]) as index:
        product = sw.fuse({"image": photo, "text": "a red kettle of 1.7 l"}, source="product-1")
        index.add([product, sw.Text("bread is baked")], on_error="raise")
        yield index


def test_fused_media_are_one_hit_with_picture_and_words(index: sw.Index, photo: Path) -> None:
    pixels = sw.Image(photo).decode().tobytes()

    document = LangChainRetriever(index=index).invoke("kettle", modalities=["image"])
    blocks = content_blocks(document, question="which?", limits=_png())
    assert len(document) == 1
    assert "a red kettle of 1.7 l" in " ".join(block["text"] for block in blocks if block["type"] == "text")
    assert [_pixels(block["base64"]) for block in blocks if block["type"] == "image"] == [pixels]

    found = SenseweaveMultimodalRetriever(index=index).run(query="kettle", modalities=["image"])["documents"]
    parts = MultimodalPromptBuilder(image_format="png").parts(found)
    assert len(found) == 1
    assert "a red kettle of 1.7 l" in " ".join(getattr(part, "text", "") for part in parts)
    assert [_pixels(part.base64_image) for part in parts if hasattr(part, "base64_image")] == [pixels]

    llm = MockLLMWithChatMemoryOfLastCall(is_chat_model=True)
    retriever = LlamaIndexRetriever(index=index, modalities=["image"])
    assert len(retriever.retrieve("kettle")) == 1
    RetrieverQueryEngine.from_args(retriever, llm=llm, multimodal=True).query("kettle")
    sent = [block for message in llm.last_chat_messages or [] for block in message.blocks]
    words = " ".join(getattr(block, "text", "") for block in sent)
    assert "a red kettle of 1.7 l" in words
    assert str(photo.parent) not in words
    images = [block.resolve_image().read() for block in sent if block.block_type == "image"]
    assert images == [photo.read_bytes()]


def _png() -> Any:
    from langchain_senseweave import BlockLimits

    return BlockLimits(image_format="png")


def _pixels(data: str) -> bytes:
    import base64

    return sw.Image(base64.b64decode(data)).decode().tobytes()


def test_a_node_of_fused_media_embeds_as_they_do_and_keeps_parts_without_a_path(photo: Path) -> None:
    space = toy_space(modalities=["text", "image"])
    fused = sw.fuse({"image": photo.read_bytes(), "text": "a red kettle"}, weights={"image": 1, "text": 3})
    node = node_from_media(fused)
    assert node.image_resource is not None
    assert media_from_node(node).sha256 == fused.sha256
    (embedded,) = SenseweaveEmbedding(space=space)([node])
    assert embedded.embedding == pytest.approx(space.embed([fused], role="document")[0].tolist(), abs=1e-5)
    again = TextNode(text="a red kettle", metadata=embedded.metadata)  # as another store's reader gives it back
    assert media_from_node(again).sha256 == fused.sha256
    assert "photo" not in embedded.get_content(MetadataMode.LLM)
