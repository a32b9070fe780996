"""Rows of the matrix: documents, what is inside them, and photos that Pillow alone does not read."""

from __future__ import annotations

import functools
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import docx
import openpyxl
import pptx

from tests.media.document_samples import package, samples, saved
from tests.media.matrix_row import Row, words
from tests.media.ole_samples import outlook
from tests.media.photo_samples import photo_samples

Build = Callable[[Any], bytes]
OPEN = "application/vnd.oasis.opendocument."
URN = "urn:oasis:names:tc:opendocument:xmlns"
SPACES = f'xmlns:o="{URN}:office:1.0" xmlns:t="{URN}:text:1.0" xmlns:b="{URN}:table:1.0" xmlns:d="{URN}:drawing:1.0"'
MAIL = "From: Ann <a@b.org>\r\nSubject: Bees\r\nMessage-ID: <1@b>\r\nMIME-Version: 1.0\r\n"


@functools.cache
def known(make: Any) -> dict[str, bytes]:
    """The small documents and photos by kind."""
    return samples(make) | photo_samples(make)


def sample(kind: str) -> Build:
    """A small document that other tests break."""
    return lambda make: known(make)[kind]


def with_file(kind: str, name: str, content: Build) -> Build:
    """A package with another file in it."""

    def build(make: Any) -> bytes:
        buffer = io.BytesIO(known(make)[kind])
        with zipfile.ZipFile(buffer, "a") as whole:
            whole.writestr(name, content(make))
        return buffer.getvalue()

    return build


def document(*blocks: str, **sections: str) -> Build:
    """A Word document of paragraphs, with `header` or `footer`."""

    def build(make: Any) -> bytes:
        made = docx.Document()
        for block in blocks:
            made.add_paragraph(block)
        for name, text in sections.items():
            getattr(made.sections[0], name).paragraphs[0].text = text
        return saved(made)

    return build


def nested_tables(make: Any) -> bytes:
    """A Word document with a table in a merged cell of a table."""
    made = docx.Document()
    table = made.add_table(rows=3, cols=2)
    table.cell(0, 0).text = "place"
    cell = table.cell(1, 0).merge(table.cell(1, 1))
    cell.add_table(rows=1, cols=1).cell(0, 0).text = "meadow"
    return saved(made)


def slides(make: Any) -> bytes:
    """A presentation of two slides, the first with notes."""
    made = pptx.Presentation()
    for title in ("Bees", "Honey"):
        made.slides.add_slide(made.slide_layouts[5]).shapes.title.text = title
    made.slides[0].notes_slide.notes_text_frame.text = "They hum."
    return saved(made)


def book(*sheets: tuple[str, list[list[Any]]], hidden: str = "") -> Build:
    """A workbook of sheets with rows."""

    def build(make: Any) -> bytes:
        made = openpyxl.Workbook()
        made.remove(made.active)
        for title, rows in sheets:
            sheet = made.create_sheet(title)
            for row in rows:
                sheet.append(row)
            sheet.sheet_state = "hidden" if title == hidden else "visible"
        return saved(made)

    return build


def opened(kind: str, body: str, **files: Build) -> Build:
    """An OpenDocument file of some kind."""

    def build(make: Any) -> bytes:
        content = f"<o:document-content {SPACES}><o:body>{body}</o:body></o:document-content>"
        inside = {name.replace("__", "/").replace("_DOT_", "."): made(make) for name, made in files.items()}
        return package({"content.xml": content, **inside}, f"{OPEN}{kind}")

    return build


def image(make: Any) -> bytes:
    """A picture in PNG."""
    return make.image(make.picture())


def mail(body: str, kind: str = "text/plain; charset=utf-8") -> Build:
    """A message of one part."""
    return lambda make: f"{MAIL}Content-Type: {kind}\r\n\r\n{body}".encode()


def forwarded(make: Any) -> bytes:
    """A message with a message attached."""
    inner = mail("They hum.")(make).decode()
    return mail(
        f"--x\r\nContent-Type: text/plain\r\n\r\nSee below.\r\n"
        f"--x\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--x--",
        "multipart/mixed; boundary=x",
    )(make)


def emlx(make: Any) -> bytes:
    """A message as Apple's Mail keeps it."""
    message = mail("They fly.")(make)
    return b"%d\n%b<plist/>" % (len(message), message)


