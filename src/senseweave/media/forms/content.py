"""Detect the type of content from its bytes, never from a name."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from senseweave.errors import MediaError
from senseweave.media.forms.markup import markup
from senseweave.media.forms.packets import is_adts, is_mpeg_audio
from senseweave.media.forms.refusals import refusal
from senseweave.media.forms.wide import NOT_IN_TEXT, wide_text
from senseweave.media.modality import Modality

HEAD_BYTES = 4096


@dataclass(frozen=True)
class Content:
    """A type of content.

    Attributes:
        mime_type: For example `image/png`.
        modalities: Modalities that it can have, the most usual first; empty if senseweave does not read it.
        reader: Name of Pillow's plugin for images, of FFmpeg's demuxer for audio and video, of the document reader for
            text and documents.
    """

    mime_type: str
    modalities: tuple[Modality, ...] = ()
    reader: str = ""

    @property
    def is_document(self) -> bool:
        """Whether a document reader reads it."""
        return self.modalities[:1] == ("text",)


UNKNOWN = Content("application/octet-stream")
PDF = Content("application/pdf", ("text", "image"), "pdf")
_PLAIN = Content("text/plain", ("text",), "text")
_PORTABLE_ANYMAP = Content("image/x-portable-anymap", ("image",), "PPM")
_SPACE = rb"(?:\s|#[^\n]*\n)+"
_ANYMAP = re.compile(rb"P(?:[14]|[2356](?=%b\d+%b\d+%b\d+\s))%b(\d{1,9})%b(\d{1,9})\s" % ((_SPACE,) * 5))

_PREFIXES: tuple[tuple[bytes, Content], ...] = (
    (b"\xff\xd8\xff", Content("image/jpeg", ("image",), "JPEG")),
    (b"\x89PNG\r\n\x1a\n", Content("image/png", ("image",), "PNG")),
    (b"GIF87a", Content("image/gif", ("image", "video"), "GIF")),
    (b"GIF89a", Content("image/gif", ("image", "video"), "GIF")),
    (b"II*\x00", Content("image/tiff", ("image",), "TIFF")),
    (b"MM\x00*", Content("image/tiff", ("image",), "TIFF")),
    (b"II+\x00", Content("image/tiff", ("image",), "TIFF")),
    (b"MM\x00+", Content("image/tiff", ("image",), "TIFF")),
    (b"qoif", Content("image/qoi", ("image",), "QOI")),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", Content("image/jp2", ("image",), "JPEG2000")),
    (b"\xff\x4f\xff\x51", Content("image/jp2", ("image",), "JPEG2000")),
    (b"%PDF-", PDF),
    (b"fLaC", Content("audio/flac", ("audio",), "flac")),
    (b"#!AMR", Content("audio/amr", ("audio",), "amr")),
    (b"caff", Content("audio/x-caf", ("audio",), "caf")),
    (b".snd", Content("audio/basic", ("audio",), "au")),
    (b"dns.", Content("audio/basic", ("audio",), "au")),
    (b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb", Content("audio/x-w64", ("audio",), "w64")),
    (b"FLV\x01", Content("video/x-flv", ("video", "audio"), "flv")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Content("video/x-ms-asf", ("video", "audio"), "asf")),
    (b"\x00\x00\x01\xba", Content("video/mpeg", ("video", "audio"), "mpeg")),
    (b"\x1aE\xdf\xa3", Content("video/x-matroska", ("video", "audio"), "matroska,webm")),
    (b"PK\x03\x04", Content("application/zip")),
    (b"PK\x05\x06\0", Content("application/zip")),  # without any files
    (b"\x1f\x8b", Content("application/gzip")),
    *((b"BZh%d1AY&SY" % level, Content("application/x-bzip2")) for level in range(1, 10)),
    (b"\xfd7zXZ\x00", Content("application/x-xz")),
    (b"7z\xbc\xaf\x27\x1c", Content("application/x-7z-compressed")),
    (b"\x28\xb5\x2f\xfd", Content("application/zstd")),
    (b"\x7fELF", Content("application/x-executable")),
    (b"SQLite format 3\x00", Content("application/vnd.sqlite3")),
)
_BEGINNINGS = tuple(prefix for prefix, _ in _PREFIXES)
_RICH_TEXT = b"{\\rtf1", Content("application/rtf")
_WRITTEN: tuple[tuple[bytes, Content], ...] = (
    (b"%!PS-", Content("application/postscript")),
    (b"#EXTM3U", Content("application/vnd.apple.mpegurl")),
    (b"ffconcat version", Content("text/x-ffconcat")),
)
"""What types begin with that are written like text."""
_RIFF = {
    b"WAVE": Content("audio/wav", ("audio",), "wav"),
    b"AVI ": Content("video/x-msvideo", ("video", "audio"), "avi"),
    b"WEBP": Content("image/webp", ("image",), "WEBP"),
}
_MP4_AUDIO = Content("audio/mp4", ("audio", "video"), "mov,mp4,m4a,3gp,3g2,mj2")
_MP4_VIDEO = Content("video/mp4", ("video", "audio"), "mov,mp4,m4a,3gp,3g2,mj2")
_QUICKTIME = Content("video/quicktime", ("video", "audio"), "mov,mp4,m4a,3gp,3g2,mj2")
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_MP4_AUDIO_BRANDS = {b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "}
_BITMAP_HEADERS = tuple(size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124))
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


def sniff(head: bytes) -> Content:
    """Return the type of content by its first `HEAD_BYTES` bytes, or all of them if there are fewer.

    What holds no byte that text never holds is text, whatever word it begins with.
    """
    if head.startswith(_MARKS):  # the UTF-16 mark also begins MP3 packets
        return _marked_up(head) or _PLAIN
    if head.startswith(_RICH_TEXT[0]):  # which may hold pictures as they are
        return _RICH_TEXT[1]
    if NOT_IN_TEXT.search(head) is not None:
        return _binary(head) or (_PLAIN if wide_text(head) is not None else UNKNOWN)
    return _packets(head, certain=True) or _readable(head)


def _binary(head: bytes) -> Content | None:
    """Return the type of content that is not text in an encoding of single bytes, or None if it is unknown."""
    for prefix, content in _PREFIXES if head.startswith(_BEGINNINGS) else ():
        if head.startswith(prefix):
            return _matroska(head) if content.reader == "matroska,webm" else content
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        return _RIFF.get(head[8:12], UNKNOWN)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return Content("audio/aiff", ("audio",), "aiff")
    if head[:4] == b"OggS":
        return _ogg(head)
    if head[4:8] == b"ftyp":
        return _base_media(head)
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip") and len(head) >= 16:
        return _QUICKTIME
    if head[:2] == b"BM" and len(head) >= 26 and head[14:18] in _BITMAP_HEADERS:
        return Content("image/bmp", ("image",), "BMP")
    if _ANYMAP.match(head):
        return _PORTABLE_ANYMAP
    if _is_transport_stream(head):
        return Content("video/mp2t", ("video", "audio"), "mpegts")
    if tag_length(head):
        return Content("audio/mpeg", ("audio",), "mp3")
    return _packets(head)


def _packets(head: bytes, *, certain: bool = False) -> Content | None:
    if is_adts(head, certain=certain):
        return Content("audio/aac", ("audio",), "aac")
    if is_mpeg_audio(head, certain=certain):
        return Content("audio/mpeg", ("audio",), "mp3")
    return None


def tag_length(head: bytes) -> int:
    """Return the length of an ID3v2 tag before the audio, or 0 if there is none."""
    if len(head) < 10 or head[:3] != b"ID3" or head[3] not in (2, 3, 4) or any(byte > 127 for byte in head[6:10]):
        return 0
    return 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])


def _matroska(head: bytes) -> Content:
    kind = "webm" if b"webm" in head[:64] else "x-matroska"
    return Content(f"video/{kind}", ("video", "audio"), "matroska,webm")


def _ogg(head: bytes) -> Content:
    if b"\x80theora" in head or b"OVP80" in head:
        return Content("video/ogg", ("video", "audio"), "ogg")
    return Content("audio/ogg", ("audio", "video"), "ogg")


def _base_media(head: bytes) -> Content:
    length = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, length - 3, 4))]
    if any(brand in _AVIF_BRANDS for brand in brands):
        return Content("image/avif", ("image",), "AVIF")
    if brands[0] in _HEIC_BRANDS:
        return Content("image/heic", ("image",), "HEIF")
    if brands[0] in _MP4_AUDIO_BRANDS:
        return _MP4_AUDIO
    return _QUICKTIME if brands[0] == b"qt  " else _MP4_VIDEO


def _is_transport_stream(head: bytes) -> bool:
    return len(head) >= 377 and head[0] == head[188] == head[376] == 0x47


def confirm(content: Content, modality: Modality, source: object) -> None:
    """Check that content can have a modality.

    Raises:
        MediaError: If it cannot.
    """
    if modality in content.modalities:
        return
    if modality == "text" and not content.modalities and content is not UNKNOWN:
        raise MediaError(source, refusal(content.mime_type))
    expected = {"text": "text", "image": "an image", "audio": "audio", "video": "a video"}[modality]
    actual = "of an unknown type" if content is UNKNOWN else content.mime_type
    raise MediaError(source, f"is {actual}, not {expected}")


def _readable(head: bytes) -> Content:
    """Return the type of content that is text in an encoding of single bytes, or a type that is written like text."""
    if not head:
        return UNKNOWN
    for prefix, content in _WRITTEN:
        if head.startswith(prefix):
            return content
    if re.match(rb"%PDF-\d\.\d *[\r\n]", head):
        return PDF
    if _is_written_anymap(head):
        return _PORTABLE_ANYMAP
    return _marked_up(head) or _PLAIN


def _marked_up(head: bytes) -> Content | None:
    """Return HTML or SVG, or None for any other text."""
    kind = markup(head)
    if kind == "html":
        return Content("text/html", ("text",), "html")
    return Content("image/svg+xml") if kind == "svg" else None


def is_late_pdf(head: bytes) -> bool:
    """Return whether a PDF begins within the first KB, as where a mail or a server left lines before it."""
    return re.search(rb"(?:^|[^\w\"'`])%PDF-\d\.\d *[\r\n]", head[:1024]) is not None and b" obj" in head


def _is_written_anymap(head: bytes) -> bool:
    """Return whether bytes that text can hold are a portable anymap.

    Its levels are numbers, its header ends a line, or it is complete.
    """
    header = _ANYMAP.match(head)
    if header is None:
        return False
    levels = head[header.end() :]
    if head[1:2] in b"123":
        return re.fullmatch(rb"(?:[\d\s]|#[^\n]*\n?)*", levels) is not None
    if re.match(rb"P[456](?:%b\d+){2,3}\n" % _SPACE, head):  # as programs write it
        return True
    width, height = int(header[1]), int(header[2])
    needed = {b"4": -(-width // 8) * height, b"5": width * height, b"6": 3 * width * height}[head[1:2]]
    return len(levels) >= min(needed, HEAD_BYTES - header.end())
