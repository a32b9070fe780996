"""Files are served only if the index names them and they are what it recorded."""

import hashlib
import io
import os
import wave
from pathlib import Path

import httpx
import numpy as np
import pytest
from loopback_server import Start
from PIL import Image

import senseweave as sw
from senseweave.serving.previews import cut_video
from senseweave.serving.ranges import parse_range
from senseweave.testing import toy_space

SECRET = "root:x:0:0: nobody may read this\n"


def record_id(index: sw.Index, name: str) -> str:
    return next(record.id for record in index.records() if record.source.endswith(name))


def original(client: httpx.Client, identifier: str, **headers: str) -> httpx.Response:
    return client.get(f"/api/records/{identifier}/original", headers=headers)


def test_an_original_is_sent_as_it_is_with_its_type(client: httpx.Client, index: sw.Index, files: Path) -> None:
    for name, mime_type in {"sample-1.png": "image/png", "sample-1.wav": "audio/", "dogs.txt": "text/plain"}.items():
        answer = original(client, record_id(index, name))
        assert answer.status_code == 200
        assert answer.content == (files / name).read_bytes()
        assert answer.headers["content-type"].startswith(mime_type)
        assert answer.headers["content-security-policy"].startswith("sandbox")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert f"''{name}" in answer.headers["content-disposition"]


def test_ranges_and_validators(client: httpx.Client, index: sw.Index, files: Path) -> None:
    identifier, data = record_id(index, "sample-0.mp4"), (files / "sample-0.mp4").read_bytes()
    answer = original(client, identifier, range="bytes=10-19")
    assert answer.status_code == 206
    assert answer.content == data[10:20]
    assert answer.headers["content-range"] == f"bytes 10-19/{len(data)}"
    assert original(client, identifier, range="bytes=-5").content == data[-5:]
    assert original(client, identifier, range=f"bytes={len(data)}-").status_code == 416
    etag = answer.headers["etag"]
    assert etag == f'"{hashlib.sha256(data).hexdigest()}"'
    assert original(client, identifier, **{"if-none-match": etag}).status_code == 304
    assert original(client, identifier, **{"if-none-match": "*"}).status_code == 304
    assert original(client, identifier, range="bytes=0-1", **{"if-range": '"other"'}).status_code == 200
    head = client.head(f"/api/records/{identifier}/original")
    assert head.headers["content-length"] == str(len(data))
    assert head.content == b""


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, (0, 100)),
        ("bytes=0-", (0, 100)),
        ("bytes=5-200", (5, 100)),
        ("bytes=-200", (0, 100)),
        ("bytes=9-5", None),
        ("bytes=100-", None),
        ("bytes=-0", None),
        ("bytes=1-2,4-5", (0, 100)),
        ("lines=1-2", (0, 100)),
        ("bytes=" + "9" * 40 + "-", (0, 100)),
    ],
)
def test_a_range_is_inside_the_file(header: str | None, span: tuple[int, int] | None) -> None:
    assert parse_range(header, 100) == span


def test_thumbnails_are_small_pictures(client: httpx.Client, index: sw.Index) -> None:
    for name in ("sample-0.png", "sample-0.mp4"):
        answer = client.get(f"/api/records/{record_id(index, name)}/thumbnail", params={"width": 64})
        assert answer.headers["content-type"] == "image/jpeg"
        assert Image.open(io.BytesIO(answer.content)).width <= 160
    drawn = client.get(f"/api/records/{record_id(index, 'sample-0.wav')}/thumbnail")
    assert drawn.headers["content-type"] == "image/svg+xml"
    assert drawn.text.count("<rect") == 96
    assert client.get(f"/api/records/{record_id(index, 'dogs.txt')}/thumbnail").status_code == 404


def test_a_waveform_is_the_loudness_over_time(client: httpx.Client, index: sw.Index) -> None:
    peaks = client.get(f"/api/records/{record_id(index, 'sample-0.wav')}/waveform").json()["peaks"]
    assert len(peaks) == 96
    assert max(peaks) == 1
    assert max(peaks[70:75]) < 0.2  # the sine of its loudness is at its lowest after three quarters of the second