def notebook(make: Any) -> bytes:
    """A notebook of two cells."""
    cells = [{"cell_type": "markdown", "source": "# Bees"}, {"cell_type": "code", "source": "fly()", "outputs": []}]
    return json.dumps({"cells": cells, "nbformat": 4}).encode()


def metafile(make: Any) -> bytes:
    """The beginning of a Windows metafile."""
    return b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(60)


TEXT, SHEET = "<o:text><t:p>They fly.</t:p></o:text>", '<b:table b:name="{}"><b:table-row>{}</b:table-row></b:table>'
CELL = "<b:table-cell><t:p>They fly.</t:p></b:table-cell>"
SLIDE = "<d:page><d:frame><d:text-box><t:p>{}</t:p></d:text-box></d:frame></d:page>"
OFFICE = [
    Row("Word (DOCX)", "text They fly. + image 64x48", sample("docx")),
    Row("Word called .doc", "text They fly. + image 64x48", sample("docx"), ".doc"),
    Row("Word with macros (DOCM)", "text They fly. + image 64x48", with_file("docx", "word/vbaProject.bin", metafile)),
    Row("Word, Arabic", "text مرحبا بالنحل", document("مرحبا بالنحل")),
    Row("Word, Japanese", "text 蜜蜂は飛ぶ", document("蜜蜂は飛ぶ")),
    Row("Word with a header", "text Annual report", document("They fly.", header="Annual report")),
    Row("Word with a footer", "text page one of nine", document("They fly.", footer="page one of nine")),
    Row("Word with a table in a merged cell", "text place\nmeadow", nested_tables),
    Row("Word without a word", "refused blank", document()),
    Row("Word with a document inside", "text They fly. + image 64x48 + text They hum.",
        with_file("docx", "word/embeddings/inner.docx", document("They hum."))),
    Row("Word with a metafile inside", "text They fly. + image 64x48 + refused a Windows metafile (EMF)",
        with_file("docx", "word/media/image2.emf", metafile)),
    Row("PowerPoint (PPTX)", "text place + image 64x48", sample("pptx")),
    Row("PowerPoint of two slides with notes", "text They hum. + text Honey", slides),
    Row("PowerPoint with sound", "text place + image 64x48 + audio 2",
        with_file("pptx", "ppt/media/media1.wav", lambda make: make.sound(make.tone(2, 16_000), 16_000))),
    Row("Excel (XLSX)", "text meadow | 4 + image 64x48", sample("xlsx")),
    Row("Excel of two sheets, one hidden", "text meadow + text wood",
        book(("Open", [["place"], ["meadow"]]), ("Hidden", [["place"], ["wood"]]), hidden="Hidden")),
    Row("Excel called .csv", "text meadow | 4 + image 64x48", sample("xlsx"), ".csv"),
    Row("Excel without a cell", "text Empty", book(("Empty", []))),
    Row("Excel 97 (XLS)", "text meadow 7 + image 64x48", sample("xls")),
    Row("OpenDocument text (ODT)", "text They  fly. + image 64x48", sample("odt")),
    Row("OpenDocument text template (OTT)", "text They fly.", opened("text-template", TEXT)),
    Row("OpenDocument spreadsheet (ODS)", "text They fly. + text They fly.", opened("spreadsheet",
        f"<o:spreadsheet>{SHEET.format('One', CELL)}{SHEET.format('Two', CELL)}</o:spreadsheet>")),
    Row("OpenDocument presentation (ODP)", "text They fly. + text They hum. + image 64x48", opened("presentation",
        f"<o:presentation>{SLIDE.format('They fly.')}{SLIDE.format('They hum.')}</o:presentation>",
        Pictures__a_DOT_png=image)),
    Row("OpenDocument drawing (ODG)", "text They fly.",
        opened("graphics", f"<o:drawing>{SLIDE.format('They fly.')}</o:drawing>")),
    Row("EPUB", "text They fly. + image 64x48", sample("epub")),
    Row("FictionBook (FB2)", "text They fly. + image 64x48", sample("fb2")),
    Row("Mail (EML)", "text They fly. + image 64x48", sample("eml")),
    Row("Mail in HTML", "text They fly.", mail("<html><p>They <b>fly</b>.</p></html>", "text/html; charset=utf-8")),
    Row("Mail with a mail attached", "text See below. + text They hum.", forwarded),
    Row("Mail of Apple (EMLX)", "text They fly.", emlx),
    Row("Mailbox (MBOX)", "text They fly. + text They fly. + image 64x48 + image 64x48", sample("mbox")),
    Row("Web page in one file (MHT)", "text They fly.", lambda make: mail("<html><p>They fly.</p></html>",
        "text/html")(make).replace(b"Ann <a@b.org>", b"<Saved by Blink>")),
    Row("Outlook (MSG)", "text They fly. + image 64x48",
        lambda make: outlook(make, **{"__substg1.0_1000001F": "They fly.".encode("utf-16-le")})),
    Row("Outlook with a message attached", "text They fly at 0. + text They fly at 1. + image 64x48", sample("msg")),
    Row("Outlook in HTML", "text They fly. + image 64x48",
        lambda make: outlook(make, **{"__substg1.0_10130102": b"<html><p>They fly.</p></html>"})),
    Row("Rich text (RTF)", "text fly. + image 64x48", sample("rtf")),
    Row("Notebook (IPYNB)", "text # Bees + text fly()", notebook),
    Row("Notebook with a picture", "text # Bees + text 4 + image 64x48", sample("ipynb")),
    Row("Contacts (VCF)", "text Ann + image 64x48", sample("vcf")),
    Row("ZIP", "text They fly. + image 64x48 + audio 0.2", sample("zip")),
    Row("ZIP with a file of another kind", "text They fly. + refused a program", lambda make: package(
        {"a.txt": "They fly.", "b.exe": b"MZ\x90\0" + bytes(600)})),
    Row("Drawing (SVG)", "text Bees + image 1024x512", sample("svg")),
    Row("Subtitles (SRT)", "text They fly.\nThey hum.", sample("srt")),
    Row("Subtitles (WebVTT)", "text Ann: They fly.", sample("vtt")),
    Row("Subtitles (ASS, SSA)", "text Ann: They fly.", sample("ass")),
    Row("Subtitles (TTML)", "text They fly.\nThey hum.", sample("ttml")),
    Row("Subtitles of YouTube (SBV)", "text They fly.\nThey hum.", sample("sbv")),
    Row("Subtitles in UTF-16", "text They fly.\nThey hum.",
        lambda make: known(make)["srt"].decode().encode("utf-16")),
    Row("Lyrics (LRC)", "text They\nfly high\nfly high", sample("lrc")),
    Row("Log of a chat", "text [10:30] Ann: Bees!", words("[10:30] Ann: Bees!\n[10:31] Bob: Where?\n")),
    Row("CSV of many rows", "text place,hives\nmeadow,4", sample("csv"), ".csv"),
    Row("TSV", "text meadow\t4", words("place\thives\nmeadow\t4\nwood\t2\n"), ".tsv"),
    Row("CSV with semicolons in cp1252", "text Straße;4", words("Ort;Völker\nStraße;4\nWald;2\n", "cp1252"), ".csv"),
    Row("Markdown with headings", "text ## Honey", sample("md"), ".md"),
    Row("JSON lines", 'text {"what": "Bread"}', words('{"what": "Bread"}\n' * 3), ".jsonl"),
    Row("XML", "text <item>Bread</item>", words('<?xml version="1.0"?><order><item>Bread</item></order>'), ".xml"),
    Row("LaTeX", "text \\section{Bread}", words("\\documentclass{article}\n\\section{Bread}\n"), ".tex"),
    Row("Program in Python", "text def bread", words("def bread():\n    return 4\n"), ".py"),
    Row("HEIC", "image 64x48", sample("heic")),
    Row("JPEG XL", "image 64x48", sample("jxl")),
    Row("JPEG XL of a JPEG", "image 64x48", sample("jxl box")),
    Row("Raw photo with a preview (DNG)", "image 640x480", sample("dng")),
    Row("Raw photo with a tiny preview", "image 64x48", sample("dng developed")),
    Row("PNG called .txt", "image 64x48", image, ".txt"),
    Row("Text called .jpg", "text They fly.", words("They fly."), ".jpg"),
    Row("HTML called .xls", "text They fly.", words("<html><table><tr><td>They fly.</td></tr></table></html>"), ".xls"),
]  # fmt: skip
