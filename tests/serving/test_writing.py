"""Adding and deleting over HTTP."""

import json
from pathlib import Path

import httpx
import pytest
from loopback_server import Start

import senseweave as sw


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    return tmp_path / "uploads"


@pytest.fixture
def writer(start: Start, own_index: sw.Index, uploads: Path) -> httpx.Client:
    return start(own_index, uploads=uploads)


def kept(uploads: Path) -> list[Path]:
    return [path for path in uploads.rglob("*") if path.is_file()]


def test_texts_are_added_and_found(writer: httpx.Client) -> None:
    texts = [{"text": "a violin plays", "source": "note 7", "metadata": {"year": 2024}}]
    answer = writer.post("/api/texts", json={"texts": texts})
    assert answer.json()["counts"]["added"] == 1
    hit = writer.post("/api/search", json={"query": "a violin plays", "k": 1}).json()["hits"][0]
    assert (hit["source"], hit["metadata"]["year"]) == ("note 7", 2024)


def test_a_text_is_not_filed_under_a_path(writer: httpx.Client) -> None:
    for source in ("/etc/passwd", "file:///etc/passwd"):
        answer = writer.post("/api/texts", json={"texts": [{"text": "a", "source": source}]})
        assert answer.status_code == 422


def test_an_upload_is_kept_found_and_shown_and_removed_with_its_record(
    writer: httpx.Client, uploads: Path, own_files: Path
) -> None:
    data = (own_files / "sample-0.png").read_bytes() + b"\0"  # other bytes than the file that is there
    answer = writer.post(
        "/api/files", files=[("files", ("../../new picture.png", data))], data={"metadata": '{"a": 1}'}
    )
    assert answer.json()["counts"]["added"] == 1
    (path,) = kept(uploads)
    assert path.name == "new picture.png"
    records = writer.get("/api/records", params={"filter": '{"a": 1}'}).json()["records"]
    assert writer.get(records[0]["links"]["original"]).content == data
    assert writer.delete(f"/api/records/{records[0]['id']}").json()["deleted"] == 1
    assert kept(uploads) == []
    assert writer.get(records[0]["links"]["record"]).status_code == 404
    assert (own_files / "sample-0.png").exists()


def test_what_cannot_be_added_is_named_and_not_kept(writer: httpx.Client, uploads: Path, own_files: Path) -> None:
    broken = (own_files / "sample-0.png").read_bytes()[:60]
    sent = [("files", ("broken.png", broken)), ("files", ("good.txt", b"some words"))]
    answer = writer.post("/api/files", files=sent).json()
    assert answer["counts"]["added"] == 1
    assert [failure["source"] for failure in answer["failed"]] == ["broken.png"]
    assert str(uploads) not in json.dumps(answer)
    assert [path.name for path in kept(uploads)] == ["good.txt"]


@pytest.mark.parametrize("metadata", ["[1]", "{", '{"source": "/etc/passwd"}', '{"deep": {"a": 1}}'])
def test_metadata_that_cannot_be_kept_are_an_error(writer: httpx.Client, uploads: Path, metadata: str) -> None:
    answer = writer.post("/api/files", files=[("files", ("a.txt", b"words"))], data={"metadata": metadata})
    assert answer.status_code == 422
    assert kept(uploads) == []


def test_a_source_is_deleted_with_all_its_records(writer: httpx.Client, own_index: sw.Index, own_files: Path) -> None:
    source = str(own_files / "sample-1.wav")
    assert writer.delete("/api/sources", params={"source": source}).json()["deleted"] == 1
    assert source not in own_index.sources()
    assert Path(source).exists()


def test_a_read_only_server_has_no_routes_that_change_anything(
    start: Start, own_index: sw.Index, uploads: Path
) -> None:
    client = start(own_index, read_only=True, uploads=uploads)
    identifier = next(own_index.records()).id
    before = len(own_index)
    assert client.post("/api/texts", json={"texts": [{"text": "a"}]}).status_code == 404
    assert client.post("/api/files", files=[("files", ("a.txt", b"a"))]).status_code == 404
    assert client.delete(f"/api/records/{identifier}").status_code == 405
    assert client.delete("/api/sources", params={"source": "a"}).status_code == 405
    assert len(own_index) == before
    assert client.get("/api/info").json()["uploads"] is False


def test_a_server_without_a_folder_takes_no_uploads(start: Start, own_index: sw.Index) -> None:
    client = start(own_index)
    assert client.post("/api/files", files=[("files", ("a.txt", b"a"))]).status_code == 403
    assert client.get("/api/info").json()["uploads"] is False
