"""Four writers and four readers of one record: the core, LangChain, LlamaIndex and Haystack agree on every chunk."""

import tarfile
import wave
import zipfile
from pathlib import Path

import chromadb
import docx
import numpy as np
import pytest
from haystack import Document as HaystackDocument
from haystack_integrations.common.senseweave import document_to_media
from haystack_integrations.components.converters.senseweave import MediaToDocument
from langchain_core.documents import Document
from llama_index.core.schema import TextNode
from llama_index.embeddings.senseweave.items.nodes import media_from_node, node_from_media
from PIL import Image as PillowImage
from shared_space import tiny_space

import senseweave as sw
from langchain_senseweave import document_from_media, media_from_document
from senseweave.encoders.base import Encoded, Encoder, Prepared
from senseweave.interop import read_metadata
from senseweave.media import split
from senseweave.media.base import source_name
from senseweave.retrieval.stores.memory import MemoryStore
from senseweave.spaces.space import Space

CHUNKS = ["text", "page", "image", "window", "segment", "picture inside", "text inside"]
RETRIEVAL = Path(__file__).parent / "retrieval"


@pytest.fixture(scope="module")
def tiny():
    """The module of a small real space that the retrieval tests share."""
    return tiny_space()


class Footage(Encoder):
    """The mean color of a few frames."""

    modality = "video"
    dimension = 64
    window_seconds = 1.0
    decode_options = {"frames": 2, "sampling_rate": None}  # noqa: RUF012

    def prepare(self, items, role):
        return [Prepared(item) for item in items]

    def forward(self, batch):
        colors = np.stack([item.data.frames.reshape(-1, 3).mean(axis=0) for item in batch]) + 1
        return Encoded(np.pad(colors, ((0, 0), (0, 61))).astype(np.float32))

    def identity(self):
        return {"family": "footage"}


@pytest.fixture(scope="module")
def space(tiny):
    encoders = {"text": tiny.HashedWords(), "image": tiny.Colours(), "audio": tiny.Pitch(), "video": Footage()}
    return Space("all four", encoders)


