"""Documents made to do harm, by what they are: (kind, bytes, the verdict expected)."""

from __future__ import annotations

import base64
import io
import json
import struct
import zipfile
import zlib

import xlwt

from tests.media.document_samples import package, samples, saved
from tests.media.ole_samples import forwarded_outlook, with_pictures

VALUE = "value"
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
TYPES = {"[Content_Types].xml": "<Types/>"}
SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">'


def replaced(data: bytes, **files: bytes | str) -> bytes:
    """A package with other contents of some files, by name with `/` as `__` and `.` as `_DOT_`."""
    with zipfile.ZipFile(io.BytesIO(data)) as whole:
        kept = {name: whole.read(name) for name in whole.namelist() if name != "mimetype"}
        mime_type = whole.read("mimetype").decode() if "mimetype" in whole.namelist() else ""
    return package({**kept, **files}, mime_type)


def lying(data: bytes, size: int) -> bytes:
    """A package whose directory states another size of every file."""
    changed = bytearray(data)
    at = changed.find(b"PK\x01\x02")
    while at >= 0:
        changed[at + 24 : at + 28] = struct.pack("<I", size)
        at = changed.find(b"PK\x01\x02", at + 4)
    return bytes(changed)


def mail(body: str, kind: str = "text/plain") -> bytes:
    """A message of one part."""
    return f"From: a@b\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\n{body}".encode()


