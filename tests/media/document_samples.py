"""A small document of each kind that is read, for tests that break them."""

from __future__ import annotations

import base64
import email.policy
import io
import json
import zipfile
from email.message import EmailMessage

import docx
import openpyxl
import pptx
import xlwt
from openpyxl.drawing.image import Image as Drawing
from pptx.util import Inches

from tests.media.ole_samples import forwarded_outlook, with_pictures


def package(files: dict[str, bytes | str], mime_type: str = "") -> bytes:
    """A ZIP file; a MIME type becomes its first member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        if mime_type:
            made.writestr("mimetype", mime_type, zipfile.ZIP_STORED)
        for name, data in files.items():
            made.writestr(name, data)
    return buffer.getvalue()


def saved(document) -> bytes:
    """What a library writes into a file object."""
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def samples(make) -> dict[str, bytes]:
    """The documents by kind; `make` writes pictures and sound."""
    picture = make.image(make.picture())
    text = docx.Document()
    text.add_heading("Bees", 1)
    text.add_paragraph("They fly.")
    table = text.add_table(rows=2, cols=2)
    table.cell(1, 1).text = "4"
    text.add_picture(io.BytesIO(picture))
    slides = pptx.Presentation()
    slide = slides.slides.add_slide(slides.slide_layouts[5])
    slide.shapes.title.text = "Bees"
    slide.shapes.add_picture(io.BytesIO(picture), 0, 0)
    slide.shapes.add_table(2, 2, 0, 0, Inches(2), Inches(1)).table.cell(0, 0).text = "place"
    book = openpyxl.Workbook()
    for row in (["place", "hives"], ["meadow", 4], ["wood", 2.5]):
        book.active.append(row)
    book.active.add_image(Drawing(io.BytesIO(picture)))
    old = xlwt.Workbook()
    sheet = old.add_sheet("Hives")
    for at in range(20):
        sheet.write(at, at % 3, f"meadow {at}")
    message = EmailMessage(policy=email.policy.SMTP)
    for name, value in {"From": "a@b.org", "Subject": "Bees", "Message-ID": "<1@b>"}.items():
        message[name] = value
    message.set_content("They fly.")
    message.add_alternative("<html><body><p>They fly.</p></body></html>", subtype="html")
    message.add_attachment(picture, "image", "png", filename="bee.png")
    mail = bytes(message)
    drawn = base64.b64encode(picture).decode()
    cells = [
        {"cell_type": "markdown", "source": "# Bees"},
        {
            "cell_type": "code",
            "source": "4",
            "outputs": [{"output_type": "display_data", "data": {"image/png": drawn}}],
        },
    ]
    office = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<d xmlns:o="{office}:office:1.0" xmlns:t="{office}:text:1.0" xmlns:b="{office}:table:1.0"><o:body><o:text>'
        '<t:h t:outline-level="1">Bees</t:h><t:p>They<t:s t:c="2"/>fly.</t:p><b:table><b:table-row><b:table-cell '
        'b:number-columns-repeated="3"><t:p>4</t:p></b:table-cell></b:table-row></b:table></o:text></o:body></d>'
    )
    chapter = "<html><body><h1>Bees</h1><p>They fly.</p><img src='a.png'/></body></html>"
    opf = (
        '<p><metadata><title>Bees</title></metadata><manifest><item id="a" href="a.xhtml" '
        'media-type="application/xhtml+xml"/><item id="i" href="a.png" media-type="image/png"/></manifest>'
        '<spine><itemref idref="a"/></spine></p>'
    )
    container = '<c><rootfiles><rootfile full-path="b.opf"/></rootfiles></c>'
    return {
        "docx": saved(text),
        "pptx": saved(slides),
        "xlsx": saved(book),
        "xls": with_pictures(saved(old), [(0xF01E, 0x6E0, bytes(17) + picture)]),
        "eml": mail,
        "mbox": b"".join(b"From a Fri Nov 27 08:30:00 2026\n" + mail.replace(b"\r\n", b"\n") + b"\n" for _ in range(2)),
        "ipynb": json.dumps({"cells": cells, "nbformat": 4}).encode(),
        "odt": package({"content.xml": content, "Pictures/a.png": picture}, "application/vnd.oasis.opendocument.text"),
        "epub": package(
            {"META-INF/container.xml": container, "b.opf": opf, "a.xhtml": chapter, "a.png": picture},
            "application/epub+zip",
        ),
        "rtf": rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}The b\'e4es\par fly.{\pict\pngblip "
        + picture.hex().encode()
        + b"}}",
        "zip": package(
            {"a.txt": "They fly.", "b.png": picture, "c.zip": package({"d.wav": make.sound(make.tone(0.2))})}
        ),
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="4" height="2"><g id="a"><text>Bees</text></g>'
        b'<use href="#a"/><rect width="1" height="1" fill="red"/></svg>',
        "fb2": "<FictionBook><description><book-title>Bees</book-title></description><body><section><title>A</title>"
        f'<p>They fly.</p></section></body><binary id="a.png">{drawn}</binary></FictionBook>'.encode(),
        "vcf": f"BEGIN:VCARD\nVERSION:3.0\nFN:Ann\nTEL:4\nPHOTO;ENCODING=b:{drawn}\nEND:VCARD\n".encode(),
        "srt": b"1\n00:00:01,000 --> 00:00:02,000\nThey <i>fly</i>.\n\n2\n00:00:03,000 --> 00:00:04,000\nThey hum.\n",
        "vtt": b"WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>They fly.</v>\n",
        "ass": b"[Script Info]\nTitle: Bees\n\n[Events]\nFormat: Layer, Start, End, Style, Name, Text\n"
        b"Dialogue: 0,0:00:01.00,0:00:02.00,Default,Ann,{\\i1}They{\\i0}\\Nfly.\n",
        "ttml": b'<tt xmlns="http://www.w3.org/ns/ttml"><body><div begin="1s"><p begin="00:00:01.5" end="00:00:02:12">'
        b'They<br/>fly.</p><p begin="40t" dur="2s">They hum.</p></div></body></tt>',
        "lrc": b"[ar:Ann]\n[offset:100]\n[00:12.00]They\n[00:15.30][00:40.00]fly <00:16.00>high\n",
        "sbv": b"0:00:01.000,0:00:03.500\nThey\nfly.\n\n0:00:04.000,0:00:06.000\nThey hum.\n",
        "msg": forwarded_outlook(make),
        "pdf": make.pdf(["They fly.", ""]),
        "csv": b"place,hives\nmeadow,4\nwood,2\n" * 20,
        "md": b"# Bees\n\n## Honey\n\nIt is sweet.\n\n```\n# code\n```\n" * 10,
    }
