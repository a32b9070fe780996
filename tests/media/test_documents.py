"""The words and the pages of documents."""

import base64
import codecs
import concurrent.futures
import json

import numpy as np
import pytest

from senseweave.errors import MediaError, PolicyError
from senseweave.media import Image, MediaPolicy, Text, collect, split

# ruff: noqa: RUF001  (Cyrillic letters are meant)
GERMAN = "Die Straße führt über die Brücke zum Schloß; dort öffnet um zwölf Uhr die Küche für müde Gäste. " * 4
RUSSIAN = "Собака бежит по траве, а кошка сидит на окне и смотрит на улицу. Вечером они спят у камина. " * 4
JAPANESE = (
    "古い家の庭では犬が草の上を走り、猫は窓辺に座って通りを眺めている。やがて日が暮れると、二匹は暖炉のそばで眠る。"
    "朝になれば子どもたちが学校へ行き、おばあさんはパンを焼いて、近所の人といっしょにお茶を飲むのが習わしである。"
)


def words(data, page=None):
    return Text.open(data, page=page).decode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_german_is_read_in_every_encoding(encoding):
    assert words(GERMAN.encode(encoding)) == GERMAN


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), (RUSSIAN, "utf-16"), (JAPANESE, "shift_jis"), (JAPANESE, "euc_jp")],
)
def test_encodings_of_other_scripts_are_detected_by_statistics(text, encoding):
    assert words(text.encode(encoding)) == text


def test_a_byte_order_mark_is_removed_from_the_text():
    for mark, encoding in ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        assert words(mark + "ab".encode(encoding)) == "ab"


def test_a_file_that_breaks_its_own_mark_is_an_error():
    with pytest.raises(MediaError, match="utf-16"):
        words(codecs.BOM_UTF16_LE + b"a\0b")


def test_markdown_stays_as_it_is(saved):
    text = "# Bread\n\n- flour\n- *water*\n"
    assert words(saved("bread.md", text.encode())) == text


def test_html_gives_the_words_that_a_reader_sees():
    page = """<!DOCTYPE html><html><head><title>Bread</title><style>p {color: red}</style>
    <script>alert("no")</script></head><body><h1>How to   bake</h1><p>Take <b>flour</b> &amp;
    water.</p><ul><li>knead<li>wait</ul><template>hidden</template><table><tr><td>1</td><td>2</td></tr></table>
    <pre>a\n  b</pre><!-- not this --></body></html>"""
    text = words(page.encode())
    assert text.split("\n")[0] == "Bread"
    assert "How to bake\n" in text
    assert "Take flour & water." in text
    assert "knead\n" in text
    assert "1 2" in text
    assert "a\nb" in text
    for unseen in ("alert", "color", "hidden", "not this", "<"):
        assert unseen not in text


def test_html_words_leave_out_what_is_hidden_and_keep_what_labels_say():
    page = """<html><body><p hidden>secret</p><svg><text>drawn</text></svg><noscript>old</noscript>
    <object>plugin</object><iframe>frame</iframe><form><label>Your name <input value="Ann"></label>
    <button>Send</button></form><dl><dt>term<dd>meaning</dl><p>caf&eacute;&nbsp;au lait<br>tea</p></body></html>"""
    text = words(page.encode())
    for unseen in ("secret", "drawn", "old", "plugin", "frame", "Ann"):
        assert unseen not in text
    for seen in ("Your name", "Send", "term\nmeaning", "café au lait\ntea"):
        assert seen in text


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-7", "hex", "no-such-encoding"])
def test_html_that_declares_a_strange_encoding_is_read_all_the_same(charset):
    page = f'<html><head><meta charset="{charset}"></head><body>tea \\ud800 +2AA- ü</body></html>'.encode("latin-1")
    assert words(page).startswith("tea")


