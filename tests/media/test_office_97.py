"""Rich text, messages of Outlook, and the files that are refused by their name."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
import xlwt

from senseweave.errors import MediaError, NoContentError
from senseweave.media import Text, collect, split
from senseweave.media.documents.outlook import unpack_rtf
from senseweave.media.forms.source import BytesSource
from senseweave.media.policy import MediaPolicy
from tests.media.ole_samples import forwarded_outlook, ole, outlook, with_pictures


def test_a_message_of_outlook_gives_its_words_and_attachments(make):
    text, picture = collect(outlook(make, **{"__substg1.0_1000001F": "The bees fly.\r\n".encode("utf-16-le")}))
    assert text.mime_type == "application/vnd.ms-outlook"
    assert text.decode() == "Bienenstöcke\n\nFrom: Ann\nTo: Zoë Müller of Köln\n\nThe bees fly."
    assert picture.part_name == "!/bee.png"
    assert picture.decode().size == (64, 48)


@pytest.mark.parametrize(
    "body",
    [
        {"__substg1.0_10130102": b"<html><body><p>The bees fly.</p></body></html>"},
        {"__substg1.0_10090102": struct.pack("<IIII", 0, 26, 0x414C454D, 0) + rb"{\rtf1\ansi The bees fly.}"},
    ],
)
def test_the_text_of_a_message_may_be_html_or_rich_text(make, body):
    text, _ = collect(outlook(make, **body))
    assert text.decode().endswith("The bees fly.")


def test_rich_text_gives_its_tables_notes_headers_and_metafiles(make):
    metafile = (b"\1\0\x09\0\0\3" + bytes(60)).hex()
    picture = make.image(make.picture())
    data = (
        rb"{\rtf1\ansi{\header Annual report\par}Bees{\footnote See below.}{\*\annotation A remark.}\par"
        rb"\trowd\cellx1\cellx2 place\cell hives\cell\row\trowd meadow\cell 4\cell\row "
        rb"{\pict\wmetafile8 " + metafile.encode() + rb"}{\pict\pngblip\bin%d " % len(picture) + picture + rb"}}"
    )
    text, error, image = collect(data)
    assert text.decode() == "Annual report\nBees\nSee below.\nA remark.\n\nplace | hives\nmeadow | 4"
    assert [chunk.decode() for chunk in split(text, characters=50)][-1].startswith("place | hives")
    assert "Windows metafile (WMF)" in error.reason
    assert image.decode().size == (64, 48)


def test_a_message_attached_to_a_message_of_outlook_is_a_message_inside(make):
    data = forwarded_outlook(make, 3)
    outer, middle, inner, picture = collect(data)
    assert outer.decode() == "Bees 0\n\nFrom: Zoë\n\nThey fly at 0."
    assert middle.decode() == "Bees 1\n\nFrom: Zoë\n\nThey fly at 1."
    assert (inner.part_name, inner.mime_type) == ("!/part-1.eml!/part-2.eml", "message/rfc822")
    assert picture.part_name == "!/part-1.eml!/part-2.eml!/bee.png"
    assert picture.decode().size == (64, 48)
    assert [media.sha256 for media in collect(data)] == [outer.sha256, middle.sha256, inner.sha256, picture.sha256]


def test_messages_attached_to_messages_of_outlook_deeper_than_allowed_are_refused(make):
    text, error = collect(forwarded_outlook(make, 20))
    assert text.decode().endswith("They fly at 0.")
    assert "max_depth" in error.reason


def test_pictures_of_an_old_workbook_are_images_of_the_sheet_that_shows_them(make):
    made = xlwt.Workbook()
    for title in ("One", "Two"):
        made.add_sheet(title).write(0, 0, "meadow")
    buffer = io.BytesIO()
    made.save(buffer)
    once, twice = bytes(17), bytes(33)
    metafile = zlib.compress(b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(60))
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    data = with_pictures(
        buffer.getvalue(),
        [
            (0xF01E, 0x6E0, once + make.image(noise)),  # longer than a record
            (0xF01D, 0x46B, twice + make.image(make.picture(32, 16), "JPEG")),
            (0xF01F, 0x7A8, once + make.image(make.picture(), "BMP")[14:]),
            (0xF01A, 0x3D4, bytes(16) + bytes(32) + b"\0\xfe" + metafile),
            (0xF01A, 0x3D4, bytes(16) + bytes(32) + b"\0\xfe" + b"noise"),
        ],
        sheet=1,
    )
    first, second, *pictures, drawing, broken = collect(data)
    assert [first.decode(), second.decode()] == ["One\n\nmeadow", "Two\n\nmeadow"]
    assert [picture.part_name for picture in pictures] == ["!/picture-1.png", "!/picture-2.jpg", "!/picture-3.bmp"]
    assert [picture.decode().size for picture in pictures] == [(80, 60), (32, 16), (64, 48)]
    assert {picture.page for picture in pictures} == {2}
    assert (np.asarray(pictures[0].decode()) == noise).all()
    assert "Windows metafile (EMF)" in drawing.reason
    assert "empty" in broken.reason


def test_compressed_rich_text_is_unpacked():
    packed = bytes.fromhex(  # the example of [MS-OXRTFCP] 3.1
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    words = unpack_rtf(packed, BytesSource(b"", MediaPolicy()))
    assert words == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


def test_rich_text_gives_its_words_and_pictures(make):
    picture = make.image(make.picture()).hex()
    data = (
        r"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\*\generator x;}\f0 The b\'e4es\par fly \u8364? high.\par "
        rf"{{\*\shppict{{\pict\pngblip\picw64\pich48 {picture}}}}}{{\nonshppict{{\pict\wmetafile8 0102}}}}{{\b end}}.}}"
    )
    text, image = collect(data.encode())
    assert text.mime_type == "application/rtf"
    assert text.decode() == "The bäes\nfly € high.\nend."
    assert image.part_name == "!/picture-1.png"
    assert image.decode().size == (64, 48)


def archive(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name in names:
            package.writestr(name, "x")
    return buffer.getvalue()


REFUSED = {
    "Word 97 document (DOC); save it as DOCX or PDF": ole({"WordDocument": b"\xec\xa5", "1Table": b""}),
    "PowerPoint 97 presentation (PPT); save it as PPTX or PDF": ole({"PowerPoint Document": b""}),
    "protected by a password; save it without": ole({"EncryptionInfo": b"", "EncryptedPackage": b""}),
    "OLE file of an unknown program": ole({"Something": b""}),
    r"binary Excel workbook \(XLSB\); save it as XLSX": archive("[Content_Types].xml", "xl/workbook.bin"),
    "Apple document .* export it as PDF": archive("Index/Document.iwa", "preview.jpg"),
    "XPS document; save it as PDF": archive("FixedDocSeq.fdseq"),
    "Outlook mailbox .* export its messages": b"!BDN" + bytes(600),
    "OneNote section": b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d" + bytes(600),
    "Kindle book .* convert it to EPUB": b"My book".ljust(60, b"\0") + b"BOOKMOBI" + bytes(600),
    "DjVu document; convert it to PDF": b"AT&TFORM\0\0\0\0DJVM" + bytes(600),
    r"Windows metafile \(EMF\)": b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(600),
    "RAR archive, .* unpack it": b"Rar!\x1a\x07\1\0" + bytes(600),
    "TAR archive, .* unpack it": b"a.txt".ljust(257, b"\0") + b"ustar" + bytes(600),
    "gzip archive, .* unpack it": b"\x1f\x8b\x08" + bytes(600),
    "SQLite database, .* as CSV": b"SQLite format 3\0" + bytes(600),
    "Parquet table, .* as CSV": b"PAR1\x15\x04" + bytes(600) + b"PAR1",
    "a program, which": b"MZ\x90\0" + bytes(600),
    "a font, which": b"OTTO\0\x0b" + bytes(600),
    "broken ZIP file .*, .* again": b"PK\3\4" + bytes(600),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_refused_is_called_by_its_name_with_what_to_do(reason):
    (error,) = collect(REFUSED[reason])
    assert isinstance(error, NoContentError)
    with pytest.raises(MediaError, match=reason.replace("(DOC)", r"\(DOC\)").replace("(PPT)", r"\(PPT\)")) as told:
        Text.open(REFUSED[reason]).decode()
    assert told.value.reason == error.reason


def test_characters_that_rich_text_escapes_in_halves_are_whole():
    (text,) = collect(rb"{\rtf1\ansi bees \u-10179?\u-8704? hum}")
    assert text.decode() == "bees \N{GRINNING FACE} hum"
