"""The kinds of files that are read, what each gives, and which library reads it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class FileKind:
    """A kind of file, or several that are read alike.

    Attributes:
        name: What people call it.
        mime_types: Under which its media stand.
        gives: What it gives: modalities, and what is inside.
        libraries: What reads it, by the name of the distribution; none where senseweave itself does.
        modules: Modules of those libraries.
        extra: The extra that installs them, or None if they come with senseweave.
    """

    name: str
    mime_types: tuple[str, ...]
    gives: str
    libraries: str = ""
    modules: tuple[str, ...] = ()
    extra: str | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """The modules that are not installed here."""
        return tuple(module for module in self.modules if importlib.util.find_spec(module) is None)

    @property
    def install(self) -> str | None:
        """The line that installs what is missing, or None if nothing is."""
        return f'pip install "senseweave[{self.extra}]"' if self.missing else None

    def describe(self) -> dict[str, Any]:
        """Return the kind as plain values, with what is missing here."""
        return {
            "kind": self.name,
            "mime_types": list(self.mime_types),
            "gives": self.gives,
            "reader": self.libraries or "senseweave",
            "extra": self.extra,
            "installed": not self.missing,
            "install": self.install,
        }


_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_ODF: Final = "application/vnd.oasis.opendocument"
_SOUNDFILE: Final = ("soundfile", ("soundfile", "soxr"), "audio")
_FFMPEG_SOUND: Final = ("PyAV (FFmpeg)", ("av", "soxr"), "audio")
_FFMPEG: Final = ("PyAV (FFmpeg)", ("av",), "video")
_LXML: Final = ("lxml", ("lxml",), "documents")
_PICTURE: Final = ("Pillow", ("PIL",))

FILE_KINDS: Final = (
    FileKind("text, Markdown, CSV, TSV, JSON, source code", ("text/plain",), "text"),
    FileKind("text in other encodings than UTF-8", ("text/plain",), "text", "chardet", ("chardet",), "documents"),
    FileKind("HTML", ("text/html",), "text", "resiliparse", ("resiliparse",), "documents"),
    FileKind("PDF", ("application/pdf",), "text, image, attachments", "pypdfium2", ("pypdfium2",), "documents"),
    FileKind(
        "words of scanned PDF pages", ("application/pdf",), "text", "RapidOCR", ("rapidocr", "onnxruntime"), "ocr"
    ),
    FileKind("Word (DOCX)", (f"{_OFFICE}.wordprocessingml.document",), "text, pictures, embedded files", *_LXML),
    FileKind("PowerPoint (PPTX)", (f"{_OFFICE}.presentationml.presentation",), "text, pictures, recordings", *_LXML),
    FileKind(
        "Excel (XLSX)",
        (f"{_OFFICE}.spreadsheetml.sheet",),
        "text, pictures",
        "openpyxl, lxml",
        ("openpyxl", "lxml"),
        "documents",
    ),
    FileKind(
        "Excel 97 (XLS)",
        ("application/vnd.ms-excel",),
        "text, pictures",
        "xlrd, olefile",
        ("xlrd", "olefile"),
        "documents",
    ),
    FileKind(
        "OpenDocument (ODT, ODS, ODP, ODG)",
        tuple(f"{_ODF}.{kind}" for kind in ("text", "spreadsheet", "presentation", "graphics")),
        "text, pictures",
        *_LXML,
    ),
    FileKind(
        "EPUB",
        ("application/epub+zip",),
        "text, pictures, recordings",
        "lxml, resiliparse",
        ("lxml", "resiliparse"),
        "documents",
    ),
    FileKind("FictionBook (FB2)", ("application/x-fictionbook+xml",), "text, pictures", *_LXML),
    FileKind("rich text (RTF)", ("application/rtf",), "text, pictures", "striprtf", ("striprtf",), "documents"),
    FileKind("mail (EML, EMLX, MHT, MBOX)", ("message/rfc822", "application/mbox"), "text, attachments"),
    FileKind(
        "Outlook (MSG)", ("application/vnd.ms-outlook",), "text, attachments", "olefile", ("olefile",), "documents"
    ),
    FileKind("notebooks (IPYNB)", ("application/x-ipynb+json",), "text, pictures"),
    FileKind("contacts (VCF)", ("text/vcard",), "text, photos"),
    FileKind(
        "transcripts, subtitles, lyrics (SRT, VTT, ASS, SSA, SBV, LRC)",
        ("application/x-subrip", "text/vtt", "text/x-ssa", "text/x-sbv", "text/x-lrc"),
        "text",
    ),
    FileKind("subtitles (TTML)", ("application/ttml+xml",), "text", *_LXML),
    FileKind("ZIP", ("application/zip",), "its files"),
    FileKind("drawings (SVG)", ("image/svg+xml",), "text, image", "lxml, resvg", ("lxml", "resvg_py"), "documents"),
    FileKind(
        "JPEG, PNG, GIF, WebP, AVIF, BMP, TIFF",
        ("image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp", "image/tiff"),
        "image",
        *_PICTURE,
    ),
    FileKind(
        "JPEG 2000, QOI, PSD, TGA, ICO, ICNS, PCX, SGI, DDS, PBM, PGM, PPM",
        (
            "image/jp2",
            "image/qoi",
            "image/vnd.adobe.photoshop",
            "image/x-tga",
            "image/vnd.microsoft.icon",
            "image/x-icns",
            "image/x-pcx",
            "image/sgi",
            "image/vnd-ms.dds",
            "image/x-portable-anymap",
        ),
        "image",
        *_PICTURE,
    ),
    FileKind("HEIC", ("image/heic",), "image", "pillow-heif", ("pillow_heif",), "heic"),
    FileKind("JPEG XL", ("image/jxl",), "image", "imagecodecs", ("imagecodecs",), "photos"),
    FileKind(
        "camera raws (CR2, CR3, NEF, ARW, DNG, ORF, RW2, RAF, ...)",
        ("image/x-raw",),
        "image",
        "rawpy",
        ("rawpy",),
        "photos",
    ),
    FileKind(
        "WAV, FLAC, MP3, Ogg, Opus, AIFF, AU, CAF, Wave64, RF64",
        (
            "audio/wav",
            "audio/flac",
            "audio/mpeg",
            "audio/ogg",
            "audio/aiff",
            "audio/basic",
            "audio/x-caf",
            "audio/x-w64",
        ),
        "audio",
        *_SOUNDFILE,
    ),
    FileKind(
        "M4A, AAC, AMR, AC-3, E-AC-3, DTS, WavPack, TTA, APE, TAK, Musepack, VOC and others",
        (
            "audio/mp4",
            "audio/aac",
            "audio/amr",
            "audio/ac3",
            "audio/eac3",
            "audio/vnd.dts",
            "audio/x-wavpack",
            "audio/x-tta",
            "audio/x-ape",
            "audio/x-tak",
            "audio/x-musepack",
            "audio/x-voc",
            "audio/x-nist",
        ),
        "audio",
        *_FFMPEG_SOUND,
    ),
    FileKind(
        "MP4, MOV, 3GP, MKV, WebM, AVI, WMV, FLV, MPEG, MTS, M2TS, VOB, MXF, DV, OGV, RM and others",
        (
            "video/mp4",
            "video/quicktime",
            "video/x-matroska",
            "video/webm",
            "video/x-msvideo",
            "video/x-ms-asf",
            "video/x-flv",
            "video/mpeg",
            "video/mp2t",
            "application/mxf",
            "video/x-dv",
            "video/ogg",
            "application/vnd.rn-realmedia",
            "video/x-ivf",
            "video/x-nut",
            "video/x-yuv4mpeg",
        ),
        "video",
        *_FFMPEG,
    ),
    FileKind(
        "H.264, H.265, MPEG-1, -2 and -4 without a container",
        ("video/h264", "video/h265", "video/mpeg", "video/mp4v-es"),
        "video",
        *_FFMPEG,
    ),
)