def write_docx(path, picture, inside=None):
    """A Word document with a picture, and with another document inside."""
    document = docx.Document()
    document.add_paragraph("the ferry leaves at noon")
    document.add_picture(str(picture))
    document.save(path)
    if inside is not None:
        with zipfile.ZipFile(path, "a") as package:
            package.write(inside, "word/embeddings/inner.docx")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory, corpus):
    """A file of each kind of chunk."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "note.txt").write_text("the last train leaves at midnight")
    pages = [PillowImage.new("RGB", (40, 60), color) for color in ("red", "green", "blue")]
    pages[0].save(folder / "report.pdf", save_all=True, append_images=pages[1:])
    pages[1].save(folder / "photo.png")
    return {
        "text": folder / "note.txt",
        "page": folder / "report.pdf",
        "image": folder / "photo.png",
        "picture inside": write_docx(folder / "report.docx", folder / "photo.png"),
        "text inside": write_docx(folder / "outer.docx", folder / "photo.png", folder / "report.docx"),
        "window": next((corpus / "audio").iterdir()),
        "segment": next((corpus / "video").iterdir()),
    }


@pytest.fixture(scope="module")
def chunks(files):
    """The chunk of each kind that all four write."""
    windows = list(split(sw.Audio(files["window"]), seconds=2.0))
    segments = list(split(sw.Video(files["segment"]), seconds=1.0))
    return {
        "text": sw.Text.open(files["text"]),
        "page": sw.Image(files["page"], page=2),
        "image": sw.Image(files["image"]),
        "window": windows[1],
        "segment": segments[1],
        "picture inside": sw.Image(files["picture inside"], part="word/media/image1.png"),
        "text inside": sw.Text.open(files["text inside"], part="word/embeddings/inner.docx"),
    }


def write_core(chunk, space, metadata):
    store = MemoryStore()
    with sw.Index(store, spaces=[space]) as index:
        report = index.add(chunk, metadata=metadata)
        assert (report.added, report.failed) == (1, [])
        name = f"all-four-{chunk.modality}"
        (record,) = store.get(name)
    return record.metadata, record.text


def write_langchain(chunk, space, metadata):
    document = document_from_media(chunk, metadata=metadata)
    return document.metadata, document.page_content


def write_llama_index(chunk, space, metadata):
    node = node_from_media(chunk, metadata=metadata)
    return node.metadata, node.get_content()


def write_haystack(chunk, space, metadata):
    seconds = chunk.span[1] - chunk.span[0] if chunk.span else None
    converter = MediaToDocument(seconds=seconds, on_error="raise")
    for document in converter.run([source_name(chunk)], meta=metadata)["documents"]:
        found = read_metadata(document.meta)
        place = chunk.modality, chunk.span, chunk.page, chunk.part_name
        if (found.modality, found.span, found.page, found.part) == place:
            return document.meta, document.content
    raise AssertionError(f"no document of {chunk}")


WRITERS = {
    "core": write_core,
    "LangChain": write_langchain,
    "LlamaIndex": write_llama_index,
    "Haystack": write_haystack,
}
READERS = {
    "core": lambda metadata, text: read_metadata(metadata).media(text),
    "LangChain": lambda metadata, text: media_from_document(Document(text, metadata=metadata)),
    "LlamaIndex": lambda metadata, text: media_from_node(TextNode(text=text, metadata=metadata)),
    "Haystack": lambda metadata, text: document_to_media(
        HaystackDocument(content=text, meta=metadata), policy=sw.MediaPolicy()
    ),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("kind", CHUNKS)
def test_what_one_writes_every_other_reads_as_the_same_media(kind, writer, reader, chunks, space):
    chunk = chunks[kind]
    metadata, text = WRITERS[writer](chunk, space, {"shelf": 3})
    assert all(isinstance(value, (str, int, float, bool)) for value in metadata.values())
    assert metadata["shelf"] == 3
    media = READERS[reader](metadata, text)
    assert (media.modality, media.span, media.page) == (chunk.modality, chunk.span, chunk.page)
    assert media.part_name == chunk.part_name
    if chunk.modality == "text":
        assert media.decode() == chunk.decode()
    else:
        assert (media.source, media.sha256) == (str(chunk.source), chunk.sha256)
    expected, found = space.embed([chunk, media], role="document")
    assert found @ expected == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("kind", CHUNKS)
def test_all_four_write_the_same_provenance(kind, chunks, space):
    chunk = chunks[kind]
    written = {name: read_metadata(write(chunk, space, {"shelf": 3})[0]) for name, write in WRITERS.items()}
    told = {
        (
            provenance.modality,
            provenance.source,
            provenance.span,
            provenance.page,
            provenance.part,
            provenance.mime_type,
            provenance.sha256,
        )
        for provenance in written.values()
    }
    assert len(told) == 1, written


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("writer", ["LangChain", "LlamaIndex"])  # the core refuses them, Haystack's converter cuts
@pytest.mark.parametrize("own", [{"start": 5}, {"start": 1, "end": 2}, {"end_s": 2}, {"part": "!/x.png"}], ids=str)
def test_a_users_numbers_on_a_whole_recording_neither_cut_it_nor_make_it_unreadable(writer, reader, own, chunks, space):
    whole = sw.Audio(source_name(chunks["window"]))
    metadata, text = WRITERS[writer](whole, space, own)
    assert {name: metadata[f"user_{name}"] for name in own} == own
    media = READERS[reader](metadata, text)
    assert (media.modality, media.source, media.span) == ("audio", whole.source, None)


@pytest.mark.parametrize("own", [{"start": 0.0, "end": 0.0}, {"start": 2.0, "end": 1.0}, {"start": 1.0}], ids=str)
def test_numbers_that_are_no_span_are_an_error_for_every_reader_and_not_all_of_the_recording(chunks, own):
    path = source_name(chunks["window"])
    metadata = {"modality": "audio", "source": path, **own}
    documents = [
        lambda: read_metadata(metadata).media("a tone"),
        lambda: media_from_document(Document("a tone", metadata=metadata)),
        lambda: media_from_node(TextNode(text="a tone", metadata=metadata)),
        lambda: document_to_media(HaystackDocument(content="a tone", meta=metadata), policy=sw.MediaPolicy()),
    ]
    for read in documents:
        with pytest.raises(sw.MediaError, match="0 <= start < end"):
            read()


@pytest.mark.parametrize("reader", READERS)
def test_a_folder_of_the_first_version_is_read_by_all(reader, tmp_path, own_chroma):
    with tarfile.open(RETRIEVAL / "data" / "index-0.1.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    client = chromadb.PersistentClient(path=str(tmp_path / "index-0.1"))
    sounds = client.get_collection("tiny-audio", embedding_function=None).get()
    recording = tmp_path / "song.wav"  # in the place of the one that was added, which is gone
    with wave.open(str(recording), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.full(6 * 16_000, 9, "<i2").tobytes())
    spans = set()
    for metadata, text in zip(sounds["metadatas"], sounds["documents"], strict=True):
        assert metadata["source"] == "/photos/song-again.wav"
        known = {**metadata, "source": str(recording), "sha256": sw.Audio(recording).sha256}
        media = READERS[reader](known, text)
        assert (media.modality, media.source) == ("audio", str(recording))
        spans.add(media.span)
    assert spans == {(0.0, 2.0), (2.0, 4.0), (4.0, 6.0)}
