"""OpenDocument files and electronic books."""

# ruff: noqa: E501  (XML as files have it)

import base64
import io
import zipfile

import pytest

from senseweave.errors import MediaError
from senseweave.media import collect, split

NAMES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{value}:1.0"'
    for name, value in {
        "office": "office",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "presentation": "presentation",
    }.items()
)


def package(mime_type, files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("mimetype", mime_type, zipfile.ZIP_STORED)
        for name, data in files.items():
            made.writestr(name, data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def odf(kind, body, **files):
    content = (
        f'<office:document-content {NAMES} xmlns:xlink="http://www.w3.org/1999/xlink">'
        f"<office:body>{body}</office:body></office:document-content>"
    )
    return package(f"application/vnd.oasis.opendocument.{kind}", {"content.xml": content, **files})


def test_a_text_document_gives_headings_paragraphs_and_tables(make):
    body = """<office:text><text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>
    <text:h text:outline-level="1">Bees</text:h><text:p>They <text:span>fly</text:span>.<text:s text:c="2"/>Often.
    <text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>In May.</text:p></text:note-body></text:note></text:p>
    <text:list><text:list-item><text:p>wax</text:p></text:list-item></text:list>
    <table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>place</text:p></table:table-cell>
    <table:table-cell><text:p>hives</text:p></table:table-cell></table:table-row></table:table-header-rows>
    <table:table-row><table:table-cell><text:p>wood</text:p></table:table-cell><table:table-cell><text:p>2</text:p>
    </table:table-cell></table:table-row></table:table>
    <text:p><draw:frame><draw:text-box><text:p>in a box</text:p></draw:text-box></draw:frame></text:p></office:text>"""
    found = list(collect(odf("text", body, **{"Pictures/a.png": make.image(make.picture())})))
    assert [(media.modality, media.page, media.part_name) for media in found] == [
        ("text", None, None),
        ("image", None, "!/Pictures/a.png"),
    ]
    text = found[0].decode()
    assert text.startswith("Bees\n\nThey fly.  Often.")
    for words in ("In May.", "wax", "place | hives\nwood | 2", "in a box"):
        assert text.count(words) == 1
    assert "deleted" not in text


def test_a_spreadsheet_has_a_page_for_each_sheet():
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    rows = "".join(
        f"<table:table-row>{cell.format(f'wood {at}')}{cell.format(at)}</table:table-row>" for at in range(90)
    )
    empty = '<table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="16000"/></table:table-row>'
    body = f"""<office:spreadsheet><table:table table:name="Hives"><table:table-row>{cell.format("place")}
    {cell.format("hives")}</table:table-row>{rows}{empty}</table:table><table:table table:name="More"><table:table-row>
    {cell.format("alone")}</table:table-row></table:table></office:spreadsheet>"""
    first, second = collect(odf("spreadsheet", body))
    assert (first.page, second.page, second.decode()) == (1, 2, "More\n\nalone")
    passages = [chunk.decode() for chunk in split(first, characters=300)]
    assert all(passage.startswith("Hives\nplace | hives\n") for passage in passages[1:])


def test_a_presentation_has_a_page_for_each_slide(make):
    slide = """<draw:page draw:name="a"><draw:frame><draw:text-box><text:p>{}</text:p></draw:text-box></draw:frame>
    <draw:frame presentation:class="title"><draw:text-box><text:p>Bees</text:p></draw:text-box></draw:frame>
    <draw:frame><draw:image xlink:href="{}"/></draw:frame>
    <presentation:notes><draw:frame><draw:text-box><text:p>Smile.</text:p></draw:text-box></draw:frame>
    </presentation:notes></draw:page>"""
    body = f"<office:presentation>{slide.format('They fly.', '')}{slide.format('They hum.', 'Pictures/a.png')}</office:presentation>"
    found = list(collect(odf("presentation", body, **{"Pictures/a.png": make.image(make.picture())})))
    assert [(media.modality, media.page) for media in found] == [("text", 1), ("text", 2), ("image", 2)]
    assert found[1].decode() == "Bees\n\nThey hum.\n\nSmile."


def test_a_protected_document_says_so():
    data = odf("text", "<office:text/>", **{"META-INF/manifest.xml": "<m><manifest:encryption-data/></m>"})
    (error,) = collect(data)
    assert "protected by a password" in str(error)


def epub(make, **more):
    chapter = "<html xmlns='http://www.w3.org/1999/xhtml'><body><h1>{}</h1><p>{}</p>{}</body></html>"
    files = {
        "META-INF/container.xml": '<container xmlns="urn:c"><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>',
        "OPS/book.opf": """<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
        <dc:title>The Bees</dc:title></metadata><manifest><item id="n" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>
        <item id="b" href="two%20b.xhtml" media-type="application/xhtml+xml"/>
        <item id="a" href="one.xhtml" media-type="application/xhtml+xml"/><item id="p" href="bee.png" media-type="image/png"/>
        </manifest><spine><itemref idref="a"/><itemref idref="b"/></spine></package>""",
        "OPS/nav.xhtml": "<html xmlns='http://www.w3.org/1999/xhtml'><body><nav><a href='one.xhtml'>Spring</a><a href='two%20b.xhtml#x'>Summer</a></nav></body></html>",
        "OPS/one.xhtml": chapter.format("Spring", "They wake. " * 60, ""),
        "OPS/two b.xhtml": chapter.format("Of summer", "They fly.", "<img src='bee.png'/>"),
        "OPS/bee.png": make.image(make.picture()),
        **more,
    }
    return package("application/epub+zip", files)


def test_a_book_has_a_page_for_each_chapter_in_the_order_of_reading(make):
    found = list(collect(epub(make)))
    assert [(media.modality, media.page, media.part_name) for media in found] == [
        ("text", 1, None),
        ("text", 2, None),
        ("image", 2, "!/OPS/bee.png"),
    ]
    assert found[0].decode().startswith("Spring\n")
    assert found[1].decode().startswith("Summer\n\nOf summer")
    passages = [chunk.decode() for chunk in split(found[0], characters=200)]
    assert passages[0].startswith("The Bees\nSpring")
    assert all(passage.startswith("The Bees > Spring\nThey wake.") for passage in passages[1:])
    (short,) = split(found[1])
    assert short.decode().startswith("The Bees\nSummer")


def test_a_book_with_copy_protection_says_so(make):
    protected = "<encryption><EncryptedData><EncryptionMethod Algorithm='aes128'/></EncryptedData></encryption>"
    (error,) = collect(epub(make, **{"META-INF/encryption.xml": protected}))
    assert "copy protection" in str(error)
    fonts = "<e><EncryptionMethod Algorithm='http://www.idpf.org/2008/embedding'/></e>"
    assert len(list(collect(epub(make, **{"META-INF/encryption.xml": fonts})))) == 3


@pytest.mark.parametrize("missing", ["META-INF/container.xml", "OPS/book.opf"])
def test_a_book_without_its_directory_is_broken(make, missing):
    (error,) = collect(epub(make, **{missing: b"<nothing/>"}))
    assert isinstance(error, MediaError)
    assert "broken electronic book" in str(error)


def test_a_book_in_one_file_has_a_page_for_each_chapter(make):
    picture = base64.b64encode(make.image(make.picture())).decode()
    book = f"""<?xml version="1.0"?><FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0"
    xmlns:l="http://www.w3.org/1999/xlink"><description><title-info><book-title>The Bees</book-title></title-info>
    </description><body><section><title><p>Spring</p></title><p>They <emphasis>wake</emphasis>.</p></section>
    <section><title><p>Summer</p></title><section><title><p>May</p></title><p>They fly.</p><image l:href="#a.png"/>
    </section></section></body><binary id="a.png" content-type="image/png">{picture}</binary></FictionBook>"""
    first, second, image = collect(book.encode())
    assert (first.page, first.decode(), second.decode()) == (1, "Spring\n\nThey wake.", "Summer\n\nMay\n\nThey fly.")
    assert (image.page, image.part_name, image.decode().size) == (2, "!/a.png", (64, 48))
    (chunk,) = split(second)
    assert chunk.decode().startswith("The Bees\nSummer")
    assert picture[:40] not in second.decode()


def test_a_table_in_a_book_of_one_file_is_read():
    table = "<table><tr><th>place</th><th>hives</th></tr><tr><td>meadow</td><td>4</td></tr></table>"
    (text,) = collect(f"<FictionBook><body><section><p>They fly.</p>{table}</section></body></FictionBook>".encode())
    assert text.decode() == "They fly.\n\nplace | hives\nmeadow | 4"


def test_a_text_document_gives_inner_tables_remarks_and_headers_once():
    inner = "<table:table><table:table-row><table:table-cell><text:p>inner</text:p></table:table-cell></table:table-row></table:table>"
    body = (
        "<office:text><text:p>a<text:note><text:note-body><text:p>note</text:p></text:note-body></text:note>b"
        "<office:annotation><text:p>remark</text:p></office:annotation></text:p><table:table><table:table-row>"
        f"<table:table-cell>{inner}</table:table-cell><table:table-cell><text:p>y</text:p></table:table-cell>"
        "</table:table-row></table:table></office:text>"
    )
    spaces = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("style", "text"))
    header = "<style:header><text:p>Annual report</text:p></style:header>"
    styles = f"<s {spaces}>{header}{header}</s>"
    (text,) = collect(odf("text", body, **{"styles.xml": styles}))
    assert text.decode() == "a note b\n\nremark\n\ninner | y\n\nAnnual report"
