"""What text from outside looks like where a person reads it."""

import json
import logging
import sys
import traceback

import pytest

from senseweave.display import printable, printable_json, shorten
from senseweave.errors import (
    FingerprintError,
    MediaError,
    ModelError,
    PromptWarning,
    SenseweaveError,
    SilenceWarning,
    StoreError,
    TruncationWarning,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Grüße, 東京, שלום, 👩\u200d🔬", "Grüße, 東京, שלום, 👩\u200d🔬"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b31m", "\\x9b31m"),
        ("invoice\u202efdp.exe", "invoice\\u202efdp.exe"),
        ("a\u2066b\u2069", "a\\u2066b\\u2069"),
        ("line\nnext\r\tend", "line\\nnext\\r\\tend"),
        ("caf\udce9.png", "caf\\xe9.png"),
        ("\ud800", "\\ud800"),
        ("soft\u00adhyphen zero\u200bwidth", "soft\u00adhyphen zero\\u200bwidth"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("\u2028", "\\u2028"),
        ("\x00\x7f", "\\x00\\x7f"),
    ],
)
def test_what_would_be_obeyed_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(printable(text)) == shown


def test_kept_characters_stay() -> None:
    assert printable("a\nb\x1b", keep="\n") == "a\nb\\x1b"


def test_a_shortened_text_says_that_it_goes_on() -> None:
    assert shorten("word", 4) == "word"
    assert shorten("words", 4) == "word…"
    assert shorten("\x1b\x1b", 4) == "\\x1b…"
    assert len(shorten("\x1b" * 1_000_000, 50)) == 51


def test_json_with_escapes_gives_the_same_values():
    value = {"a": "\x1b\x7f\x9b\u202e\U000e0041\udce9 Grüße 東京"}
    document = printable_json(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(document) == value
    assert "Grüße 東京" in document
    assert printable(document, keep="\n") == document


@pytest.mark.parametrize("kind", [SenseweaveError, ModelError, TruncationWarning, SilenceWarning, PromptWarning])
def test_errors_and_warnings_are_shown_escaped_and_keep_their_values(kind):
    error = kind("name\x1b[2J\u202e.txt")
    assert str(error) == "name\\x1b[2J\\u202e.txt"
    assert error.args == ("name\x1b[2J\u202e.txt",)
    assert "\x1b" not in "".join(traceback.format_exception(error))


def test_a_media_error_shows_its_source_on_one_line_and_keeps_it():
    error = MediaError("a\nfile\x9b.txt", "is not text")
    assert str(error) == "a\\nfile\\x9b.txt: is not text"
    assert error.source == "a\nfile\x9b.txt"


def test_a_logged_traceback_of_our_errors_holds_nothing_that_a_terminal_obeys() -> None:
    hostile = "a\x1b[2J\u202e\x9b1m.txt"
    for error in (MediaError(hostile, f"is {hostile}"), StoreError(hostile), TruncationWarning(hostile)):
        try:
            raise error from FileNotFoundError(2, "no such file", hostile)
        except (SenseweaveError, TruncationWarning):
            record = logging.LogRecord("x", logging.ERROR, "", 0, "failed: %s %r", (error, error), sys.exc_info())
        written = logging.Formatter().format(record)
        assert "Traceback" in written
        assert "\\x1b[2J\\u202e" in written
        assert not {"\x1b", "\u202e", "\x9b"} & set(written)


def test_a_fingerprint_adds_no_line_to_an_error():
    error = FingerprintError("notes", "a\nsenseweave: all is well", "b\r\x1b[2K")
    assert "\n" not in str(error)
    assert "\r" not in str(error)
    assert (error.expected, error.given) == ("a\nsenseweave: all is well", "b\r\x1b[2K")
