"""The label of a chunk in the text of its document: it names the file without its folder, and can be taken off."""

import re

import pytest

from senseweave.retrieval.records.labels import labeled_description, place_label, source_label, text_without_place
from senseweave.retrieval.records.schema import Provenance

TALK = Provenance("audio", "/home/ann/talk.mp3", (15.0, 30.0))
OLD_LABEL = "audio /home/ann/talk.mp3 0:15.0-0:30.0"


@pytest.mark.parametrize(
    ("source", "label"),
    [
        ("/home/ann/talk.mp3", "talk.mp3"),
        ("C:\\Users\\ann\\talk.mp3", "talk.mp3"),
        ("https://example.com/a/talk.mp3?key=secret", "talk.mp3"),
        ("https://example.com/?key=secret", "example.com"),
        ("talk", "talk"),
        ("/", "/"),
    ],
)
def test_a_source_is_named_without_its_folder(source, label):
    assert source_label(source) == label


def test_a_place_names_no_folder_and_tells_files_of_one_name_apart():
    assert re.fullmatch(r"audio talk\.mp3 #[0-9a-f]{8} 0:15\.0-0:30\.0", place_label(TALK))
    assert place_label(TALK) != place_label(Provenance("audio", "/home/bob/talk.mp3", (15.0, 30.0)))
    assert place_label(Provenance("image", "scan.pdf", page=2)) == "image scan.pdf page 2"
    assert place_label(Provenance("image", "https://example.com/a.png")) == "image https://example.com/a.png"
    assert place_label(Provenance("video"), "no. 7") == "video no. 7"


@pytest.mark.parametrize("label", [place_label(TALK), OLD_LABEL])
def test_the_words_of_a_text_come_back_without_the_place(label):
    assert text_without_place(labeled_description("hello  there", label), TALK) == "hello there"
    assert text_without_place(label, TALK) == ""
    assert text_without_place("my own words (of today)", TALK) == "my own words (of today)"
