"""`media_node` and `MediaReader`: files to nodes that tell themselves apart and keep their bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import AudioBlock, ImageBlock, TextBlock, VideoBlock
from llama_index.core.readers.base import BaseReader, ReaderConfig
from llama_index.core.schema import MetadataMode, Node
from llama_index.core.storage.docstore.utils import doc_to_json, json_to_doc
from llama_index.embeddings.senseweave import MediaNodeParser, MediaReader, SenseweaveEmbedding, media_node

import senseweave as sw

KINDS = ("image", "audio", "video")
BLOCKS: dict[str, Any] = {"image": ImageBlock, "audio": AudioBlock, "video": VideoBlock}


def content(node: Node) -> bytes:
    """The bytes that a language model would be sent."""
    block = node.get_content_blocks()[-1]
    kind = next(kind for kind, block_type in BLOCKS.items() if isinstance(block, block_type))
    return getattr(block, f"resolve_{kind}")().read()


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_of_a_file_refers_to_it_and_says_where_it_came_from(kind: Any, files: Any) -> None:
    path: Path = files[kind][0]
    node = media_node(kind, path, author="Ann")
    assert isinstance(node, Node)
    assert node.class_name() == "Node"
    assert node.metadata == {
        "author": "Ann",
        "modality": kind,
        "source": str(path),
        "file_path": str(path),
        "mime_type": sw.Image(path).mime_type,
        "sha256": sw.Image(path).sha256,
    }
    assert content(node) == path.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["bytes", "stream", "data URI"])
def test_bytes_are_kept_in_a_file_named_after_their_content(
    kind: Any, form: str, files: Any, make: Any, tmp_path: Path
) -> None:
    data = files[kind][0].read_bytes()
    uri = "data:;base64," + __import__("base64").b64encode(data).decode()
    given = {"bytes": data, "stream": io.BytesIO(data), "data URI": uri}[form]
    node = media_node(kind, given, spool=tmp_path / "spool")
    path = getattr(node, f"{kind}_resource").path
    assert path.is_relative_to(tmp_path / "spool")
    assert path.stem == node.metadata["sha256"]
    assert path.read_bytes() == content(node) == data
    again = media_node(kind, given, spool=tmp_path / "spool")
    assert again == node
    assert len([path for path in (tmp_path / "spool").rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_nodes_of_different_files_differ_in_hash_content_and_id(kind: Any, files: Any) -> None:
    first, second = (media_node(kind, path) for path in files[kind][:2])
    assert first.hash != second.hash
    assert first.get_content(MetadataMode.ALL) != second.get_content(MetadataMode.ALL)
    assert first.id_ != second.id_


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_words_still_has_something_to_embed_so_that_no_index_skips_it(kind: Any, files: Any) -> None:
    node = media_node(kind, files[kind][0])
    assert node.get_content(MetadataMode.EMBED) == f"modality: {kind}\nsource: {files[kind][0]}"
    assert node.get_content() == ""


def test_two_parts_of_one_recording_differ_and_the_language_model_is_told_which_they_are(files: Any) -> None:
    path = files["audio"][0]
    first, second = media_node("audio", path, span=(0, 0.5)), media_node("audio", path, span=(0.5, 1))
    assert (first.metadata["start"], first.metadata["end"]) == (0.0, 0.5)
    assert first.hash != second.hash
    assert first.id_ != second.id_
    assert "start: 0.5\nend: 1.0" in second.get_content(MetadataMode.LLM)
    assert "sha256" not in second.get_content(MetadataMode.LLM)
    assert "start" not in second.get_content(MetadataMode.EMBED)


def test_a_changed_file_keeps_its_id_and_changes_its_hash(files: Any) -> None:
    path, other = files["image"][:2]
    before = media_node("image", path)
    path.write_bytes(other.read_bytes())
    after = media_node("image", path)
    assert after.id_ == before.id_
    assert after.hash != before.hash


def test_a_caption_goes_with_the_media(files: Any) -> None:
    node = media_node("image", files["image"][0], text="a red wall")
    words, picture = node.get_content_blocks()
    assert isinstance(words, TextBlock)
    assert words.text == "a red wall"
    assert isinstance(picture, ImageBlock)


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_survives_json_with_its_hash_and_its_bytes(kind: Any, files: Any) -> None:
    node = media_node(kind, files[kind][0].read_bytes())
    back = json_to_doc(json.loads(json.dumps(doc_to_json(node))))
    assert type(back) is Node
    assert back.hash == node.hash
    assert content(back) == files[kind][0].read_bytes()


def test_a_missing_file_another_kind_of_file_and_an_unknown_kind_are_errors(files: Any, tmp_path: Path) -> None:
    with pytest.raises(sw.MediaError, match="no-such-file: no such file"):
        media_node("image", tmp_path / "no-such-file")
    with pytest.raises(sw.MediaError, match="is audio/wav, not an image"):
        media_node("image", files["audio"][0])
    with pytest.raises(ValueError, match="kind must be one of image, audio, video, not 'pdf'"):
        media_node("pdf", files["image"][0])  # type: ignore[arg-type]
    with pytest.raises(sw.PolicyError, match="root"):
        media_node("image", files["image"][0], policy=sw.MediaPolicy(root=tmp_path / "elsewhere"))


@pytest.mark.parametrize(("kind", "extension"), [("image", "png"), ("audio", "wav"), ("video", "mp4")])
def test_blocks_name_the_format_though_the_file_has_no_suffix(kind: Any, extension: str, files: Any) -> None:
    block: Any = media_node(kind, files[kind][0]).get_content_blocks()[-1]
    named = {"image": "image_mimetype", "audio": "format", "video": "video_mimetype"}[kind]
    assert getattr(block, named).endswith(extension)
    assert block.inline_url().startswith(f"data:{kind}/")


@pytest.fixture
def folder(files: Any, tmp_path: Path, make: dict[str, Callable[..., bytes]]) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    (made / "a.txt").write_text("One paragraph of words.\n\nAnother paragraph of words.")
    (made / "b.jpg").write_bytes(make["image"]("red"))
    (made / "c.mp3").write_bytes(make["audio"]("low", "middle", "high"))
    (made / "d").write_bytes(make["video"]("blue"))
    return made


def test_the_reader_is_a_reader_of_the_framework(folder: Path) -> None:
    assert issubclass(MediaReader, BaseReader)
    documents = ReaderConfig(reader=MediaReader(seconds=1), reader_args=[str(folder)]).read()
    assert len(documents) == 4
    assert len(MediaNodeParser()(documents)) == 6


def test_the_reader_makes_a_node_per_passage_picture_and_window(folder: Path) -> None:
    documents = MediaReader(seconds=1, characters=30).load_data(folder, metadata={"shelf": 3})
    nodes = MediaNodeParser()(documents)
    assert [node.class_name() for node in nodes] == ["Node"] * 7
    assert [type(json_to_doc(doc_to_json(node))) for node in nodes] == [Node] * 7
    assert [node.metadata["modality"] for node in nodes] == [
        "text",
        "text",
        "image",
        "audio",
        "audio",
        "audio",
        "video",
    ]
    assert [node.metadata.get("start") for node in nodes if node.metadata["modality"] == "audio"] == [0.0, 1.0, 2.0]
    assert len({node.id_ for node in nodes}) == len({node.hash for node in nodes}) == 7
    assert {node.metadata["shelf"] for node in nodes} == {3}
    assert [node.get_content().strip() for node in nodes[:2]] == [
        "One paragraph of words.",
        "Another paragraph of words.",
    ]
    assert nodes[0].get_content(MetadataMode.EMBED) == f"shelf: 3\n\n{nodes[0].get_content()}".strip()


def test_a_relative_path_gives_the_same_nodes_as_the_absolute_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    relative, absolute = (MediaReader(characters=30).load_data(given) for given in ("folder", folder))
    assert relative == absolute
    assert MediaNodeParser()(relative) == MediaNodeParser()(absolute)
    assert all(Path(node.metadata["source"]).is_absolute() for node in relative)


def test_the_reader_reads_only_what_it_is_configured_to_read(folder: Path) -> None:
    nodes = MediaReader(modalities=("image",), root=str(folder)).load_data([folder])
    assert [node.metadata["source"] for node in nodes] == [str(folder / "b.jpg")]
    with pytest.raises(sw.PolicyError):
        MediaReader(root=str(folder / "inner")).load_data(folder / "b.jpg")


def test_the_reader_raises_or_leaves_out_what_it_cannot_read(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "broken.bin").write_bytes(b"\x00\x01\x02")
    with pytest.raises(sw.MediaError, match=r"broken\.bin"):
        MediaReader(on_error="raise").load_data(folder)
    assert len(MediaReader(on_error="skip").load_data([folder, folder / "broken.bin"])) == 4
    assert "broken.bin" in caplog.text


def test_files_met_in_a_folder_are_listed_and_a_file_that_is_named_is_an_error(folder: Path) -> None:
    picture = (folder / "b.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(picture[: len(picture) // 2])
    (folder / "Thumbs.db").write_bytes(bytes(range(256)) * 4)
    reader = MediaReader()
    for _ in range(2):
        assert len(reader.load_data(folder)) == 4
        assert [error.source for error in reader.failed] == [str(folder / "Thumbs.db"), str(folder / "cut.jpg")]
        assert all(error.reason for error in reader.failed)
    for name in ("cut.jpg", "Thumbs.db"):
        with pytest.raises(sw.MediaError, match=name):
            reader.load_data([folder, folder / name])


def test_progress_of_a_reader_is_shown_and_changes_nothing(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert len(MediaReader().load_data(folder, show_progress=True)) == 4
    assert "loading" in capfd.readouterr().err


def test_the_reader_leaves_out_a_file_that_was_cut_short_so_that_embedding_the_rest_does_not_fail(
    embed_model: SenseweaveEmbedding, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    picture = (folder / "b.jpg").read_bytes()
    (folder / "b.jpg").write_bytes(picture[: len(picture) // 2])
    nodes = MediaReader(embed_model=embed_model, on_error="skip").load_data(folder)
    assert "b.jpg" in caplog.text
    assert {node.metadata["modality"] for node in embed_model(nodes)} == {"text", "audio", "video"}
    assert len(MediaReader(on_error="skip", verify=False).load_data(folder / "b.jpg")) == 1
    with pytest.raises(sw.MediaError, match=r"b\.jpg.*broken"):
        MediaReader(verify=True, on_error="raise").load_data(folder)


def test_the_reader_survives_its_dict(folder: Path) -> None:
    reader = MediaReader(seconds=1, policy=sw.MediaPolicy(root=folder, mime_types=("image/*",)))
    again = MediaReader.from_dict(json.loads(json.dumps(reader.to_dict())))
    assert again == reader
    described = MediaReader(embed_model=SenseweaveEmbedding("starter", dimensions=64)).to_dict()
    model = MediaReader.from_dict(json.loads(json.dumps(described))).embed_model
    assert model is not None
    assert model.dimensions == 64


def test_the_reader_cuts_files_into_what_the_model_takes_at_a_time(
    embed_model: SenseweaveEmbedding, space: sw.Space, folder: Path
) -> None:
    nodes = MediaNodeParser()(MediaReader(embed_model=embed_model).load_data(folder / "c.mp3"))
    assert [(node.metadata["start"], node.metadata["end"]) for node in nodes] == [(0.0, 2.0), (1.0, 3.0)]


def test_the_reader_lists_files_of_a_modality_that_the_model_lacks_unless_they_are_named(
    space: sw.Space, folder: Path
) -> None:
    words = SenseweaveEmbedding(space=sw.Space("words", {"text": space.encoders["text"]}))
    reader = MediaReader(embed_model=words)
    with pytest.raises(sw.MediaError, match="is audio, which the model does not embed; it embeds: text"):
        reader.load_data(folder / "c.mp3")
    documents = reader.load_data(folder)
    assert {node.metadata["modality"] for node in words(documents)} == {"text"}
    assert folder / "c.mp3" in [Path(error.source) for error in reader.failed]


def test_the_reader_reads_under_the_policy_of_its_model(space: sw.Space, folder: Path) -> None:
    fenced = SenseweaveEmbedding(space=space, root="/nowhere")
    with pytest.raises(sw.PolicyError):
        MediaReader(embed_model=fenced).load_data(folder)
    assert MediaReader(embed_model=fenced, root=str(folder)).load_data(folder)


async def test_the_reader_gives_the_same_nodes_asynchronously(folder: Path) -> None:
    assert await MediaReader().aload_data(folder) == MediaReader().load_data(folder)


def test_pages_of_a_document_become_words_and_pictures(tmp_path: Path) -> None:
    pdf = tmp_path / "two.pdf"
    pages = [__import__("PIL.Image").Image.new("RGB", (80, 60), colour) for colour in ("red", "blue")]
    pages[0].save(pdf, save_all=True, append_images=pages[1:])
    nodes: list[Any] = MediaNodeParser()(MediaReader(spool=str(tmp_path / "spool")).load_data(pdf))
    assert [(node.metadata["modality"], node.metadata["page"]) for node in nodes] == [("image", 1), ("image", 2)]
    assert all(content(node).startswith(b"\x89PNG") for node in nodes)
    assert {node.metadata["source"] for node in nodes} == {str(pdf)}
