"""Notebooks, address books and archives: cells, contacts and files, with what is inside them."""

import base64
import io
import json
import zipfile

import pytest
from PIL import Image as PILImage

from senseweave.errors import MediaError, PolicyError
from senseweave.media import Image, MediaPolicy, Text, collect, split


def notebook(*cells, **more):
    return json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **more}).encode()


def code(source, *outputs):
    return {"cell_type": "code", "source": source.splitlines(keepends=True), "outputs": list(outputs), "metadata": {}}


def markdown(source, **attachments):
    return {"cell_type": "markdown", "source": source, "attachments": attachments}


def test_a_notebook_has_a_page_for_each_cell_under_its_headings(make):
    drawn = base64.b64encode(make.image(make.picture())).decode()
    shown = {"output_type": "display_data", "data": {"image/png": f"{drawn}\n", "text/plain": ["<Figure size 64x48>"]}}
    data = notebook(
        markdown("# Bees\n\n## Honey"),
        code("print(4)\n4", {"output_type": "stream", "text": ["four\n", "hives\n"]}, shown),
        code("1 / 0", {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "division by zero"}),
        markdown("![a](attachment:a.png)", **{"a.png": {"image/png": drawn}}),
    )
    found = list(collect(data))
    assert [(media.modality, media.page, media.part_name) for media in found] == [
        ("text", 1, None),
        ("text", 2, None),
        ("text", 3, None),
        ("text", 4, None),
        ("image", 2, "!/2/output-2.png"),
        ("image", 4, "!/4/a.png"),
    ]
    assert found[0].mime_type == "application/x-ipynb+json"
    assert found[1].decode() == "print(4)\n4\n\nfour\nhives"
    (chunk,) = split(found[1])
    assert chunk.decode() == "Bees > Honey\nprint(4)\n4\n\nfour\nhives"
    assert "ZeroDivisionError: division by zero" in found[2].decode()
    assert drawn[:40] not in Text.open(data).decode()
    assert found[4].decode().size == found[5].decode().size == (64, 48)


def test_a_notebook_of_the_old_form_is_read(make):
    drawn = base64.b64encode(make.image(make.picture())).decode()
    cells = [
        {"cell_type": "code", "input": ["1 + 1"], "outputs": [{"output_type": "pyout", "text": ["2"]}]},
        {"cell_type": "code", "input": ["draw()"], "outputs": [{"output_type": "display_data", "png": drawn}]},
        {"cell_type": "code", "input": ["1 / 0"], "outputs": [{"output_type": "pyerr", "ename": "E", "evalue": "no"}]},
    ]
    found = list(collect(json.dumps({"worksheets": [{"cells": cells}], "nbformat": 3}).encode()))
    assert [media.decode() for media in found[:3]] == ["1 + 1\n\n2", "draw()", "1 / 0\n\nE: no"]
    assert found[3].part_name == "!/2/output-1.png"
    assert found[3].decode().size == (64, 48)


def test_a_broken_notebook_is_told():
    (error,) = collect(notebook(code("1"))[:-1] + b",")
    assert "broken notebook" in str(error)


def test_a_note_that_begins_like_an_address_book_stays_text():
    (text,) = collect(b"BEGIN:VCARDS are what phones send.")
    assert text.decode() == "BEGIN:VCARDS are what phones send."


def test_json_that_is_no_notebook_stays_text():
    (text,) = collect(b'{"cells": 4}')
    assert text.mime_type == "text/plain"


def test_an_address_book_has_a_page_for_each_contact(make):
    photo = base64.b64encode(make.image(make.picture(), "JPEG")).decode()
    folded = "\r\n ".join(photo[at : at + 70] for at in range(0, len(photo), 70))
    cards = (
        "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ann Öster\r\nORG:Bees\\, Ltd;Hives\r\nTEL;TYPE=CELL:+47 12\r\n"
        f"item1.EMAIL:ann@example.org\r\nPHOTO;ENCODING=b;TYPE=JPEG:{folded}\r\nNOTE:two\\nlines\r\nEND:VCARD\r\n"
        "BEGIN:VCARD\r\nVERSION:2.1\r\nN:Berg;Bo\r\nADR;ENCODING=QUOTED-PRINTABLE:;;Gr=C3=B6n=\r\nv=C3=A4g 1;Oslo\r\n"
        "END:VCARD\r\n"
        f"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Cy\r\nPHOTO:data:image/jpeg;base64,{photo}\r\nEND:VCARD\r\n"
    )
    found = list(collect(cards.encode()))
    words = [media.decode() for media in found[:3]]
    assert words[0].startswith("Ann Öster\n\nOrganization: Bees, Ltd, Hives\nTelephone: +47 12\nEmail: ann@example.org")
    assert words[1] == "Bo Berg\n\nAddress: Grönväg 1, Oslo"
    assert words[2] == "Cy"
    assert [(media.page, media.part_name) for media in found[3:]] == [(1, "!/1/photo"), (3, "!/3/photo")]
    assert found[3].decode().size == found[4].decode().size == (64, 48)
    assert photo[:40] not in Text.open(cards.encode()).decode()


def test_the_letters_of_a_contact_are_those_of_its_charset():
    (text,) = collect(
        b"BEGIN:VCARD\nVERSION:2.1\nFN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:J=F6rg =80\nEND:VCARD\n"
    )
    assert text.decode() == "J\u00f6rg \u20ac"