def test_html_may_declare_its_encoding():
    page = f'<html><head><meta charset="koi8-r"></head><body>{RUSSIAN[:40]}</body></html>'
    assert words(page.encode("koi8-r")) == RUSSIAN[:40].strip()


@pytest.mark.parametrize(
    ("text", "mime_type"),
    [
        ("<html><body><p>{}</p></body></html>", "text/html"),
        (
            '<?xml version="1.0" encoding="utf-16"?><svg xmlns="http://www.w3.org/2000/svg"><text>{}</text></svg>',
            "image/svg+xml",
        ),
        (
            '<?xml version="1.0" encoding="utf-16"?><FictionBook><body><p>{}</p></body></FictionBook>',
            "application/x-fictionbook+xml",
        ),
    ],
    ids=["html", "svg", "fb2"],
)
def test_marked_up_text_in_utf_16_is_read_without_its_tags(text, mime_type):
    media = next(iter(collect([text.format("Brød og smør").encode("utf-16")])))
    assert media.mime_type == mime_type
    assert media.decode() == "Brød og smør"


@pytest.mark.parametrize(
    "page",
    [
        "<p>Bread &amp; tea</p>",
        "<div class='a'>\n<b>Bread</b> &amp; tea</div>",
        "<h1>Bread</h1> &amp; tea",
        "<title>Bread</title><body>&amp; tea",
        f"<!-- {'saved by a program ' * 40} --><html><body>Bread &amp; tea</body></html>",
        f"<!-- {'saved by a program ' * 400} --><html><body>Bread &amp; tea</body></html>",
        "<?xml version='1.0'?>\n<!-- a -->\n<!-- b -->\n<!DOCTYPE html><html><body>Bread &amp; tea</body></html>",
        "<html><body><svg width='9'><path d='M0'>Bread <section>&amp; tea</section></body></html>",
        "<html><body><div>Bread</div><template><p>&amp; tea</p></body></html>",
    ],
)
def test_html_without_its_usual_beginning_or_end_is_html(page):
    text = words(page.encode())
    assert text.split() == ["Bread", "&", "tea"]


@pytest.mark.parametrize(
    "text",
    [
        "<p align='center'><img src='logo.png'></p>\n\n# Bread\n\n- flour\n",
        "<div>\n\nSee [the recipe](bread.md)</div>\n",
        "<nothing> is </nothing>",
        "< 5 and > 3",
        "<p is not closed",
    ],
)
def test_markdown_and_text_with_tags_stay_as_they_are(text):
    assert words(text.encode()) == text


def test_base64_in_a_text_is_no_prose():
    packed = base64.b64encode(np.random.default_rng(0).bytes(30_000)).decode()
    lines = "\n".join(packed[at : at + 76] for at in range(0, len(packed), 76))
    for text in (
        f"Before the picture.\n\n{lines}\n\nAfter the picture.",
        f"![Before](data:image/png;base64,{packed}) the picture. After the picture.",
        json.dumps(
            {"Before": "the picture.", "data": [line + "\n" for line in lines.split("\n")], "After": "the picture."}
        ),
    ):
        media = Text.open(text.encode())
        assert len(media.decode()) < 100
        assert "Before" in media.decode()
        assert "After" in media.decode()
        assert media.notes == ("1 file in base64 inside the text left out",)


def test_what_resembles_base64_stays():
    rng = np.random.default_rng(0)
    gene = "\n".join("".join(rng.choice(list("ACGT"), 70)) for _ in range(40))
    hashes = "\n".join(rng.bytes(32).hex() for _ in range(40))
    for text in (
        gene,
        hashes,
        "Donaudampfschifffahrtsgesellschaftskapitaen " * 50,
        "https://example.org/a/b/c?d=" * 60,
    ):
        assert words(text.encode()) == text


def test_html_that_never_ends_is_read_all_the_same():
    assert words(b"<html><body><p>first<p>second <a href='").split()[:2] == ["first", "second"]
    assert len(words(b"<html>" + b"<div>" * 50_000 + b"deep")) == 4


