"""Files whose names are not Unicode: stored, found, opened again and deleted, by the core, commands and frameworks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import START, piped
from haystack_integrations.common.senseweave import document_to_media
from haystack_integrations.components.converters.senseweave import MediaToDocument
from llama_index.core.schema import MetadataMode
from llama_index.embeddings.senseweave import MediaNodeParser, MediaReader, media_from_node

import senseweave as sw
from langchain_senseweave import MediaLoader, content_blocks, document_from_hit, media_from_document
from senseweave.interop import place_label, read_metadata
from senseweave.testing.toys import toy_space

sys.path.insert(0, str(Path(__file__).parent / "retrieval"))

TEXT, PICTURE, EMPTY, UNKNOWN = b"note\xff #1?.txt", b"cat\xe4.jpg", b"empty\xfe.txt", b"blob\xfd.xyz"
URLS = ("folder%E9/cat%E4.jpg", "note%FF%20%231%3F.txt")


@pytest.fixture
def folder(tmp_path: Path, corpus: Path) -> Path:
    """A folder in which a text, a picture, an empty and an unsupported file have such names, and a text has not."""
    folder = tmp_path / "notes"
    folder.mkdir()
    picture = (corpus / "images" / "photo-01.jpg").read_bytes()
    contents = {TEXT: b"bread", b"folder\xe9/" + PICTURE: picture, EMPTY: b"", UNKNOWN: bytes(range(256)) * 4}
    try:
        os.mkdir(os.path.join(os.fsencode(folder), b"folder\xe9"))
    except OSError:
        pytest.skip("this file system takes Unicode names alone")
    for name, content in contents.items():
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(content)
    (folder / "good.txt").write_text("tomatoes")
    return folder


def path(folder: Path, name: bytes) -> str:
    return os.path.join(folder, os.fsdecode(name))


def urls(folder: Path) -> list[str]:
    return [f"file://{folder}/{name}" for name in URLS]


@pytest.fixture
def index(tmp_path: Path, folder: Path):
    from tiny_space import make_space

    with sw.Index(tmp_path / "index", spaces=[make_space()]) as index:
        report = index.add(folder)
        assert report.added == 3
        assert sorted(error.reason.split(",")[0] for error in report.failed) == [
            "is application/octet-stream",
            "is empty (0 bytes)",
        ]
        yield index


def test_such_a_file_is_stored_once_found_and_opened_again(index, folder):
    assert index.add(folder, sync=True).skipped == 3
    assert sorted(index.sources()) == sorted([str(folder / "good.txt"), *urls(folder)])
    assert index.search("bread", k=1)[0].source == urls(folder)[1]
    hit = index.search("anything", k=1, modalities={"image"})[0]
    assert (hit.source, hit.media.sha256) == (urls(folder)[0], sw.Image(path(folder, b"folder\xe9/" + PICTURE)).sha256)
    assert not index.verify(sources=True).problems


def test_a_changed_file_replaces_its_records_and_a_file_that_is_gone_loses_them(index, folder):
    Path(path(folder, TEXT)).write_text("cake")
    os.remove(path(folder, b"folder\xe9/" + PICTURE))
    report = index.add(folder, sync=True)
    assert (report.added, report.replaced, report.deleted) == (1, 1, 1)
    Path(path(folder, TEXT)).write_text("")
    assert index.add(folder).replaced == 1
    assert list(index.sources()) == [str(folder / "good.txt")]


@pytest.mark.parametrize("given", ["path", "url"])
def test_such_a_file_is_deleted_by_its_path_and_by_what_it_is_filed_under(index, folder, given):
    assert index.delete(sources=path(folder, TEXT) if given == "path" else urls(folder)[1]) == 1
    assert len(index) == 2


def test_an_export_takes_them_along(index, folder, tmp_path):
    index.export(tmp_path / "export.jsonl")
    with sw.Index(tmp_path / "other", spaces=[]) as other:
        assert other.import_(tmp_path / "export.jsonl") == 3
        assert other.sources() == index.sources()


def test_a_label_of_half_characters_fails_alone(index):
    report = index.add([sw.Text("cake", source="a\ud800"), sw.Text("pie", source="b")], on_error="skip")
    assert (report.added, len(report.failed)) == (1, 1)
    assert "half characters" in str(report.failed[0])
    str(report.failed[0]).encode()


def test_commands_list_print_and_delete_them(index, folder):
    place = index._store.store.folder
    listed = json.loads(piped("list", place, "--json").stdout)
    assert sorted(entry["source"] for entry in listed) == sorted([str(folder / "good.txt"), *urls(folder)])
    assert urls(folder)[0] in piped("list", place).stdout
    printed = piped("list", place, "--paths").stdout
    assert f"{folder}/note\\xff #1?.txt" in printed.splitlines()
    for number, name in enumerate((TEXT, b"folder\xe9"), 1):
        arguments = ("delete", str(place), path(folder, name), "--json")
        done = subprocess.run([sys.executable, "-c", START, *arguments], capture_output=True)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"deleted": 1, "size": 3 - number}


def test_langchain_loads_and_opens_them(folder):
    with pytest.warns(UserWarning, match="is empty"):
        documents = MediaLoader(folder).load()
    assert sorted(document.metadata["source"] for document in documents) == sorted(
        [str(folder / "good.txt"), *urls(folder)]
    )
    media = {document.metadata["modality"]: media_from_document(document) for document in documents}
    assert media["image"].sha256 == sw.Image(path(folder, b"folder\xe9/" + PICTURE)).sha256
    json.dumps([document.model_dump() for document in documents]).encode()


def test_langchain_shows_a_model_their_name_and_no_folder(index, folder):
    hit = index.search("bread", k=1)[0]
    blocks = json.dumps(content_blocks([document_from_hit(hit)]))
    assert "note%FF" in blocks
    assert str(folder) not in blocks
    assert place_label(hit.provenance).startswith("text note%FF%20%231%3F.txt #")


def test_llamaindex_loads_and_opens_them(folder):
    nodes = MediaNodeParser()(MediaReader(on_error="skip").load_data(folder))
    assert sorted(node.metadata["source"] for node in nodes) == sorted([str(folder / "good.txt"), *urls(folder)])
    picture = next(node for node in nodes if node.metadata["modality"] == "image")
    again = type(picture).from_json(picture.to_json())
    assert media_from_node(again).sha256 == sw.Image(path(folder, b"folder\xe9/" + PICTURE)).sha256
    assert str(folder) not in picture.get_content(MetadataMode.LLM)


def test_haystack_loads_and_opens_them(folder):
    sources = [path(folder, name) for name in (TEXT, b"folder\xe9/" + PICTURE, EMPTY, UNKNOWN)]
    found = MediaToDocument(on_error="skip").run(sources=sources)
    assert [read_metadata(document.meta).source for document in found["documents"]] == urls(folder)[::-1]
    assert len(found["failed"]) == 2
    media = document_to_media(found["documents"][1], policy=sw.MediaPolicy())
    assert media.sha256 == sw.Image(sources[1]).sha256
    json.dumps([document.to_dict() for document in found["documents"]]).encode()


@pytest.mark.parametrize(
    "label", ["file:draft", "file:///gone.txt%", "file://[", "file://elsewhere/a.txt", "file:///a%00b"]
)
def test_a_label_that_only_looks_like_a_file_url_is_a_label(tmp_path, label):
    with sw.Index(tmp_path / "index", spaces=["starter"]) as index:
        index.add([sw.Text("bread", source=label)])
        index.add([sw.Text("bread", source="elsewhere")])
        sources = index.search("bread", k=1)[0].sources
        assert "elsewhere" in sources
        assert (label in sources) == (label not in ("file:///gone.txt%", "file:///a%00b"))


def test_a_transcript_of_such_a_name_plays_the_recording_beside_it(tmp_path, folder, corpus):
    Path(path(folder, b"talk\xff.srt")).write_text("1\n00:00:01,000 --> 00:00:02,000\nhello there\n")
    recording = Path(path(folder, b"talk\xff.mp3"))
    recording.write_bytes((corpus / "audio" / "recording-03.mp3").read_bytes())
    with sw.Index(tmp_path / "index", spaces=[toy_space(modalities=("text",))]) as index:
        assert index.add(path(folder, b"talk\xff.srt")).added == 1
        hit = index.search("hello there", k=1)[0]
        assert hit.source == f"file://{folder}/talk%FF.srt"
        assert hit.recording.span == (1.0, 2.0)
        assert hit.recording.source == str(recording)