def test_a_span_of_sound_is_cut_exactly(client: httpx.Client, index: sw.Index) -> None:
    answer = client.get(f"/api/records/{record_id(index, 'sample-0.wav')}/clip", params={"start": 0.25, "end": 0.75})
    with wave.open(io.BytesIO(answer.content)) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(0.5, abs=0.01)


def test_a_span_of_a_video_plays_alone(client: httpx.Client, index: sw.Index) -> None:
    answer = client.get(f"/api/records/{record_id(index, 'sample-0.mp4')}/clip", params={"start": 0.0, "end": 0.5})
    assert answer.headers["content-type"] == "video/mp4"
    clip = sw.Video(answer.content).decode(frames=2)
    assert clip.frames[0].shape == (64, 96, 3)
    assert sw.Video(answer.content).duration == pytest.approx(0.5, abs=0.15)


def test_a_span_that_makes_no_sense_is_refused(client: httpx.Client, index: sw.Index) -> None:
    url = f"/api/records/{record_id(index, 'sample-0.wav')}/clip"
    for span in ({"start": 2, "end": 1}, {"start": 0, "end": 9999}, {"start": "nan", "end": 1}):
        assert client.get(url, params=span).status_code == 422
    for name in ("sample-0.wav", "sample-0.mp4"):
        url = f"/api/records/{record_id(index, name)}/clip"
        for start, end in ((1e18, 1e18 + 256), (1e15, 1e15 + 1), ("inf", "inf"), (0, "inf"), (-1, 1), (14_399, 14_400)):
            answer = client.get(url, params={"start": start, "end": end})
            assert answer.status_code == 422, (name, start, answer.text)
            assert set(answer.json()["error"]) == {"message", "type", "code", "param"}
    assert client.get(f"/api/records/{record_id(index, 'dogs.txt')}/clip").status_code == 404


def planted(index: sw.Index, modality: str, **changes: object) -> str:
    """Change what a record says of its file, as a stranger's folder could."""
    for (_, kind), description in index._store.descriptions.items():
        if kind == modality:
            record = next(index._store.get(description))
            index._store.update_metadata(description, {record.id: changes})
            return record.id
    raise AssertionError(modality)


@pytest.mark.parametrize("modality", ["text", "image", "audio", "video"])
def test_no_index_chooses_a_file_that_it_does_not_know(
    start: Start, own_index: sw.Index, tmp_path: Path, modality: str
) -> None:
    secret = tmp_path / "passwd"
    secret.write_text(SECRET)
    identifier = planted(own_index, modality, source=str(secret))
    client = start(own_index)
    for kind in ("original", "thumbnail", "clip", "waveform"):
        answer = client.get(f"/api/records/{identifier}/{kind}")
        assert answer.status_code in (404, 410)
        assert "root:" not in answer.text
        assert str(tmp_path) not in answer.text
    for parts in ([{"like": identifier}], [{"like": identifier}, {"text": "words"}]):
        answer = client.post("/api/search", json={"parts": parts})  # asks with stored vectors, and reads no file
        assert answer.status_code == 200
        assert "root:" not in answer.text


@pytest.mark.parametrize("changes", [{"sha256": None}, {"fused": "[]"}], ids=["no hash", "fused"])
def test_a_record_that_does_not_say_what_its_file_is_has_none(
    start: Start, own_index: sw.Index, changes: dict[str, object]
) -> None:
    identifier = planted(own_index, "image", **changes)
    answer = start(own_index).get(f"/api/records/{identifier}/original")
    assert answer.status_code == 404


