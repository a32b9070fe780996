"""Nodes as records: one schema of metadata, and records of other writers read as the same media."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from llama_index.core.schema import MediaResource, MetadataMode, Node, NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.storage.docstore.utils import doc_to_json, json_to_doc
from llama_index.embeddings.senseweave import (
    MediaNodeParser,
    MediaReader,
    SenseweaveEmbedding,
    media_from_node,
    media_node,
)
from llama_index.embeddings.senseweave.items.nodes import read_fingerprint

import senseweave as sw
from senseweave.interop import read_metadata

SCHEMA = {"modality", "source", "file_path", "mime_type", "sha256", "start", "end", "page", "fingerprint"}


def test_a_node_is_written_in_the_schema_of_records(embed_model: SenseweaveEmbedding, files: Any) -> None:
    path = files["audio"][0]
    (node,) = embed_model([media_node("audio", path, span=(0.25, 0.75), author="Ann")])
    assert set(node.metadata) == SCHEMA - {"page"} | {"author"}
    written = read_metadata(node.metadata)
    assert (written.source, written.span, written.fingerprint) == (str(path), (0.25, 0.75), embed_model.fingerprint)
    assert written.own == {"author": "Ann"}
    shown = node.get_content(MetadataMode.LLM)
    assert not any(name in shown for name in ("file_path", "sha256", "mime_type", "fingerprint"))
    assert "fingerprint" not in node.get_content(MetadataMode.EMBED)


@pytest.mark.parametrize("names", [("start", "end"), ("start_s", "end_s")])
@pytest.mark.parametrize("source", ["source", "file_path"])
def test_a_record_that_another_writer_made_is_read_as_its_media(
    embed_model: SenseweaveEmbedding, files: Any, names: tuple[str, str], source: str
) -> None:
    path = files["audio"][0]
    metadata = {"modality": "audio", source: str(path), names[0]: 0.25, names[1]: 0.75, "author": "Ann"}
    record = TextNode(text="a low tone", metadata=metadata)
    media = media_from_node(record)
    assert media == sw.Audio(path, span=(0.25, 0.75))
    assert media.metadata == {"author": "Ann"}
    embed_model([record])
    assert record.embedding == embed_model([media_node("audio", path, span=(0.25, 0.75))])[0].embedding


def test_a_node_that_version_0_1_stored_keeps_its_media_and_its_fingerprint(files: Any) -> None:
    path = files["video"][0]
    source = RelatedNodeInfo(node_id="old", metadata={"senseweave_fingerprint": "abc"})
    node = Node(
        text_resource=MediaResource(text=""),
        video_resource=MediaResource(path=path),
        metadata={"modality": "video", "source": str(path), "sha256": sw.Video(path).sha256, "start": 0.0, "end": 0.5},
        relationships={NodeRelationship.SOURCE: source},
    )
    assert media_from_node(node) == sw.Video(path, span=(0.0, 0.5))
    assert read_fingerprint(node) == "abc"


def test_what_cannot_be_of_the_schema_is_the_users_own(embed_model: SenseweaveEmbedding) -> None:
    scan = TextNode(text="a red thing", metadata={"modality": "CT", "start": "2024-01-31", "end": "2024-02-01"})
    media = media_from_node(scan)
    assert (media.modality, media.decode(), media.span) == ("text", "a red thing", None)
    assert media.metadata == scan.metadata
    embed_model([scan])
    assert scan.embedding == embed_model.get_text_embedding(scan.get_content(MetadataMode.EMBED))


def test_a_page_that_is_shown_as_a_picture_stands_for_the_page_of_its_document(tmp_path: Path, files: Any) -> None:
    image = __import__("PIL.Image").Image
    pages = [image.new("RGB", (80, 60), color) for color in ("red", "blue")]
    pages[0].save(tmp_path / "two.pdf", save_all=True, append_images=pages[1:])
    nodes: list[Any] = MediaNodeParser()(MediaReader().load_data(tmp_path / "two.pdf"))
    assert [media_from_node(node) for node in nodes] == [sw.Image(tmp_path / "two.pdf", page=page) for page in (1, 2)]
    nodes[0].image_resource = MediaResource(path=files["image"][0])
    assert media_from_node(nodes[0]).sha256 == sw.Image(files["image"][0]).sha256
    (tmp_path / "two.pdf").unlink()
    assert media_from_node(nodes[1]).read().startswith(b"\x89PNG")


def test_bytes_are_filed_under_the_file_that_holds_them(files: Any) -> None:
    data = files["image"][0].read_bytes()
    node = media_node("image", data)
    assert Path(node.metadata["source"]).read_bytes() == data
    assert node.metadata["file_path"] == node.metadata["source"]


def test_embedding_does_not_change_the_hash_that_docstores_compare(
    embed_model: SenseweaveEmbedding, files: Any
) -> None:
    node = media_node("audio", files["audio"][0])
    (stored,) = embed_model([node])
    assert "fingerprint" in stored.metadata
    assert stored.hash == node.hash == media_node("audio", files["audio"][0]).hash
    assert json_to_doc(doc_to_json(node)).hash == node.hash