def hostile_documents(make) -> dict[str, tuple[str, bytes, str]]:
    """The cases by name."""
    known = samples(make)
    document = "word/document.xml"
    zeros = package({"zeros.bin": bytes(300_000_000)})
    nested = package({"a.txt": "a"})
    for _ in range(40):
        nested = package({"a.zip": nested})
    forwarded = mail("innermost")
    for _ in range(60):
        forwarded = mail(forwarded.decode(), "message/rfc822")
    wide = "".join(f'<row r="{at}"><c r="XFD{at}"><v>1</v></c></row>' for at in range(1, 4000))
    use = "".join(f'<g id="g{at}">{f"""<use href="#g{at + 1}"/>""" * 20}</g>' for at in range(20))
    again = '<itemref idref="a"/>' * 50_000
    inner = f"{SVG}<image href='file:///etc/passwd'/></svg>"
    deep = "<w:p>" * 200_000
    many = f"<w:document {W}><w:body>{'<w:p/>' * 3_000_000}</w:body></w:document>"
    book = xlwt.Workbook()
    book.add_sheet("a").write(0, 0, "a")
    book = saved(book)
    nested_drawing = b"\x0f\0\0\xf0\xff\xff\xff\x7f" * 200_000
    cases = {
        "zip of zeros": (zeros, "swells"),
        "zip of zips": (nested, "max_depth"),
        "zip of many files": (package({f"{at}.txt": "" for at in range(11_000)}), "max_parts"),
        "zip that lies about sizes": (lying(package({"a.txt": "a" * 5000}), 10), "broken|value"),
        "zip of paths that climb": (package({"../../etc/passwd": "root", "/etc/shadow": "x"}), VALUE),
        "zip of one name twice": (known["zip"] + known["zip"], VALUE),
        "zip cut": (known["zip"][:200], "broken ZIP|not text"),
        "docx of entities": (
            replaced(known["docx"], **{document: '<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><d>&b;</d>'}),
            "entities",
        ),
        "docx that names a file": (
            replaced(known["docx"], **{document: '<!DOCTYPE d SYSTEM "file:///etc/passwd"><d/>'}),
            VALUE,
        ),
        "docx of elements without end": (replaced(known["docx"], **{document: many}), "elements"),
        "docx of zeros": (replaced(known["docx"], **{document: bytes(200_000_000)}), "max_text_bytes|swells"),
        "docx of depth": (replaced(known["docx"], **{document: f"<w:document {W}><w:body>{deep}"}), "value|broken|XML"),
        "docx whose picture is a bomb": (
            replaced(known["docx"], **{"word/media/image1.png": make.png(32_000, 32_000, 8, 2, b"\0")}),
            "max_pixels",
        ),
        "docx whose picture swells": (
            replaced(known["docx"], **{"word/media/image1.png": bytes(200_000_000)}),
            "swells",
        ),
        "docx inside itself": (replaced(known["docx"], **{"word/embeddings/a.docx": known["docx"]}), VALUE),
        "pptx without slides": (replaced(known["pptx"], **{"ppt/presentation.xml": "<p/>"}), VALUE),
        "xlsx of cells far away": (
            replaced(
                known["xlsx"],
                **{
                    "xl/worksheets/sheet1.xml": '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
                    f"<sheetData>{wide}</sheetData></worksheet>"
                },
            ),
            "more cells",
        ),
        "xlsx of shared strings without end": (
            replaced(known["xlsx"], **{"xl/sharedStrings.xml": "<sst>" + "<si><t>a</t></si>" * 1_000_000 + "</sst>"}),
            "elements",
        ),
        "xlsx of one endless row": (
            replaced(known["xlsx"], **{"xl/worksheets/sheet1.xml": f"{SHEET}<row>{'<c/>' * 3_000_000}"}),
            "more cells",
        ),
        "xlsx of one endless cell": (
            replaced(known["xlsx"], **{"xl/worksheets/sheet1.xml": f"{SHEET}<row><c><is>{'<t/>' * 5_000_000}"}),
            "more cells",
        ),
        "xls of a header": (known["xls"][:700], "broken|OLE"),
        "xls whose tables are circles": (known["xls"][:512] + b"\0\0\0\0" * 5000, "broken|OLE"),
        "odt of repeated cells": (
            replaced(
                known["odt"],
                **{
                    "content.xml": '<d xmlns:o="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
                    'xmlns:b="urn:oasis:names:tc:opendocument:xmlns:table:1.0"><o:body><o:text><b:table>'
                    '<b:table-row b:number-rows-repeated="999999999">'
                    '<b:table-cell b:number-columns-repeated="999999999"/>'
                    "</b:table-row></b:table></o:text></o:body></d>"
                },
            ),
            "blank|value",
        ),
        "epub of one chapter many times": (
            replaced(
                known["epub"],
                **{
                    "b.opf": '<p><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
                    f"<spine>{again}</spine></p>"
                },
            ),
            VALUE,
        ),
        "mail of boundaries": (
            b"From: a@b\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n"
            + b"".join(
                b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (at, at + 1) for at in range(5000)
            ),
            "nested|broken",
        ),
        "mail in mail in mail": (forwarded, "max_depth|broken|nested"),
        "mail of endless addresses": (b"To: " + b"<a@b>,(" * 300_000 + b"\r\n" + mail("words"), VALUE),
        "mail of broken encodings": (
            b"Subject: =?utf-8?b?" + b"=?" * 100_000 + b"?=\r\n" + mail("words", "text/plain; charset=rot13"),
            VALUE,
        ),
        "mbox of many messages": (b"From a 08:30:00 2026\nSubject: b\n\n\n" * 6000, "max_pages"),
        "notebook of depth": (b'{"cells": ' + b"[" * 100_000 + b', "nbformat": 4', "broken notebook"),
        "notebook of a broken picture": (
            json.dumps(
                {"cells": [{"outputs": [{"data": {"image/png": "%%%"}}], "source": "a"}], "nbformat": 4}
            ).encode(),
            "base64|empty|unknown|octet|not text",
        ),
        "contacts of a broken photo": (b"BEGIN:VCARD\nFN:A\nPHOTO;ENCODING=b:abc\nEND:VCARD\n", "base64"),
        "contacts without end": (b"BEGIN:VCARD\nFN:A\nEND:VCARD\n" * 6000, "max_pages"),
        "rtf of depth": (b"{\\rtf1" + b"{" * 300_000, "value|broken|blank"),
        "rtf of marks": (b"{\\rtf1 " + b"\\u9999999999 \\'zz \\bin99999999 " * 20_000 + b"}", "value|broken|blank"),
        "rtf of pictures in pictures": (b"{\\rtf1 " + b"{\\pict\\pngblip 00" * 3000, "value|broken|blank|not text"),
        "svg of use in use": (f'{SVG}{use}<g id="g20"><rect/></g></svg>'.encode(), "elements|nodes"),
        "svg of a large pattern": (
            f'{SVG}<pattern id="p" width="9e8" height="9e8" patternUnits="userSpaceOnUse"><rect width="1" height="1"/>'
            '</pattern><rect width="9" height="9" fill="url(#p)"/></svg>'.encode(),
            "value|broken",
        ),
        "svg of depth": (f"{SVG}{'<g>' * 200_000}".encode(), "value|broken|XML|draws nothing"),
        "svg of a drawing in a drawing": (
            f'{SVG}<image width="9" height="9" href="data:image/svg+xml;base64,'
            f'{base64.b64encode(inner.encode()).decode()}"/></svg>'.encode(),
            VALUE,
        ),
        "transcript without end": (b"1\n00:00:01,000 --> 00:00:02,000\na\n\n" * 100_000, VALUE),
        "transcript of strange times": (b"1\n9999:99:99,999 --> 0000:00:00,000\na\n\n", "value|blank"),
        "subtitles of marks without end": (
            b"[Script Info]\n[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,,,,,,," + b"{\\p1" * 400_000,
            "value|blank",
        ),
        "subtitles of spaces": (b"[ar:a]\n[00:01.00]a\n" + b" " * 2_000_000 + b"b", VALUE),
        "subtitles after comments": (b"<!---->" * 580 + b"<t", VALUE),
        "subtitles of depth": (
            b'<tt xmlns="http://www.w3.org/ns/ttml">' + b'<div begin="999999999h">' * 100_000 + b'<p dur="1s">a</p>',
            "value|blank|XML",
        ),
        "xls of drawings in drawings": (with_pictures(book, [(0xF01E, 0x6E0, bytes(20))], group=nested_drawing), VALUE),
        "xls whose metafile swells": (
            with_pictures(book, [(0xF01A, 0x3D4, bytes(48) + b"\0\xfe" + zlib.compress(bytes(300_000_000)))]),
            "octet-stream",
        ),
        "xls of many pictures": (with_pictures(book, [(0xF01E, 0x6E0, bytes(17))] * 3000), "empty"),
        "messages of Outlook in each other": (forwarded_outlook(make, 60), "max_depth"),
        "table of one endless row": (b"a,b\n" + b"1," * 500_000, VALUE),
    }
    return {f"document: {name}": ("any", *case) for name, case in cases.items()}