def test_pdf_pages_are_words_and_pictures(make):
    data = make.pdf(["a dog on the grass", "", "a cat"])
    assert words(data, page=1).strip() == "a dog on the grass"
    assert words(data, page=2).strip() == ""
    assert [page.strip() for page in words(data).split("\f")] == ["a dog on the grass", "", "a cat"]
    first = Image(data, page=1).decode()
    assert first.size == (400, 200)
    assert first.mode == "RGB"
    assert np.asarray(first).min() < 50
    assert (np.asarray(Image(data, page=2).decode()) == 255).all()
    assert Image(data, page=1).mime_type == "application/pdf"


def test_a_scanned_page_is_a_picture_without_words(make):
    import io

    from PIL import Image as PILImage

    buffer = io.BytesIO()
    PILImage.fromarray(make.picture(200, 100)).save(buffer, "PDF")
    assert words(buffer.getvalue(), page=1).strip() == ""
    seen = np.asarray(Image(buffer.getvalue(), page=1).decode().resize((200, 100)))
    assert np.abs(seen.astype(int) - make.picture(200, 100)).mean() < 6


def test_a_page_must_be_named_where_there_are_several(make):
    with pytest.raises(MediaError, match="PDF of 2 pages; choose one with page="):
        Image(make.pdf(["a", "b"])).decode()
    assert Image(make.pdf(["a"])).decode().size == (400, 200)


@pytest.mark.parametrize("kind", [Text.open, Image])
def test_a_page_that_is_not_there_is_an_error(make, kind):
    with pytest.raises(MediaError, match="has no page 3; it has 2"):
        kind(make.pdf(["a", "b"]), page=3).decode()


def test_pages_count_from_one(make):
    with pytest.raises(ValueError, match="page must be at least 1"):
        Image(make.pdf(["a"]), page=0)


def test_only_documents_have_pages():
    with pytest.raises(MediaError, match="has no pages"):
        words(b"plain words", page=1)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_a_broken_pdf_is_an_error(make, share):
    data = make.pdf(["a dog"])
    broken = data[: max(9, int(len(data) * share))]
    with pytest.raises(MediaError):
        words(broken, page=1)
    with pytest.raises(MediaError):
        Image(broken, page=1).decode()


def test_the_policy_bounds_pages_and_their_size(make):
    with pytest.raises(PolicyError, match="max_pages"):
        Text.open(make.pdf(["a"] * 3), policy=MediaPolicy(max_pages=2)).decode()
    with pytest.raises(PolicyError, match="max_pixels"):
        Image(make.pdf(["a"]), page=1, policy=MediaPolicy(max_pixels=10_000)).decode()


def test_a_page_as_large_as_a_house_is_drawn_smaller(make):
    assert max(Image(make.pdf(["a"], size=(14_000, 7_000)), page=1).decode().size) <= 4096


def test_pages_can_be_read_in_threads(make):
    data = make.pdf([f"page {number}" for number in range(8)])
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda page: words(data, page).strip(), range(1, 9)))
        sizes = set(pool.map(lambda page: Image(data, page=page).decode().size, range(1, 9)))
    assert texts == [f"page {number}" for number in range(8)]
    assert sizes == {(400, 200)}


def test_a_page_of_many_headings_and_of_tables_in_tables_is_read():
    """It would take minutes if each element were looked for anew."""
    many = "".join(f"<h2>Place {at}</h2><table><tr><th>a<tr><td>{at}<tr><td>b</table>" for at in range(2000))
    passages = [
        chunk.decode() for chunk in split(Text.open(f"<html><body>{many}</body></html>".encode()), characters=60)
    ]
    assert passages[-1].startswith("Place 1999")
    nested = Text.open(f"<html><body>{'<table><tr><td>x' * 2000}</body></html>".encode())
    assert sum(chunk.decode().count("x") for chunk in split(nested)) == 2000