def test_a_file_that_changed_or_leads_elsewhere_is_not_served(
    start: Start, own_index: sw.Index, own_files: Path, tmp_path: Path
) -> None:
    client = start(own_index)
    identifier, path = record_id(own_index, "sample-2.png"), own_files / "sample-2.png"
    kinds = ("original", "thumbnail?width=640")
    assert original(client, identifier).status_code == 200  # its hash is remembered
    secret = tmp_path / "secret.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(secret)
    path.unlink()
    path.symlink_to(secret)
    assert [client.get(f"/api/records/{identifier}/{kind}").status_code for kind in kinds] == [410, 410]
    path.unlink()
    assert [client.get(f"/api/records/{identifier}/{kind}").status_code for kind in kinds] == [410, 410]
    os.mkfifo(path)
    assert [client.get(f"/api/records/{identifier}/{kind}").status_code for kind in kinds] == [410, 410]


def test_the_policy_of_the_index_holds(start: Start, tmp_path: Path, own_files: Path) -> None:
    with sw.Index(tmp_path / "other", spaces=[toy_space()]) as index:
        index.add(own_files / "sample-0.png")
        index.policy = sw.MediaPolicy(root=tmp_path / "elsewhere")
        identifier = record_id(index, "sample-0.png")
        answer = original(start(index), identifier)
        assert answer.status_code == 410
        assert "elsewhere" not in answer.text


def test_what_a_browser_would_run_is_only_downloaded(start: Start, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p>A page about <b>dogs</b></p><script>alert(1)</script>")
    with sw.Index(tmp_path / "pages", spaces=[toy_space()]) as index:
        index.add(page)
        answer = original(start(index), record_id(index, "page.html"))
    assert answer.content == page.read_bytes()
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_text_that_was_added_without_a_file_has_none(start: Start, tmp_path: Path) -> None:
    with sw.Index(tmp_path / "texts", spaces=[toy_space()]) as index:
        index.add(sw.Text("a note", source="note 1"))
        record = start(index).get("/api/records").json()["records"][0]
    assert record["text"] == "a note"
    assert set(record["links"]) == {"record"}


def test_records_and_sources_are_listed_by_pages(client: httpx.Client, index: sw.Index, files: Path) -> None:
    seen: list[str] = []
    offset: int | None = 0
    while offset is not None:
        page = client.get("/api/records", params={"limit": 4, "offset": offset}).json()
        seen += [record["id"] for record in page["records"]]
        offset = page["next_offset"]
    assert sorted(seen) == sorted(record.id for record in index.records())
    images = client.get("/api/records", params={"modality": "image", "filter": '{"mime_type": "image/png"}'}).json()
    assert {record["source"] for record in images["records"]} == {str(files / f"sample-{at}.png") for at in range(3)}
    listed = client.get("/api/sources", params={"limit": 2}).json()
    assert listed["total"] == 11
    assert [entry["source"] for entry in listed["sources"]] == sorted(index.sources())[:2]
    assert client.get("/api/records", params={"filter": "{"}).status_code == 422
    assert client.get("/api/records", params={"filter": '{"$no": 1}'}).status_code == 422


@pytest.mark.parametrize(("span", "key_frame"), [((0.0, 2.0), 0.0), ((9.5, 11.0), 8.5)])
def test_a_cut_video_keeps_all_pictures_and_the_sound_beside_them(
    corpus: Path, span: tuple[float, float], key_frame: float
) -> None:
    av = pytest.importorskip("av", reason="PyAV is not installed")
    path = corpus / "video" / "video-01.mp4"  # H.264, with pictures that are not stored in the order they are shown in

    def decoded(data: bytes) -> tuple[dict[float, np.ndarray], float]:
        with av.open(io.BytesIO(data)) as container:
            frames = {round(frame.time, 2): frame.to_ndarray(format="gray") for frame in container.decode(video=0)}
        with av.open(io.BytesIO(data)) as container:
            rate = container.streams.audio[0].rate
            return frames, sum(frame.samples for frame in container.decode(audio=0)) / rate

    whole, _ = decoded(path.read_bytes())
    cut, seconds = decoded(cut_video(sw.Video(path), *span).data)
    assert min(cut) == 0
    for second in [time for time in whole if key_frame <= time < span[1]]:
        np.testing.assert_array_equal(cut[round(second - key_frame, 2)], whole[second])
    assert seconds == pytest.approx(span[1] - key_frame, abs=0.1)
