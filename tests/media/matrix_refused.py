"""Rows of the matrix: files that are refused by their name, with what to do."""

from __future__ import annotations

import gzip

from tests.media.document_samples import package, samples
from tests.media.matrix_row import Row
from tests.media.ole_samples import ole

REST = bytes(600)


def members(*names: str):
    """A ZIP file of some names."""
    return lambda make: package(dict.fromkeys(names, "x"))


def begins(data: bytes):
    """A file of which the first bytes matter."""
    return lambda make: data + REST


def streams(*names: str):
    """An OLE file with streams of some names."""
    return lambda make: ole(dict.fromkeys(names, b"x"))


def locked_zip(make) -> bytes:
    """A ZIP archive whose only file is marked as encrypted."""
    data = bytearray(package({"a.txt": "They fly."}))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


def locked_odt(make) -> bytes:
    """An OpenDocument text whose manifest says that it is encrypted."""
    manifest = '<manifest><file-entry full-path="content.xml"><encryption-data/></file-entry></manifest>'
    return package(
        {"META-INF/manifest.xml": manifest, "content.xml": "noise"}, "application/vnd.oasis.opendocument.text"
    )


def locked_epub(make) -> bytes:
    """A book whose chapters a shop has encrypted."""
    locked = '<encryption><EncryptedData><EncryptionMethod Algorithm="aes128-cbc"/></EncryptedData></encryption>'
    return package(
        {"META-INF/encryption.xml": locked, "META-INF/container.xml": "<c/>", "a.xhtml": "noise"},
        "application/epub+zip",
    )


def locked_pdf(make) -> bytes:
    """A PDF that asks for a password."""
    locked = b"/Root 1 0 R /Encrypt << /Filter /Standard /V 1 /R 2 /O (%s) /U (%s) /P -1 >> /ID [<00> <00>]"
    return make.pdf(["secret"]).replace(b"/Root 1 0 R", locked % (b"o" * 32, b"u" * 32))


def metafile_compressed(make) -> bytes:
    """A Windows metafile as Office packs it (EMZ)."""
    return gzip.compress(b"\1\0\0\0" + bytes(36) + b" EMF" + REST)


def drawing_compressed(make) -> bytes:
    """A drawing as web servers pack it (SVGZ)."""
    return gzip.compress(samples(make)["svg"])


REFUSED = [
    Row("Word 97 (DOC)", "refused a Word 97 document (DOC); save it as DOCX or PDF", streams("WordDocument", "1Table")),
    Row("PowerPoint 97 (PPT)", "refused a PowerPoint 97 presentation (PPT); save", streams("PowerPoint Document")),
    Row("Excel in binary (XLSB)", "refused a binary Excel workbook (XLSB); save it", members("xl/workbook.bin")),
    Row("Office with a password", "refused protected by a password; save it without", streams("EncryptedPackage")),
    Row("OpenDocument with a password", "refused protected by a password", locked_odt),
    Row("PDF with a password", "refused protected by a password", locked_pdf),
    Row("ZIP with a password", "refused protected by a password", locked_zip),
    Row("EPUB with copy protection", "refused copy protection", locked_epub),
    Row("OLE file of another program", "refused an OLE file of an unknown program; save", streams("Something")),
    Row("Visio (VSD)", "refused a Visio drawing; export it as PDF or SVG", streams("VisioDocument")),
    Row("Visio (VSDX)", "refused a Visio drawing; export it as PDF or SVG", members("visio/document.xml")),
    Row("Publisher", "refused a Publisher document; export it as PDF", streams("Quill")),
    Row("Pages, Numbers, Keynote", "refused an Apple document", members("Index/Document.iwa", "preview.jpg")),
    Row("XPS", "refused an XPS document; save it as PDF", members("FixedDocSeq.fdseq")),
    Row("Outlook mailbox (PST)", "refused an Outlook mailbox (PST or OST); export", begins(b"!BDN")),
    Row("winmail.dat", "refused an Outlook attachment (winmail.dat)", begins(b"\x78\x9f\x3e\x22")),
    Row("OneNote", "refused a OneNote section; export it", begins(b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d")),
    Row("Help (CHM)", "refused a help file (CHM); convert it", begins(b"ITSF\3\0\0\0")),
    Row("WordPerfect", "refused a WordPerfect document; save it", begins(b"\xffWPC")),
    Row("Kindle (MOBI)", "refused a Kindle book (MOBI or AZW)", begins(b"Book".ljust(60, b"\0") + b"BOOKMOBI")),
    Row("DjVu", "refused a DjVu document; convert it to PDF", begins(b"AT&TFORM\0\0\0\0DJVM")),
    Row("PostScript", "refused PostScript", lambda make: b"%!PS-Adobe-3.0\nshowpage\n"),
    Row("Windows metafile (EMF)", "refused a Windows metafile (EMF)", begins(b"\1\0\0\0" + bytes(36) + b" EMF")),
    Row("Windows metafile (WMF)", "refused a Windows metafile (WMF)", begins(b"\xd7\xcd\xc6\x9a\0\0")),
    Row("Windows metafile (WMF) of old", "refused a Windows metafile (WMF)", begins(b"\1\0\x09\0\0\3" + bytes(12))),
    Row("Windows metafile, packed (EMZ)", "refused a Windows metafile (EMF)", metafile_compressed),
    Row("Drawing, packed (SVGZ)", "refused a packed drawing (SVGZ); unpack it", drawing_compressed),
    Row("AutoCAD (DWG)", "refused an AutoCAD drawing (DWG); export it as PDF", begins(b"AC1032\0\0")),
    Row("Office 2003 in XML", "refused an Office 2003 document", lambda make: b'<?xml version="1.0"?>\n'
        b'<?mso-application progid="Word.Document"?>\n<w:wordDocument/>'),
    Row("OpenDocument in one file (FODT)", "refused a flat OpenDocument file; save it", lambda make:
        b'<?xml version="1.0"?>\n<office:document office:mimetype="application/vnd.oasis.opendocument.text"/>'),
    Row("RAR", "refused a RAR archive", begins(b"Rar!\x1a\x07\1\0")),
    Row("7z", "refused a 7z archive", begins(b"7z\xbc\xaf\x27\x1c")),
    Row("TAR", "refused a TAR archive", begins(b"a.txt".ljust(257, b"\0") + b"ustar\0")),
    Row("gzip", "refused a gzip archive", begins(b"\x1f\x8b\x08")),
    Row("bzip2", "refused a bzip2 archive", begins(b"BZh91AY&SY")),
    Row("xz", "refused an xz archive", begins(b"\xfd7zXZ\0")),
    Row("Zstandard", "refused a Zstandard archive", begins(b"\x28\xb5\x2f\xfd")),
    Row("CAB", "refused a CAB archive", begins(b"MSCF\0\0\0\0")),
    Row("ZIP that was cut", "refused a broken ZIP file", lambda make: samples(make)["zip"][:200]),
    Row("SQLite", "refused an SQLite database", begins(b"SQLite format 3\0")),
    Row("Access", "refused an Access database", begins(b"\0\1\0\0Standard Jet DB\0")),
    Row("Parquet", "refused a Parquet table", begins(b"PAR1\x15\x04")),
    Row("Program", "refused a program", begins(b"MZ\x90\0")),
    Row("Font", "refused a font", begins(b"OTTO\0\x0b")),
]  # fmt: skip
