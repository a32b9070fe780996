"""Text that is not UTF-8 keeps its letters; the figures of the last test are those of docs/media.md."""

import codecs
import sys
from collections import Counter
from pathlib import Path

import pytest

from senseweave.errors import MediaError
from senseweave.media import MediaPolicy, Text, collect, split

# ruff: noqa: RUF001  (letters of many scripts are meant)
pytest.importorskip("chardet")
PARAGRAPHS = Path(__file__).parent / "data" / "paragraphs.txt"
ENGLISH = "The meeting began at nine and everyone was there. We agreed that the garden needs a new fence. " * 8


def read(data: bytes, encoding: str | None = None) -> str:
    return Text.open(data, encoding=encoding).decode()


def paragraphs() -> list[tuple[str, str, str]]:
    """Language, encoding and paragraph; what an encoding lacks (a typographic quote, say) is written as then."""
    found = []
    for block in PARAGRAPHS.read_text(encoding="utf-8").split("\n== ")[1:]:
        head, _, body = block.partition("\n")
        language, _, encodings = head.partition(": ")
        found += [(language, encoding, typed(body.strip(), encoding)) for encoding in encodings.split()]
    return found


def typed(text: str, encoding: str) -> str:
    plain = {"’": "'", "“": '"', "”": '"', "–": "-"}
    return "".join(letter if letter.encode(encoding, "ignore") else plain.get(letter, "") for letter in text)


@pytest.mark.parametrize(
    "words",
    [
        "50 µg/m³ at 20°", "12 m² for €9",
        "José", "caffè", "£20", "£20 for tea", "Zoë Müller", "naïve café", "30 °C and 5 µm", "Straße 5", "più", "niño",
        "Ångström, Ørsted, Ærø", "5 €", "don’t", "It’s late", "“ok”", "A–B", "½ cup", "© 2020", "§ 5", "São Paulo",
        "tête-à-tête", "¿Qué?", "Mañana a las 9, señor Peña", "id;name;city\n1;Jürgen Groß;Köln\n2;Zoë Brontë;Århus\n",
    ],
)  # fmt: skip
def test_short_western_text_is_windows_1252(words):
    assert read(words.encode("cp1252")) == words


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        ("Привет", "cp1251"),
        ("Привет, мир", "koi8-r"),
        ("Спасибо", "cp866"),
        ("Γειά σου Κόσμε", "cp1253"),
        ("שלום עולם", "cp1255"),
        ("مرحبا", "cp1256"),
        ("你好", "gbk"),
        ("台灣", "big5"),
        ("日本", "cp932"),
        ("こんにちは", "euc_jp"),
        ("こんにちは", "iso2022_jp"),
        ("한국", "euc_kr"),
        ("Łódź i Kraków", "cp1250"),
        ("žluťoučký", "iso8859-2"),
        ("güneş", "cp1254"),
        ("Привет, мир! Как дела?", "utf-16-le"),
        ("Привет, мир! Как дела?", "utf-16-be"),
        ("会議は明日です。\n", "utf-16-le"),
        ("plain words", "utf-32-le"),
        ("grüße, ihr", "utf-32-be"),
    ],
)
def test_short_text_of_other_scripts_keeps_its_letters(words, encoding):
    assert read(words.encode(encoding)) == words


@pytest.mark.parametrize("words", ["Zoë took the notes.", "The price is £20.", "It’s “fine” – really."])
def test_a_name_in_a_long_english_text_decides_its_encoding(words):
    assert read((ENGLISH + words).encode("cp1252")).endswith(words)


@pytest.mark.parametrize(
    "text", ["Die Straße führt über die Brücke. ", "Собака бежит по траве. ", "日本語の文章です。"]
)
def test_a_stray_byte_leaves_a_utf8_text_what_it_is(text):
    data = (text * 3).encode()
    media = Text.open(data + b"\xe9 and " + data)
    assert media.decode() == text * 3 + "\ufffd and " + text * 3
    assert media.notes == ("1 byte that utf-8 does not allow was replaced",)
    assert read(data[:-1]) == data[:-1].decode("utf-8", "replace")


def test_whole_utf8_has_no_notes():
    media = Text.open("grüße \ufffd".encode())
    assert media.decode() == "grüße \ufffd"
    assert media.notes == ()


def test_the_caller_may_name_the_encoding():
    data = "Dvořák".encode("cp1250")
    assert read(data) == "Dvoøák"
    assert read(data, encoding="windows-1250") == "Dvořák"
    assert read(data, encoding="ascii") == "Dvo\ufffd\ufffdk"
    for unknown in ("no-such-encoding", "hex"):
        with pytest.raises(ValueError, match=f"encoding '{unknown}' is unknown"):
            Text.open(data, encoding=unknown)


@pytest.mark.parametrize("words", ["Größe", "Größe. " * 400])
def test_the_encoding_that_was_chosen_is_in_the_metadata_of_the_passages(words):
    (media,) = collect([words.encode("cp1252")])
    assert {passage.metadata["encoding"] for passage in split(media)} == {"cp1252"}
    assert "".join(passage.decode() for passage in split(media)) == words
    (media,) = collect([words.encode()])
    assert all("encoding" not in passage.metadata for passage in split(media))


def test_a_line_of_megabytes_is_judged_by_its_first_part():
    words = "Die Straße führt über die Brücke zum Schloß; " * 40_000
    assert read(words.encode("cp1252")) == words
    words = "日本語の文章です。" * 100_000
    assert read(words.encode("cp932")) == words


def test_without_the_detector_western_text_is_read_and_a_note_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "chardet", None)
    for words in ("José, caffè, £20", "Sehr geehrte Frau Müller, vielen Dank für die Grüße.", "Il caffè è già pronto"):
        media = Text.open(words.encode("cp1252"))
        assert media.decode() == words
        (note,) = media.notes
        assert note.startswith("is read as cp1252")
        assert 'pip install "senseweave[documents]"' in note


def test_xml_may_declare_its_encoding():
    page = "<?xml version='1.0' encoding='iso-8859-2'?><p>łódź</p>"
    assert "łódź" in read(page.encode("iso8859-2"))


def test_bytes_without_letters_are_no_wide_text():
    for data in (bytes(range(64)), b"\0\1\2\3" * 50, b"ab\0\1cd\0\2" * 9):
        with pytest.raises(MediaError, match="not text"):
            read(data)


def test_a_large_text_is_judged_by_its_first_lines_that_are_not_ascii():
    words = ENGLISH * 2000 + "\n" + "Sehr geehrte Frau Müller, vielen Dank für die Grüße.\n" * 9
    assert read(words.encode("cp1252"), None) == words
    with pytest.raises(MediaError, match="max_text_bytes"):
        Text.open(words.encode("cp1252"), policy=MediaPolicy(max_text_bytes=1000)).decode()


@pytest.mark.parametrize(("length", "least"), [(20, 0.94), (40, 0.98), (160, 0.98)])
def test_paragraphs_of_many_languages_keep_their_letters(length, least):
    cases = paragraphs()
    assert len({language for language, _, _ in cases}) >= 36
    assert len({codecs.lookup(encoding).name for _, encoding, _ in cases}) >= 30
    right, wrong = 0, Counter()
    for language, encoding, text in cases:
        for start in range(0, max(1, len(text) - length + 1), max(1, length // 2)):
            piece = text[start : start + length]
            if not (data := piece.encode(encoding)).isascii():
                right += (fits := read(data) == piece)
                wrong[language, encoding] += not fits
    assert right >= least * (right + wrong.total()), wrong.most_common(9)
