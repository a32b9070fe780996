"""Recognize files whose first bytes are those of a container: ZIP, OLE, mail and other text with a structure."""

from __future__ import annotations

import re
import zipfile
import zlib
from typing import BinaryIO

from senseweave.media.forms.content import HEAD_BYTES, Content
from senseweave.media.forms.markup import after_comments, markup, narrow
from senseweave.media.forms.refusals import refused_type

_OFFICE = "application/vnd.openxmlformats-officedocument."
_COUNT = re.compile(rb"\A\d{1,9}[ \t]*\r?\n")
"""What Apple's Mail puts before a message."""
_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:[ \t]")
_HEADERS = re.compile(rb"(?m)^([A-Za-z][A-Za-z0-9-]*):[ \t]")
_MAIL = {b"message-id", b"mime-version", b"received", b"return-path", b"delivered-to", b"x-mailer"}
"""A message has at least one of these headers; a note, too, may begin with lines such as `From:` and `To:`."""
_DATE = re.compile(rb"(?im)^Date:[ \t]+(\w{3},[ \t]+)?\d{1,2}[ \t]+[A-Z][a-z]{2}[ \t]+\d{4}[ \t]")
_MBOX = re.compile(rb"From [^\r\n]{1,200}\d\d:\d\d[^\r\n]{0,40}\d{4}[ \t]*\r?\n[A-Za-z][A-Za-z0-9-]*:[ \t]")
_VCARD = re.compile(rb"BEGIN:VCARD[ \t]*[\r\n]", re.IGNORECASE)
_VTT = re.compile(
    rb"WEBVTT(?:[ \t][^\r\n]*)?(?:\r\n?|\n)(?:[ \t]*[\r\n]|[\w-]+[:=]|(?:[^\r\n]*(?:\r\n?|\n))?[^\r\n]*-->)"
)
"""A blank line follows the first, what programs say of the file, or a cue, which may have a name."""
_SRT = re.compile(rb"(?:\d{1,6}[ \t]*\r?\n)?[ \t]*\d{1,4}:\d\d:\d\d[,.]\d{1,3}[ \t]*-->[ \t]*\d")
_LYRIC = rb"\[\d{1,3}:\d\d[.:]\d{2,3}\][^\r\n]*\r?\n"
"""With fractions of seconds, which logs of chats do not have."""
_SUBTITLES = (
    (rb"\[Script Info\][ \t]*\r?\n", "text/x-ssa"),
    (
        rb"\[(?:ti|ar|al|au|by|re|ve|la|offset|length):[^\r\n]*\r?\n(?:[^\r\n]*\r?\n){0,20}?\[\d{1,3}:\d\d",
        "text/x-lrc",
    ),
    (_LYRIC + _LYRIC, "text/x-lrc"),
    (rb"\d{1,3}:\d\d:\d\d\.\d{3},\d{1,3}:\d\d:\d\d\.\d{3}[ \t]*\r?\n", "text/x-sbv"),
)
_TTML = re.compile(rb"<(?:tt:)?tt\s[^>]*(?:/ttml|/ttaf1|:imsc1)")
_NOTEBOOK = re.compile(rb'\{\s*"(cells|metadata|worksheets|nbformat|nbformat_minor)"\s*:')
_PACKAGES: tuple[tuple[str, Content], ...] = (
    (r"word/document\d*\.xml", Content(f"{_OFFICE}wordprocessingml.document", ("text",), "docx")),
    (r"xl/workbook\d*\.xml", Content(f"{_OFFICE}spreadsheetml.sheet", ("text",), "xlsx")),
    (r"xl/workbook\.bin", Content("application/vnd.ms-excel.sheet.binary.macroenabled.12")),
    (r"Index/Document\.iwa", Content("application/vnd.apple.iwork")),
    (r"(Metadata/)?[Bb]uildVersionHistory\.plist", Content("application/vnd.apple.iwork")),
    (r"Index\.zip", Content("application/vnd.apple.iwork")),
    (r"FixedDocSeq\.fdseq", Content("application/vnd.ms-xpsdocument")),
    (r"FixedDocumentSequence\.fdseq", Content("application/vnd.ms-xpsdocument")),
    (r"visio/document\.xml", Content("application/vnd.visio")),
    (r"ppt/presentation\d*\.xml", Content(f"{_OFFICE}presentationml.presentation", ("text",), "pptx")),
)
"""By the name of a file that only such a package has, as a regular expression."""
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_STREAMS: tuple[tuple[str, Content], ...] = (
    ("__properties_version1.0", Content("application/vnd.ms-outlook", ("text",), "msg")),
    ("EncryptedPackage", Content("application/vnd.ms-office-encrypted")),
    ("WordDocument", Content("application/msword")),
    ("PowerPoint Document", Content("application/vnd.ms-powerpoint")),
    ("VisioDocument", Content("application/vnd.visio")),
    ("Quill", Content("application/x-mspublisher")),
    ("Workbook", Content("application/vnd.ms-excel", ("text",), "xls")),
    ("Book", Content("application/vnd.ms-excel", ("text",), "xls")),
)
"""By a stream that only such an OLE file has."""
_SEARCHED = 64 * 1024**2
_ODF = "application/vnd.oasis.opendocument."
_NAMED = {"application/epub+zip": "epub"} | {
    f"{_ODF}{kind}": "odf" for kind in ("text", "spreadsheet", "presentation", "graphics")
}
"""Readers of packages that name their type in their first file."""


