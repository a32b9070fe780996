"""Files made to do harm: each gives its error, or its values, within bounded time and memory."""

import functools
import pickle
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as PILImage

from tests.media.hostile_documents import hostile_documents

RESIDENT_MEGABYTES = 500
VALUE = "value"


def wav(data, channels=1, rate=16_000, bits=16, code=1, length=None, riff=None):
    """A WAV file whose header says whatever it is told to."""
    block = channels * bits // 8
    form = struct.pack(
        "<HHIIHH", code, channels & 0xFFFF, rate & 0xFFFFFFFF, (rate * block) & 0xFFFFFFFF, block & 0xFFFF, bits
    )
    size = len(data) if length is None else length
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size & 0xFFFFFFFF) + data
    return b"RIFF" + struct.pack("<I", (len(body) if riff is None else riff) & 0xFFFFFFFF) + body


def box(name, *parts):
    """An ISO base media box."""
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body


def patched(data, at, new):
    """The data with other bytes from one place on."""
    return data[:at] + new + data[at + len(new) :]


@functools.cache
def images(make):
    """Pictures that are broken, or larger than they look."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
    files = {
        kind: make.image(noise, kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000")
    }
    progressive = make.image(noise, "JPEG", progressive=True)
    broken = "broken|no known kind|not an image"
    cases = {}
    for kind, data in files.items():
        for share in (0.03, 0.3, 0.75, 0.95):
            cases[f"{kind} cut at {share}"] = (
                data[: max(12, int(len(data) * share))],
                f"{VALUE}|{broken}" if kind == "JPEG" else broken,  # which is read as far as it goes
            )
    cases |= {
        "jpeg of a million empty segments": (
            files["JPEG"][:2] + b"\xff\xfe\0\2" * 1_000_000 + files["JPEG"][2:],
            "decode slowly",
        ),
        "png of wrong magic": (b"\x88" + files["PNG"][1:], "not an image"),
        "jpeg of wrong magic": (b"\xff\xd9" + files["JPEG"][2:], "not an image"),
        "png magic before a jpeg": (files["PNG"][:8] + files["JPEG"], broken),
        "jpeg magic before words": (b"\xff\xd8\xff these are words" * 10, broken),
        "words": (b"these are words", "text/plain, not an image"),
        "html": (b"<html><body>not found</body></html>", "text/html, not an image"),
        "zip": (b"PK\x03\x04" + bytes(100), "application/zip, not an image"),
        "nothing": (b"", "empty"),
        "one byte": (b"\x89", "not an image"),
        "a pickle": (pickle.dumps(noise), "not an image"),
        "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run", "not an image"),
        "svg that names a file": (
            b'<svg xmlns="x"><image href="file:///etc/passwd"/></svg>',
            r"broken drawing \(SVG\)",
        ),
        "png of a billion pixels": (make.png(32_000, 32_000, 8, 2, b"\0"), "max_pixels"),
        "png of most pixels": (make.png(2**31 - 1, 2**31 - 1, 1, 0, b"\0"), "max_pixels|broken"),
        "png of no pixels": (make.png(0, 0, 8, 2, b""), broken),
        "png whose data swells": (make.png(16, 16, 8, 2, bytes(100_000_000)), VALUE),
        "png whose text swells": (
            make.png(1, 1, 8, 0, b"\0\0", (b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000)))),
            broken,
        ),
        "png whose profile swells": (
            make.png(1, 1, 8, 0, b"\0\0", (b"iCCP", b"a\0\0" + zlib.compress(bytes(50_000_000)))),
            "broken|value",
        ),
        "png without data": (files["PNG"][:33] + files["PNG"][-12:], broken),
        "png of a wrong checksum": (patched(files["PNG"], 45, b"\0\0\0\0"), broken),
        "png palette without colours": (make.png(2, 2, 8, 3, b"\0\0\0" * 2), "broken|value"),
        "gif of most pixels": (patched(files["GIF"], 6, b"\xff\xff\xff\xff"), "max_pixels"),
        "jpeg of most pixels": (
            patched(files["JPEG"], files["JPEG"].index(b"\xff\xc0") + 5, b"\xff\xdc\xff\xdc"),
            "max_pixels",
        ),
        "jpeg that claims more lines": (
            patched(files["JPEG"], files["JPEG"].index(b"\xff\xc0") + 5, b"\x10\x00"),
            VALUE,  # libjpeg fills the missing lines with grey, since the file has its end mark
        ),
        "jpeg of a thousand scans": (
            progressive[:-2] + progressive[progressive.rindex(b"\xff\xda") : -2] * 1000,
            "scans",
        ),
        "tiff whose directory is itself": (
            b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 256, 4, 1, 9) + b"\x08\0\0\0",
            broken,
        ),
        "tiff of most pixels": (
            b"II*\0\x08\0\0\0\x02\0" + struct.pack("<HHIIHHII", 256, 4, 1, 2**31, 257, 4, 1, 2**31) + bytes(4),
            "max_pixels|broken",
        ),
        "bmp of most pixels": (patched(files["BMP"], 18, struct.pack("<ii", 2**30, 2**30)), "max_pixels"),
        "bmp of negative width": (patched(files["BMP"], 18, struct.pack("<i", -64)), "broken|max_pixels"),
        "ppm of most pixels": (b"P6 99999 99999 255\n", "max_pixels"),
        "qoi of most pixels": (b"qoif" + struct.pack(">IIBB", 2**30, 2**30, 3, 0), "max_pixels"),
        "webp of most pixels": (
            b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff",
            "max_pixels|broken",
        ),
        "float tiff of NaN": (
            make.image(PILImage.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF"),
            "not finite",
        ),
        "one pixel": (make.image(noise[:1, :1]), VALUE),
        "65,535 wide": (make.image(np.zeros((1, 65_535), np.uint8)), VALUE),
        "65,535 high": (make.image(np.zeros((65_535, 1), np.uint8)), VALUE),
    }
    return {f"image: {name}": ("image", *case) for name, case in cases.items()}


@functools.cache
def sounds(make):
    """Recordings that are broken, or lie about themselves."""
    voice = make.noise(2, 16_000)
    files = {kind: make.sound(voice, 16_000, kind) for kind in ("WAV", "FLAC", "MP3", "OGG", "AIFF")}
    files["M4A"] = make.container("ipod", sound=make.noise(2, 48_000))
    files["WEBM"] = make.container("webm", sound=make.noise(2, 48_000), audio="libopus")
    files["AAC"] = make.container("adts", sound=make.noise(2, 48_000))
    broken = "broken|cannot be decoded|unknown type|not audio|no sound|without a sound|codec|sampling rate of 0"
    cases = {}
    for kind, data in files.items():
        cases[f"{kind} cut in its header"] = (data[: 20 if kind != "MP3" else 3], broken)
        cases[f"{kind} cut in the middle"] = (data[: len(data) // 2], broken if kind in ("M4A", "OGG") else VALUE)
    ones = np.full(1000, 5000, "<i2").tobytes()
    nan = np.full(100, np.nan, "<f4").tobytes()
    flac = files["FLAC"]
    cases |= {
        "nothing": (b"", "empty"),
        "words": (b"these are words", "text/plain, not audio"),
        "a picture": (make.image(make.picture()), "image/png, not audio"),
        "mp3 magic before words": (b"\xff\xfb\x90\x00" + b"these are words " * 100, broken),
        "wav that claims 4 GB": (wav(ones, length=2**32 - 1, riff=2**32 - 1), VALUE),
        "wav that claims a negative length": (wav(ones, length=-2), VALUE),
        "wav that claims nothing": (wav(ones, length=0), "no sound|value"),
        "wav of no channels": (wav(ones, channels=0), broken),
        "wav of 65,535 channels": (wav(bytes(300_000), channels=65_535), "value|" + broken),
        "wav of no rate": (wav(ones, rate=0), "sampling rate|" + broken),
        "wav of 1 Hz": (wav(ones, rate=1), "sampling rate"),
        "wav of 4 GHz": (wav(ones, rate=2**32 - 1), "sampling rate|" + broken),
        "wav of no bits": (wav(ones, bits=0), broken),
        "wav of an unknown codec": (wav(ones, code=0x9999), broken),
        "wav that claims another codec": (wav(ones, code=0x0161), "value|" + broken),
        "wav without data": (wav(b""), "no sound"),
        "wav of NaN": (wav(nan, code=3, bits=32), "not finite"),
        "wav of infinity": (wav(np.full(100, np.inf, "<f4").tobytes(), code=3, bits=32), "not finite"),
        "wav of a billion": (wav(np.full(100, 1e9, "<f4").tobytes(), code=3, bits=32), "float samples up to"),
        "wav of one sample": (wav(ones[:2]), VALUE),
        "wav of half a sample": (wav(ones[:1]), "no sound|broken"),
        "wav of 9 channels": (make.sound(np.tile(voice[:, None], 9), 16_000), VALUE),
        "wav of 4 kHz": (make.sound(voice, 4_000), VALUE),
        "wav of 192 kHz": (make.sound(voice, 192_000), VALUE),
        "flac of no samples": (make.sound(voice[:0], 16_000, "FLAC"), "empty|no sound|" + broken),
        "flac that claims 2**36 samples": (
            patched(flac, 21, bytes([flac[21] | 0x0F, 255, 255, 255, 255])),
            "max_seconds",
        ),
        "flac of five hours in little": (make.sound(np.zeros(5 * 3600 * 1000, np.int16), 1000, "FLAC"), "max_seconds"),
        "flac of noise after its header": (flac[:42] + np.random.default_rng(0).bytes(20_000), "value|" + broken),
        "ogg of noise after its header": (files["OGG"][:100] + np.random.default_rng(0).bytes(20_000), broken),
        "ogg twice": (files["OGG"] * 2, VALUE),
        "m4a without a table": (files["M4A"].replace(b"moov", b"none"), broken),
        "m4a of a missing track": (files["M4A"].replace(b"trak", b"free"), broken),
        "m4a whose table is endless": (
            files["M4A"]
            .replace(b"stsz\0\0\0\0\0\0\0\0", b"stsz\0\0\0\0\0\0\0\1")
            .replace(b"stts\0\0\0\0\0\0\0", b"stts\0\0\0\0\x7f\xff\xff"),
            "value|" + broken,
        ),
        "a playlist": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "not audio"),
        "a list to join": (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "not audio"),
        "a session description": (
            b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
            "not audio",
        ),
    }
    return {f"audio: {name}": ("audio", *case) for name, case in cases.items()}


@functools.cache
def videos(make):
    """Videos that are broken, empty, or reach for other files."""
    rng = np.random.default_rng(0)
    noisy = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(25)]
    fast = make.container("mp4", frames=noisy, options={"movflags": "faststart"})
    slow = make.container("mp4", frames=noisy)
    files = {
        "mkv": make.container("matroska", frames=noisy),
        "avi": make.container("avi", frames=noisy, video="mpeg4"),
        "ts": make.container("mpegts", frames=noisy),
        "flv": make.container("flv", frames=noisy, video="flv1"),
    }
    broken = "broken|no decodable frame|unknown type|not a video|without a video|codec"
    mdat = fast.index(b"mdat") + 8
    alias = box(b"alis", b"\0\0\0\0", bytes(10), b"\x0b/etc/passwd")
    cases = {
        "nothing": (b"", "empty"),
        "words": (b"these are words", "text/plain, not a video"),
        "a sound": (make.sound(make.tone()), "audio/wav, not a video"),
        "mp4 of sound alone": (make.container("mp4", sound=make.tone(1, 48_000)), "without a video track"),
        "mp4 cut before its table": (slow[: len(slow) // 2], broken),
        "mp4 cut in its table": (fast[:300], broken),
        "mp4 cut after its table": (fast[: mdat + 200], broken),
        "mp4 cut in the middle": (fast[: mdat + (len(fast) - mdat) // 2], VALUE),
        "mp4 of noise": (fast[:mdat] + rng.bytes(len(fast) - mdat), "value|" + broken),
        "mp4 of zeros": (fast[:mdat] + bytes(len(fast) - mdat), broken),
        "mp4 with noise in the middle": (patched(fast, mdat + 9000, rng.bytes(9000)), VALUE),
        "mp4 of one box in itself": (box(b"ftyp", b"isom\0\0\0\0isom") + b"\0\0\0\x08moov" * 1000, broken),
        "mp4 of boxes a thousand deep": (
            box(b"ftyp", b"isom\0\0\0\0isom")
            + b"".join(struct.pack(">I", 8 * (2000 - at)) + b"moov" for at in range(2000)),
            broken,
        ),
        "mp4 whose sizes are zero": (box(b"ftyp", b"isom\0\0\0\0isom") + bytes(1000), broken),
        "mp4 that keeps its data in another file": (fast.replace(b"url \0\0\0\1", alias[4:16]), "value|" + broken),
        "mp4 that claims 60,000 pixels": (
            fast.replace(struct.pack(">HH", 64, 48), struct.pack(">HH", 60_000, 60_000)),
            "value|max_pixels|" + broken,
        ),
        "mp4 that claims a day": (
            fast.replace(
                b"mvhd" + fast[fast.index(b"mvhd") + 4 :][:16],
                b"mvhd" + fast[fast.index(b"mvhd") + 4 :][:12] + b"\0\0\0\1",
            ),
            "value|max_seconds|" + broken,
        ),
        "webm of a header alone": (b"\x1aE\xdf\xa3\x93B\x82\x84webm" + bytes(40), broken),
        "matroska whose element is endless": (
            files["mkv"][:60] + b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff" + rng.bytes(5000),
            broken,
        ),
        "ts of sync bytes": (b"G" + bytes(187) + b"G" + bytes(187) + (b"G" + rng.bytes(187)) * 50, broken),
        "gif without frames": (b"GIF89a\x10\0\x10\0\0\0\0;", broken),
        "gif of most pixels": (
            b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\2L\1\0;",
            "max_pixels|" + broken,
        ),
        "a playlist": (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n", "not a video"),
        "a list to join": (b"ffconcat version 1.0\nfile /etc/passwd\n", "not a video"),
        "a manifest": (b'<?xml version="1.0"?><MPD><BaseURL>file:///etc/</BaseURL></MPD>', "not a video"),
    }
    for kind, data in files.items():
        cases[f"{kind} cut in its header"] = (data[:40], broken)
        cases[f"{kind} cut in the middle"] = (data[: len(data) // 2], VALUE)
        cases[f"{kind} with noise in the middle"] = (patched(data, len(data) // 2, rng.bytes(2000)), VALUE)
    return {f"video: {name}": ("video", *case) for name, case in cases.items()}


@functools.cache
def documents(make):
    """Documents that are broken, or never end."""
    pdf = make.pdf(["a dog"])
    cases = {
        "text of nothing": ("text", b"", "empty"),
        "text of zeros": ("text", bytes(1000), "not text"),
        "text of noise": ("text", np.random.default_rng(0).bytes(5000), "not text"),
        "text of half a UTF-16": ("text", b"\xff\xfea\0b", "utf-16"),
        "html of many tags": ("text", b"<html>" + b"<div><b>" * 50_000, VALUE),
        "html of one endless tag": ("text", b"<html><a " + b"b='" * 200_000, VALUE),
        "html of many entities": ("text", b"<html>" + b"&amp;&#x10ffff;" * 50_000, VALUE),
        "xml that swells": (
            "text",
            b'<!DOCTYPE l [<!ENTITY a "ha">' + b'<!ENTITY b "&a;&a;">' * 30 + b"]><l>&b;</l>",
            VALUE,
        ),
        "pdf of a header": ("page", b"%PDF-1.7\n", "broken"),
        "pdf cut": ("page", pdf[: len(pdf) // 2], "broken|no page|has no page"),
        "pdf of noise": ("page", b"%PDF-1.7\n" + np.random.default_rng(0).bytes(5000), "broken"),
        "pdf whose pages are themselves": (
            "page",
            pdf.replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]"),
            "broken|no page|value",
        ),
        "pdf that claims a million pages": (
            "page",
            pdf.replace(b"/Count 1", b"/Count 1000000"),
            "max_pages|broken|value",
        ),
        "pdf of a page as large as a town": (
            "page",
            pdf.replace(b"[0 0 200 100]", b"[0 0 9999999 9999999]"),
            "value|broken|max_pixels",
        ),
        "pdf of a page of no size": (
            "page",
            pdf.replace(b"[0 0 200 100]", b"[0 0 0 0]"),
            "value|broken|cannot be drawn",
        ),
        "pdf that is protected by a password": (
            "page",
            pdf.replace(
                b"/Root 1 0 R", b"/Root 1 0 R /Encrypt << /Filter /Standard /V 1 /R 2 /O <00> /U <00> /P -1 >>"
            ),
            "password|broken",
        ),
        "anything: executable": ("any", b"\x7fELF" + bytes(500), "not text, an image"),
        "anything: database": ("any", b"SQLite format 3\0" + bytes(500), "not text, an image"),
        "anything: archive": ("any", b"PK\x03\x04" + bytes(500), "not text, an image"),
        "anything: gzip": ("any", zlib.compress(bytes(10**6), wbits=31), "not text, an image"),
        "anything: ogg of nothing": ("any", b"OggS" + bytes(200), "broken|neither"),
    }
    return {f"document: {name}": case for name, case in cases.items()}


GROUPS = {
    "images": images,
    "sounds": sounds,
    "videos": videos,
    "documents": documents,
    "packages": functools.cache(hostile_documents),
}


@pytest.mark.parametrize("group", GROUPS)
def test_every_file_ends_as_documented_within_bounds(make, judge, tmp_path, group):
    cases = GROUPS[group](make)
    surprises = {}
    for number, (name, (kind, data, expected)) in enumerate(cases.items()):
        path = tmp_path / str(number)
        path.write_bytes(data)
        found = judge(kind, path)
        told = VALUE if found["verdict"] == VALUE else found["words"]
        ended = found["verdict"] in (VALUE, "error") and re.search(expected, told)
        if not ended or found["megabytes"] > RESIDENT_MEGABYTES:
            surprises[name] = found
    assert surprises == {}


def test_the_corpus_is_large(make):
    assert sum(len(group(make)) for group in GROUPS.values()) >= 150


def test_a_judge_that_dies_is_noticed(judge, tmp_path):
    """The bounds themselves work: what would swallow memory ends in an error, and a dead process is told."""
    assert judge("nonsense", tmp_path)["verdict"] in ("error", "value")
    judge.close()
    assert judge("image", tmp_path / "missing")["words"] == "no such file"
