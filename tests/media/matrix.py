"""The matrix: a row for each kind of file that people have, how to make it, and what it must give.

A row is `Row(kind, gives, build)`. `gives` lists the media of the file, with ` + ` between them: `text WORDS` (words
that it contains), `image WIDTHxHEIGHT`, `audio SECONDS`, `video SECONDS`, or `refused REASON` (part of the reason, of
the file or of a file inside it). What is read only in part ends with ` (partly)`.

`python -m tests.media.matrix` writes the table of docs/media.md.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PILImage

from senseweave.media.file_kinds import FILE_KINDS
from tests.media.matrix_documents import OFFICE
from tests.media.matrix_refused import REFUSED
from tests.media.matrix_row import Row, words

PARAGRAPHS = Path(__file__).parent / "data" / "paragraphs.txt"


def cut(data: bytes, share: float) -> bytes:
    """The first part of a file."""
    return data[: int(len(data) * share)]


def sound(kind: str, subtype: str | None = None, seconds: float = 2) -> Callable[[Any], bytes]:
    """A recording that libsndfile writes."""
    return lambda make: make.sound(make.tone(seconds, 16_000), 16_000, kind, subtype)


def film(kind: str, **options: Any) -> Callable[[Any], bytes]:
    """Two seconds of film, with sound where a codec is named."""

    def build(make: Any) -> bytes:
        voice = make.tone(2, 48_000) if "audio" in options else None
        return make.container(kind, frames=make.frames(range(50)), sound=voice, **options)

    return build


def picture(kind: str, **options: Any) -> Callable[[Any], bytes]:
    """A picture that Pillow writes."""
    return lambda make: make.image(make.picture(64, 48), kind, **options)


def wav_of_size(size: bytes) -> Callable[[Any], bytes]:
    """A WAV file whose header states some size."""

    def build(make: Any) -> bytes:
        data = sound("WAV")(make)
        at = data.index(b"data") + 4
        return data[:4] + size + data[8:at] + size + data[at + 4 :]

    return build


def channels(*signs: float) -> Callable[[Any], bytes]:
    """A recording with a tone in each channel, times a number."""
    return lambda make: make.sound(make.tone(2, 16_000)[:, None] * np.array(signs, np.float32), 16_000)


def tiff_of_pages(make: Any) -> bytes:
    """A TIFF of two pages."""
    pages = [PILImage.fromarray(make.picture(64, 48, seed)) for seed in (0, 1)]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    return buffer.getvalue()


MEDIA = [
    Row("WAV", "audio 2", sound("WAV")),
    Row("WAV of 24 bits", "audio 2", sound("WAV", "PCM_24")),
    Row("WAV of floats", "audio 2", sound("WAV", "FLOAT")),
    Row("WAV of telephones (A-law)", "audio 2", sound("WAV", "ALAW")),
    Row("WAV whose recorder lost power (size 0)", "audio 2", wav_of_size(bytes(4))),
    Row("WAV from a pipe (size unknown)", "audio 2", wav_of_size(b"\xff" * 4)),
    Row("WAV that was cut", "audio 1 (partly)", lambda make: cut(sound("WAV")(make), 0.5)),
    Row("WAV in opposite phase", "audio 2", channels(1, -1)),
    Row("WAV with a voice in one of six channels", "audio 2", channels(0, 0, 0, 0, 1, 0)),
    Row("FLAC", "audio 2", sound("FLAC")),
    Row("MP3", "audio 2", sound("MP3")),
    Row("MP3 after zero bytes", "audio 2", lambda make: bytes(5000) + sound("MP3")(make)),
    Row("MP3 files joined", "audio 4", lambda make: sound("MP3")(make) * 2),
    Row("MP3 that was cut", "audio 3 (partly)", lambda make: cut(sound("MP3", seconds=4)(make), 0.75)),
    Row("Ogg Vorbis", "audio 2", sound("OGG", "VORBIS")),
    Row("Ogg Opus", "audio 2", sound("OGG", "OPUS")),
    Row("Ogg chained", "audio 4", lambda make: sound("OGG", "VORBIS")(make) * 2),
    Row("AIFF", "audio 2", sound("AIFF")),
    Row("AU", "audio 2", sound("AU")),
    Row("CAF", "audio 2", sound("CAF")),
    Row("Wave64", "audio 2", sound("W64")),
    Row("RF64", "audio 2", sound("RF64")),
    Row("M4A", "audio 2", lambda make: make.container("ipod", sound=make.tone(2, 48_000))),
    Row("AAC without a container", "audio 2", lambda make: make.container("adts", sound=make.tone(2, 48_000))),
    Row("AC-3", "audio 2", lambda make: make.container("ac3", sound=make.tone(2, 48_000), audio="ac3")),
    Row("E-AC-3", "audio 2", lambda make: make.container("eac3", sound=make.tone(2, 48_000), audio="eac3")),
    Row("WavPack", "audio 2", lambda make: make.container("wv", sound=make.tone(2, 48_000), audio="wavpack")),
    Row("TTA", "audio 2", lambda make: make.container("tta", sound=make.tone(2, 48_000), audio="tta")),
    Row("Matroska with sound alone", "audio 2", lambda make: make.container("matroska", sound=make.tone(2, 48_000))),
    Row("MP4", "video 2", film("mp4", audio="aac")),
    Row("MP4 without sound", "video 2", film("mp4")),
    Row(
        "MP4 that was cut",
        "video 0.3 (partly)",
        lambda make: cut(film("mp4", options={"movflags": "faststart"})(make), 0.6),
    ),
    Row("MP4 without its table", "refused broken", lambda make: cut(film("mp4")(make), 0.5)),
    Row("QuickTime", "video 2", film("mov", audio="aac")),
    Row("Matroska", "video 2", film("matroska", audio="aac")),
    Row("WebM", "video 2", film("webm", video="libvpx")),
    Row("AVI", "video 2", film("avi", video="mpeg4")),
    Row("Flash video", "video 2", film("flv", video="flv1")),
    Row("MPEG transport stream", "video 2", film("mpegts", audio="aac")),
    Row("M2TS of a camcorder", "video 2", film("mpegts", audio="aac", options={"mpegts_m2ts_mode": "1"})),
    Row("MPEG program stream", "video 2", film("vob", video="mpeg2video")),
    Row("MXF", "video 2", film("mxf", video="mpeg2video")),
    Row("H.264 without a container", "video 2", film("h264")),
    Row("MPEG-2 without a container", "video 2", film("mpeg2video", video="mpeg2video")),
    Row("MPEG-4 without a container", "video 2", film("m4v", video="mpeg4")),
    Row("IVF", "video 2", film("ivf", video="libvpx")),
    Row("NUT", "video 2", film("nut")),
    Row("Uncompressed video (Y4M)", "video 2", film("yuv4mpegpipe", video="rawvideo")),
    Row("JPEG", "image 64x48", picture("JPEG")),
    Row("JPEG, progressive", "image 64x48", picture("JPEG", progressive=True)),
    Row("JPEG without its last bytes", "image 64x48 (partly)", lambda make: picture("JPEG")(make)[:-20]),
    Row("JPEG of which little is left", "refused broken", lambda make: cut(picture("JPEG")(make), 0.5)),
    Row("Motion photo", "image 64x48", lambda make: picture("JPEG")(make) + film("mp4")(make)),
    Row("PNG", "image 64x48", picture("PNG")),
    Row("PNG that was cut", "refused broken", lambda make: cut(picture("PNG")(make), 0.5)),
    Row("GIF", "image 64x48", picture("GIF")),
    Row("WebP", "image 64x48", picture("WEBP")),
    Row("AVIF", "image 64x48", picture("AVIF")),
    Row("BMP", "image 64x48", picture("BMP")),
    Row("TIFF", "image 64x48", picture("TIFF")),
    Row("TIFF of two pages", "image 64x48 + image 64x48", tiff_of_pages),
    Row("JPEG 2000", "image 64x48", picture("JPEG2000")),
    Row("Targa", "image 64x48", picture("TGA")),
    Row("Windows icon", "image 48x36", picture("ICO")),
    Row("PCX", "image 64x48", picture("PCX")),
    Row("SGI", "image 64x48", picture("SGI")),
    Row("DirectDraw surface", "image 64x48", picture("DDS")),
    Row("Portable pixmap", "image 64x48", picture("PPM")),
]
DOCUMENTS = [
    Row("PDF", "text first words + image 400x200", lambda make: make.pdf(["first words"])),
    Row("PDF of 2 pages", "text one + image 400x200 + text two + image 400x200", lambda make: make.pdf(["one", "two"])),
    Row(
        "PDF after other lines", "text one + image 400x200", lambda make: b"HTTP/1.1 200 OK\r\n\r\n" + make.pdf(["one"])
    ),
    Row("PDF of a scan", "image 400x200", lambda make: make.pdf([""])),
    Row("PDF that was cut", "refused broken", lambda make: b"%PDF-1.7\n" + bytes(50)),
    Row("HTML", "text Bread and tea", words("<!DOCTYPE html><html><body><p>Bread <b>and</b> tea</body></html>")),
    Row("HTML, a fragment", "text Bread and tea", words("<p>Bread <b>and</b> tea</p>")),
    Row("HTML, tags that are never closed", "text Bread", words("<ul><li>Bread<li>tea")),
    Row("HTML after a long comment", "text Bread", words(f"<!-- {'saved ' * 200} --><html><body>Bread</body></html>")),
    Row("HTML with an unclosed drawing", "text Bread", words("<html><body><svg><path>Bread</body></html>")),
    Row("Markdown", "text # Bread", words("# Bread\n\n- flour\n- *water*\n")),
    Row("CSV", "text Bread;2", words("what;how many\nBread;2\n")),
    Row("JSON", "text Bread", words('{"what": "Bread"}')),
    Row("UTF-8 with a mark", "text grüße", words("grüße", before=b"\xef\xbb\xbf")),
    Row("UTF-8 with a stray byte", "text grüße (partly)", words(" grüße an alle, schöne Größe", before=b"\xe9")),
    Row("UTF-16 with a mark", "text grüße", words("grüße", "utf-16")),
    Row("UTF-16 without a mark", "text Привет, мир", words("Привет, мир! Как дела?", "utf-16-le")),
    Row("UTF-32 without a mark", "text grüße", words("grüße an alle", "utf-32-be")),
    *(
        Row(f"A note that begins with {start!r}", f"text {start}", words(f"{start} and so on."))
        for start in ("The free", "caffeine", "P1", "ID3", "BZh", "RIFF", "GIF87a or", "BM", "PK", "II*", "%PDF-1.4 is")
    ),
    Row("Nothing", "refused empty", lambda make: b""),
    Row("Noise", "refused octet-stream", lambda make: np.random.default_rng(0).bytes(3000)),
]


def _in_encodings() -> list[Row]:
    """A row for each language and encoding of the list of paragraphs."""
    rows = []
    for block in PARAGRAPHS.read_text(encoding="utf-8").split("\n== ")[1:]:
        head, _, body = block.partition("\n")
        language, _, encodings = head.partition(": ")
        for encoding in encodings.split():
            text = "".join(letter for letter in body.strip() if letter.encode(encoding, "ignore"))
            rows.append(Row(f"{language} in {encoding}", f"text {text}", words(text, encoding)))
    return rows


ENCODED = _in_encodings()
NAMED = [*MEDIA, *DOCUMENTS, *OFFICE, *REFUSED]
ROWS = [*NAMED, *ENCODED]
DOCUMENT = Path(__file__).parents[2] / "docs" / "media.md"
TITLE = "## Kinds of files\n"


def table() -> str:
    """The section of docs/media.md about kinds of files."""
    lines = []
    for row in NAMED:
        told = ", and `notes` say that it is only part" if row.is_partly_read else ""
        media = ", ".join(f"refused: {detail}" if kind == "refused" else kind for kind, detail in row.media)
        lines.append(f"| {row.kind} | {media}{told} |")
    intro = (
        "Each is made and read in `tests/media/test_matrix.py`, whose table this one is written from, and by the\n"
        "index, the frameworks and the command line in `tests/media/test_surfaces.py`, beside text in "
        f"{len(ENCODED)} pairs\nof language and encoding of `tests/media/data/paragraphs.txt`.\n"
    )
    return "\n".join([TITLE, *_readers(), "", intro, "| file | gives |", "| --- | --- |", *lines, ""])


def _readers() -> list[str]:
    """The table of what reads each kind of file, which `senseweave info --kinds` prints."""
    lines = [
        f"| {kind.name} | {kind.gives} | {kind.libraries or 'senseweave'} | {kind.extra or ''} |" for kind in FILE_KINDS
    ]
    intro = "`senseweave info --kinds` prints this table, with what is installed and the line that installs the rest."
    return [intro, "", "| kind of file | gives | read by | extra |", "| --- | --- | --- | --- |", *lines]


if __name__ == "__main__":
    before = DOCUMENT.read_text(encoding="utf-8").partition(TITLE)[0].rstrip("\n")
    DOCUMENT.write_text(f"{before}\n\n{table()}", encoding="utf-8")