def is_container(head: bytes) -> bool:
    """Return whether content begins as a ZIP or OLE file, whose first bytes do not say what it is."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06\0", _OLE))


def identify_container(file: BinaryIO, head: bytes, content: Content) -> Content | None:
    """Return what a file is whose first bytes are those of a container, or None if they say all.

    Args:
        file: Seekable; of a download it may be only the beginning.
        head: Its first bytes.
        content: What they were taken for.
    """
    if content.mime_type == "application/zip":
        return _identify_zip(file, head)
    if content.mime_type == "application/rtf":
        return Content("application/rtf", ("text",), "rtf")
    if content.mime_type == "image/svg+xml":
        return Content("image/svg+xml", ("text", "image"), "svg")
    if head.startswith(_OLE):
        return _identify_ole(file)
    if content.mime_type == "application/gzip":
        return _identify_gzip(head)
    if not content.modalities and (mime_type := refused_type(head)) is not None:
        return Content(mime_type)
    if content.reader == "text" or not content.modalities:
        return _identify_text(file, head)
    return None


def _identify_text(file: BinaryIO, head: bytes) -> Content | None:
    """Return what a text is that has a structure, or None."""
    start = narrow(head).lstrip(b"\r\n")
    if _VCARD.match(start):
        return Content("text/vcard", ("text",), "contacts")
    if _VTT.match(start):
        return Content("text/vtt", ("text",), "transcript")
    if _SRT.match(start):
        return Content("application/x-subrip", ("text",), "transcript")
    if subtitles := next((mime_type for pattern, mime_type in _SUBTITLES if re.match(pattern, start)), None):
        return Content(subtitles, ("text",), "transcript")
    if _TTML.match(after_comments(start)):
        return Content("application/ttml+xml", ("text",), "transcript")
    if _NOTEBOOK.match(start) and b'"nbformat"' in (head + _tail(file)):
        return Content("application/x-ipynb+json", ("text",), "notebook")
    if b"<FictionBook" in start[:1000]:
        return Content("application/x-fictionbook+xml", ("text",), "fb2")
    if b"<?mso-application" in start[:500]:
        return Content("application/vnd.ms-office-xml")
    if b":mimetype=" in start and b"office:document" in start[:500]:
        return Content("application/vnd.oasis.opendocument.flat-xml")
    if _MBOX.match(start):
        return Content("application/mbox", ("text",), "mbox")
    start = _COUNT.sub(b"", start, count=1)
    names = [name.lower() for name in _HEADERS.findall(re.split(rb"\r?\n\r?\n", start, maxsplit=1)[0])]
    if _HEADER.match(start) and len(names) >= 2 and (_MAIL & set(names) or _DATE.search(start)):
        return Content("message/rfc822", ("text",), "mail")
    return None


def _identify_ole(file: BinaryIO) -> Content:
    """Return what an OLE file is, by the first name of a stream in its directory that tells."""
    file.seek(0)
    data = file.read(_SEARCHED)
    places = {name: data.find(f"{name}\0".encode("utf-16-le")) for name, _ in _STREAMS}
    found = [(place, content) for name, content in _STREAMS if (place := places[name]) >= 0]
    return min(found, key=lambda each: each[0])[1] if found else Content("application/vnd.ms-ole")


def _identify_gzip(head: bytes) -> Content | None:
    """Return what is packed with gzip under a name of its own, or None for any other archive."""
    try:
        unpacked = zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
    except zlib.error:
        return None
    if markup(unpacked) == "svg":
        return Content("image/svg+xml-compressed")
    mime_type = refused_type(unpacked)
    return Content(mime_type) if mime_type in ("image/emf", "image/wmf") else None


def _tail(file: BinaryIO) -> bytes:
    """Return the last bytes of a file, where notebooks keep their version."""
    size = file.seek(0, 2)
    file.seek(max(0, size - HEAD_BYTES))
    return file.read()


def _identify_zip(file: BinaryIO, head: bytes) -> Content | None:
    names: set[str] = set()
    complete = False
    named = b""
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as package:
            names, complete = set(package.namelist()), True
            if "mimetype" in names and package.getinfo("mimetype").file_size < 200:
                named = package.read("mimetype")
    except Exception:  # cut off, as a download is at first, or broken
        file.seek(0)
        data = file.read(_SEARCHED)
        names = {name.decode("ascii") for name in re.findall(rb"\0([A-Za-z]{2,20}/[a-z]{2,20}\d*\.(?:xml|bin))", data)}
    if not named and head[30:38] == b"mimetype":
        named = head[38 : 38 + int.from_bytes(head[22:26], "little")]
    name = named.strip().decode("ascii", "replace").removesuffix("-template")
    if name in _NAMED:
        return Content(name, ("text",), _NAMED[name])
    found = next((content for name, content in _PACKAGES if any(re.fullmatch(name, each) for each in names)), None)
    return found or (Content("application/zip", ("text",), "zip") if complete else None)
