"""Text is text."""

from pathlib import Path

import pytest

from senseweave.errors import MediaError
from senseweave.media import Text


@pytest.mark.parametrize(
    "words", ["/etc/hostname", "file:///etc/hostname", "https://example.com/a.png", "data:text/plain,x"]
)
def test_a_string_is_never_opened_whatever_it_looks_like(words):
    assert Text(words).decode() == words


def test_a_string_that_names_a_file_stays_a_string(saved):
    path = saved("note.txt", b"the words inside")
    assert Text(path).decode() == path
    assert Text.open(path).decode() == "the words inside"


@pytest.mark.parametrize("given", [b"bytes", None, 3, ["a"]])
def test_text_takes_only_strings(given):
    with pytest.raises(TypeError, match="text must be a str"):
        Text(given)


def test_a_string_has_provenance():
    text = Text("grüße")
    assert text.mime_type == "text/plain"
    assert text.size == 7
    assert text.source == f"text:{text.sha256[:12]}"
    assert Text("grüße", source="letter.txt").source == "letter.txt"


def test_an_image_given_as_text_is_an_error(make):
    with pytest.raises(MediaError, match="is image/png, not text"):
        Text.open(make.image(make.picture())).decode()


def test_lone_surrogates_do_not_stop_hashing():
    assert len(Text("\ud800").sha256) == 64


def test_the_source_of_a_text_is_a_label_or_a_path_and_nothing_else():
    assert Text("words", source=Path("notes/a.txt")).source == "notes/a.txt"
    assert Text("words", source="letter").source == "letter"
    for wrong in (5, b"a.txt", ["a.txt"]):
        with pytest.raises(TypeError, match=f"source must be a str or a path, not {type(wrong).__name__}"):
            Text("words", source=wrong)
