"""Uploads stay as long as something needs them, and nothing but uploads is ever removed."""

import io
from pathlib import Path

import httpx
import pytest
from loopback_server import Start

import senseweave as sw
from senseweave.serving.uploads import Uploads, safe_name

DATA = b"Foxes run in the field."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "uploads"


@pytest.fixture
def uploads(folder: Path, own_index: sw.Index) -> Uploads:
    return Uploads(folder, own_index)


def given(name: str = "fox.txt", data: bytes = DATA) -> list[tuple[str | None, io.BytesIO]]:
    return [(name, io.BytesIO(data))]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\photo.JPG", "photo.JPG"),
        (".htaccess", "htaccess"),
        ("...", "upload"),
        ("", "upload"),
        (None, "upload"),
        ("a$(rm -rf).txt", "a_(rm -rf).txt"),
        ("a\x00b\n.txt", None),
        ("x.tar.a-very-long-suffix", "x.tar.a-very-long-"),
        ("漢" * 200 + "." + "漢" * 30, None),
        ("\N{CJK UNIFIED IDEOGRAPH-20000}" * 200 + ".txt", None),
        ("\N{CJK UNIFIED IDEOGRAPH-20000}" * 200, None),
    ],
)
def test_a_name_is_a_file_name_that_every_file_system_takes(name: str | None, safe: str | None, tmp_path: Path) -> None:
    kept = safe_name(name)
    assert safe is None or kept == safe
    assert safe_name(kept) == kept
    (tmp_path / kept).write_bytes(DATA)
    assert [path.name for path in tmp_path.iterdir()] == [kept]


def test_an_upload_without_a_record_is_removed_when_it_is_let_go(uploads: Uploads, folder: Path) -> None:
    (kept,) = uploads.keep(given())
    assert kept.read_bytes() == DATA
    uploads.release([kept])
    assert not list(folder.iterdir())


def test_an_upload_stays_while_another_request_adds_it(uploads: Uploads, own_index: sw.Index) -> None:
    (kept,) = uploads.keep(given())
    (again,) = uploads.keep(given())
    assert kept == again
    uploads.release([kept])
    uploads.remove_unused(str(kept))
    assert kept.exists()
    own_index.add(kept)
    uploads.release([kept])
    assert kept.exists()
    own_index.delete(sources=[kept])
    uploads.remove_unused(str(kept))
    assert not kept.exists()


def test_uploads_of_which_one_cannot_be_written_leave_nothing(
    uploads: Uploads, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Torn(io.BytesIO):
        def seek(self, *_: int) -> int:
            raise OSError("the connection broke")

    with pytest.raises(OSError, match="broke"):
        uploads.keep([*given("a.txt"), ("b.txt", Torn(b"torn"))])
    assert not [path for path in folder.rglob("*") if path.is_file()]
    (kept,) = uploads.keep(given("a.txt"))
    uploads.release([kept])
    assert not kept.exists(), "the failed request still holds it"


OTHERS = {
    "above the folder": "{uploads}/../precious.txt",
    "above a folder of an upload": "{uploads}/0123456789abcdef/../../precious.txt",
    "through the folder's own name": "{uploads}/../uploads/../precious.txt",
    "a file URL": "file://{uploads}/../precious.txt",
    "a file of the user's in the folder": "{uploads}/mine.txt",
    "a file of the user's below the folder": "{uploads}/photos/mine.txt",
    "a file that is being written": "{uploads}/0123456789abcdef/.0123.new",
    "the folder": "{uploads}",
    "the folder of an upload": "{uploads}/0123456789abcdef",
}


@pytest.mark.parametrize("source", OTHERS.values(), ids=OTHERS)
def test_deleting_a_source_removes_no_file_but_an_upload(
    start: Start, own_index: sw.Index, tmp_path: Path, folder: Path, source: str
) -> None:
    files = [
        tmp_path / "precious.txt",
        folder / "mine.txt",
        folder / "photos" / "mine.txt",
        folder / "0123456789abcdef" / ".0123.new",
    ]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("mine")
    client: httpx.Client = start(own_index, uploads=folder)
    answer = client.delete("/api/sources", params={"source": source.format(uploads=folder)})
    assert answer.json() == {"deleted": 0}
    assert all(file.exists() for file in files)


def test_deleting_a_strangers_record_removes_no_file(
    start: Start, own_index: sw.Index, tmp_path: Path, folder: Path
) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    folder.mkdir()
    description = next(entry for (_, kind), entry in own_index._store.descriptions.items() if kind == "text")
    record = next(own_index._store.get(description))
    own_index._store.update_metadata(description, {record.id: {"source": f"{folder}/../precious.txt"}})
    answer = start(own_index, uploads=folder).delete(f"/api/records/{record.id}")
    assert answer.json()["deleted"] == 1
    assert precious.exists()