def archive(files, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as package:
        for name, data in files.items():
            package.writestr(name, data)
    return buffer.getvalue()


def test_the_files_of_an_archive_are_media_of_their_own(make):
    data = archive(
        {
            "notes/bees.txt": b"The bees fly.",
            "photo.png": make.image(make.picture()),
            "report.pdf": make.pdf(["one", "two"]),
            "inner.zip": archive({"talk.wav": make.sound(make.tone())}),
            "__MACOSX/._photo.png": b"\0\5\x16\7",
            ".hidden": b"secret",
        }
    )
    found = list(collect(data))
    assert [(media.modality, media.part_name, media.page) for media in found] == [
        ("audio", "!/inner.zip!/talk.wav", None),
        ("text", "!/notes/bees.txt", None),
        ("image", "!/photo.png", None),
        ("text", "!/report.pdf", 1),
        ("image", "!/report.pdf", 1),
        ("text", "!/report.pdf", 2),
        ("image", "!/report.pdf", 2),
    ]
    assert found[0].duration == pytest.approx(1.0)
    assert found[1].decode() == "The bees fly."
    assert found[5].decode().strip() == "two"
    assert Image(data, part="report.pdf", page=2).decode().size == found[6].decode().size


def test_files_of_an_archive_that_was_made_of_a_path_are_not_hidden():
    found = list(collect(archive({"./bees.txt": b"The bees fly.", "../up.txt": b"up", "./.hidden": b"secret"})))
    assert [media.part_name for media in found] == ["!/../up.txt", "!/./bees.txt"]


def test_an_archive_without_files_says_so(tmp_path):
    path = tmp_path / "empty.zip"
    path.write_bytes(archive({}))
    for given in (path, path.read_bytes()):
        (error,) = collect(given)
        assert "is a ZIP archive without any files" in str(error)


def test_an_archive_has_no_text_of_its_own():
    with pytest.raises(MediaError, match="choose a file in it with part="):
        Text.open(archive({"a.txt": b"a"})).decode()
    assert list(collect(archive({".hidden": b"a"}))) == []


def test_a_file_of_an_archive_that_cannot_be_read_is_an_error_like_one_in_a_folder():
    text, error = collect(archive({"a.txt": b"a", "b.bin": b"\x7fELF" + bytes(99)}))
    assert text.decode() == "a"
    assert type(error).__name__ == "NoContentError"
    assert "!/b.bin" in str(error)


def test_a_protected_archive_says_so():
    data = bytearray(archive({"a.txt": b"a"}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    (error,) = collect(bytes(data))
    assert "protected by a password" in str(error)


def test_bombs_are_refused(monkeypatch):
    from senseweave.media.documents import packages

    monkeypatch.setattr(packages, "SWOLLEN_FROM", 1 << 20)
    (error,) = collect(archive({"zeros.bin": bytes(8 << 20)}))
    assert isinstance(error, PolicyError)
    assert "swells" in str(error)
    many = archive({f"{number}.txt": b"a" for number in range(30)})
    (error,) = collect(many, policy=MediaPolicy(max_parts=20))
    assert "max_parts" in str(error)
    nested = many
    for _ in range(4):
        nested = archive({"a.zip": nested})
    found = list(collect(nested, policy=MediaPolicy(max_depth=3)))
    assert [type(each) for each in found] == [PolicyError]


def test_all_files_in_an_archive_count_together():
    inner = archive({f"{number}.txt": b"a" for number in range(9)})
    found = list(collect(archive({f"{number}.zip": inner for number in range(9)}), policy=MediaPolicy(max_parts=20)))
    assert sum(isinstance(each, Text) for each in found) < 20
    assert "max_parts" in str(found[-1])
    large = archive({f"{number}.txt": b"word " * 1000 for number in range(9)})
    found = list(collect(large, policy=MediaPolicy(max_bytes=20_000)))
    assert sum(isinstance(each, Text) for each in found) == 4
    assert "max_bytes" in str(found[-1])


def test_a_picture_with_pages_of_its_own_keeps_them(make):
    pages = [PILImage.fromarray(make.picture(seed=seed)) for seed in (1, 2)]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    attached = base64.b64encode(buffer.getvalue()).decode()
    data = notebook(code("a"), code("b"), markdown("c", **{"scan.tif": {"image/tiff": attached}}))
    found = [media for media in collect(data) if media.modality == "image"]
    assert [(media.page, media.part_name) for media in found] == [(1, "!/3/scan.tif"), (2, "!/3/scan.tif")]
    assert [media.decode().tobytes() == page.tobytes() for media, page in zip(found, pages, strict=True)] == [
        True,
        True,
    ]


def test_a_drawing_of_a_cell_is_an_image_unless_it_is_there_in_pixels(make):
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="2"><rect width="2" height="2"/></svg>'
    pixels = base64.b64encode(make.image(make.picture())).decode()
    output = {"output_type": "display_data", "data": {"image/svg+xml": [drawing], "text/plain": ["<Figure>"]}}
    both = {"output_type": "display_data", "data": {"image/svg+xml": drawing, "image/png": pixels}}
    found = list(collect(notebook(code("draw()", output), code("draw()", both))))
    assert [media.part_name for media in found] == [None, None, "!/1/output-1.svg", "!/2/output-1.png"]
    assert [media.decode().size for media in found[2:]] == [(1024, 512), (64, 48)]


def test_an_address_book_is_parsed_once_for_all_of_its_photos(make, monkeypatch):
    from senseweave.media.documents.contacts import ContactsReader

    parsed = []
    parse = ContactsReader.parse
    monkeypatch.setattr(ContactsReader, "parse", lambda reader, source: parsed.append(source) or parse(reader, source))
    photo = base64.b64encode(make.image(make.picture(), "JPEG")).decode()
    card = f"BEGIN:VCARD\nVERSION:3.0\nFN:Ann\nPHOTO;ENCODING=b:{photo}\nEND:VCARD\n"
    found = list(collect((card * 20).encode()))
    assert [media.decode().size for media in found if media.modality == "image"] == [(64, 48)] * 20
    assert len(parsed) == 1
