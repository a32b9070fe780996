"""What files are that senseweave does not read, and what to do with them."""

from __future__ import annotations

from typing import Final

_NOT_MEDIA: Final = "which is not text, an image, audio or video"
_OFFICE: Final = "application/vnd.ms-"
DOCUMENTS: Final[dict[str, str]] = {
    "application/msword": "a Word 97 document (DOC); save it as DOCX or PDF",
    f"{_OFFICE}powerpoint": "a PowerPoint 97 presentation (PPT); save it as PPTX or PDF",
    f"{_OFFICE}excel.sheet.binary.macroenabled.12": "a binary Excel workbook (XLSB); save it as XLSX",
    f"{_OFFICE}outlook-pst": "an Outlook mailbox (PST or OST); export its messages as EML or MBOX",
    f"{_OFFICE}office-encrypted": "an Office document that is protected by a password; save it without the password",
    f"{_OFFICE}ole": "an OLE file of an unknown program; save it in another format, for example as PDF",
    f"{_OFFICE}tnef": "an Outlook attachment (winmail.dat); have the mail sent as HTML or plain text",
    f"{_OFFICE}xpsdocument": "an XPS document; save it as PDF",
    f"{_OFFICE}htmlhelp": "a help file (CHM); convert it to HTML or PDF",
    f"{_OFFICE}office-xml": "an Office 2003 document in XML; save it as DOCX or XLSX",
    "application/vnd.oasis.opendocument.flat-xml": "a flat OpenDocument file; save it as ODT, ODS or ODP",
    "application/vnd.visio": "a Visio drawing; export it as PDF or SVG",
    "application/x-mspublisher": "a Publisher document; export it as PDF",
    "application/onenote": "a OneNote section; export it as PDF or DOCX",
    "application/vnd.apple.iwork": "an Apple document (Pages, Numbers or Keynote); export it as PDF or for Office",
    "application/vnd.wordperfect": "a WordPerfect document; save it as DOCX or PDF",
    "application/x-mobipocket-ebook": "a Kindle book (MOBI or AZW); convert it to EPUB",
    "image/vnd.djvu": "a DjVu document; convert it to PDF",
    "application/postscript": f"PostScript, {_NOT_MEDIA}; convert it to PDF",
    "image/emf": f"a Windows metafile (EMF), {_NOT_MEDIA} that can be drawn; save it as PNG or SVG",
    "image/wmf": f"a Windows metafile (WMF), {_NOT_MEDIA} that can be drawn; save it as PNG or SVG",
    "image/svg+xml-compressed": "a packed drawing (SVGZ); unpack it, or save it as SVG",
    "image/vnd.dwg": "an AutoCAD drawing (DWG); export it as PDF",
    "application/zip": f"a broken ZIP file (application/zip), {_NOT_MEDIA}; copy or download it again",
    "application/gzip": f"a gzip archive, {_NOT_MEDIA}; unpack it",
    "application/x-bzip2": f"a bzip2 archive, {_NOT_MEDIA}; unpack it",
    "application/x-xz": f"an xz archive, {_NOT_MEDIA}; unpack it",
    "application/zstd": f"a Zstandard archive, {_NOT_MEDIA}; unpack it",
    "application/x-7z-compressed": f"a 7z archive, {_NOT_MEDIA}; unpack it",
    "application/vnd.rar": f"a RAR archive, {_NOT_MEDIA}; unpack it",
    "application/x-tar": f"a TAR archive, {_NOT_MEDIA}; unpack it",
    "application/vnd.ms-cab-compressed": f"a CAB archive, {_NOT_MEDIA}; unpack it",
    "application/vnd.sqlite3": f"an SQLite database, {_NOT_MEDIA}; export its tables as CSV",
    "application/vnd.ms-access": f"an Access database, {_NOT_MEDIA}; export its tables as CSV or XLSX",
    "application/vnd.apache.parquet": f"a Parquet table, {_NOT_MEDIA}; export it as CSV",
    "application/x-executable": f"a program, {_NOT_MEDIA}",
    "font/sfnt": f"a font, {_NOT_MEDIA}",
    "font/woff": f"a font, {_NOT_MEDIA}",
}
"""By MIME type: the name of what it is, and what to do."""
MAGIC: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"!BDN", f"{_OFFICE}outlook-pst"),
    (0, b"\x78\x9f\x3e\x22", f"{_OFFICE}tnef"),
    (0, b"ITSF\x03\0\0\0", f"{_OFFICE}htmlhelp"),
    (0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", "application/onenote"),
    (0, b"\xffWPC", "application/vnd.wordperfect"),
    (60, b"BOOKMOBI", "application/x-mobipocket-ebook"),
    (0, b"AT&TFORM", "image/vnd.djvu"),
    (40, b" EMF", "image/emf"),
    (0, b"\xd7\xcd\xc6\x9a", "image/wmf"),
    (0, b"\1\0\x09\0\0\3", "image/wmf"),
    (0, b"\2\0\x09\0\0\3", "image/wmf"),
    (0, b"AC10", "image/vnd.dwg"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (257, b"ustar", "application/x-tar"),
    (0, b"MSCF\0\0\0\0", "application/vnd.ms-cab-compressed"),
    (4, b"Standard Jet DB", "application/vnd.ms-access"),
    (4, b"Standard ACE DB", "application/vnd.ms-access"),
    (0, b"PAR1", "application/vnd.apache.parquet"),
    (0, b"MZ", "application/x-executable"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-executable"),
    (0, b"\0\1\0\0\0", "font/sfnt"),
    (0, b"OTTO\0", "font/sfnt"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff"),
)
"""Offset, bytes there and MIME type of content that is not text."""


def refused_type(head: bytes) -> str | None:
    """Return the MIME type of known content that is not text and that senseweave does not read, or None."""
    return next((mime for offset, magic, mime in MAGIC if head[offset : offset + len(magic)] == magic), None)


def refusal(mime_type: str) -> str:
    """Return the reason why content is not read: its name, and what to do where that is known."""
    return f"is {DOCUMENTS.get(mime_type, f'{mime_type}, {_NOT_MEDIA}')}"
