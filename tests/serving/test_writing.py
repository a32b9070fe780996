"""Adding and deleting over HTTP."""

import inspect
import json
import math
from pathlib import Path
from typing import Any

import httpx
import pytest
from loopback_server import Start
from pdf_objects import write_pages

import senseweave as sw
from senseweave.serving.errors import PlainJSON
from senseweave.testing import toy_space


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


def test_an_upload_that_cannot_be_kept_is_a_line_in_the_log_and_the_server_goes_on(
    start: Start, own_index: sw.Index, own_files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = start(own_index, uploads=own_files / "dogs.txt" / "uploads")  # below a file: no folder can be made
    answer = client.post("/api/files", files={"files": ("fox.txt", b"Foxes run.")})
    assert answer.status_code == 507
    assert answer.json()["error"]["code"] == "not_kept"
    assert str(own_files) not in answer.text
    assert "an upload cannot be kept: [Errno 20] Not a directory" in caplog.text
    assert "Traceback" not in caplog.text
    assert client.get("/api/info").status_code == 200


def test_a_server_without_a_folder_takes_no_uploads(start: Start, own_index: sw.Index) -> None:
    client = start(own_index)
    assert client.post("/api/files", files=[("files", ("a.txt", b"a"))]).status_code == 403
    assert client.get("/api/info").json()["uploads"] is False


def test_every_option_of_adding_is_a_field_of_the_form(writer: httpx.Client) -> None:
    schemas = writer.get("/openapi.json").json()["components"]["schemas"]
    (form,) = (schema for name, schema in schemas.items() if "add_files" in name)
    arguments = set(inspect.signature(sw.Index.add).parameters)
    assert arguments - set(form["properties"]) == {"self", "inputs", "on_error", "progress", "sync"}
    assert set(form["properties"]) - arguments == {"files"}
    assert all(field.get("description") for field in form["properties"].values())
    texts = schemas["TextsRequest"]["properties"]
    assert set(texts) - {"texts"} == {"characters", "character_overlap"} <= arguments


@pytest.mark.parametrize("pages", ["separate", "both", "text", "picture"])
def test_pages_of_a_pdf_are_kept_as_the_form_says(
    writer: httpx.Client, own_index: sw.Index, tmp_path: Path, pages: Any
) -> None:
    pytest.importorskip("pypdfium2")
    data = write_pages([["the bicycle costs forty euros"]])
    (tmp_path / "bill.pdf").write_bytes(data)
    answer = writer.post("/api/files", files=[("files", ("bill.pdf", data))], data={"pages": pages, "ocr": "off"})
    assert answer.status_code == 200, answer.text
    with sw.Index(tmp_path / "expected", spaces=[toy_space()]) as expected:
        expected.add(tmp_path / "bill.pdf", pages=pages, ocr="off")
        kept = [record for record in own_index.records() if record.source.endswith("bill.pdf")]
        assert sorted(record.modality for record in kept) == sorted(record.modality for record in expected.records())


def test_passages_are_as_long_as_the_form_says(writer: httpx.Client, own_index: sw.Index) -> None:
    text = "\n\n".join(f"{word} " * 20 for word in ("ones", "twos", "tres"))
    writer.post("/api/files", files=[("files", ("long.txt", text.encode()))], data={"characters": "110"})
    writer.post("/api/texts", json={"texts": [{"text": text, "source": "note"}], "characters": 110})
    for name in ("long.txt", "note"):
        assert len([record for record in own_index.records() if record.source.endswith(name)]) == 3


@pytest.mark.parametrize(
    "options",
    [
        {"pages": "none"}, {"ocr": "perhaps"}, {"overlap": "nan"}, {"overlap": "-1"}, {"characters": "0"},
        {"encoding": "no-such"}, {"character_overlap": "-1"},
    ],
    ids=str,
)  # fmt: skip
def test_an_option_without_sense_is_refused_and_nothing_kept(
    writer: httpx.Client, uploads: Path, options: dict[str, str]
) -> None:
    answer = writer.post("/api/files", files=[("files", ("a.txt", b"words"))], data=options)
    assert answer.status_code == 422
    assert next(iter(options)) in answer.json()["error"]["message"]
    assert not kept(uploads)


def test_a_number_that_json_does_not_have_is_null() -> None:
    answer = PlainJSON({"scores": [0.5, math.nan, -math.inf], "value": {"a": math.inf}})
    assert json.loads(answer.body, parse_constant=pytest.fail) == {"scores": [0.5, None, None], "value": {"a": None}}
