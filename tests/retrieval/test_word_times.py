"""Records of speech know when each word is said, so that a hit can be played from a word."""

import shutil

import numpy as np
import pytest
import soundfile

import senseweave as sw
from senseweave.encoders.observation import Transcript, with_labels
from senseweave.interop import DESCRIPTION, describe_chunk
from senseweave.retrieval.records.word_times import WORD_TIMES, find_word, keep_word_times, read_word_times

SAID = Transcript("Good morning, all.", (("Good", 0.5), ("morning,", 0.9), ("all.", 1.25)))


def test_times_count_from_the_beginning_of_the_source():
    kept = keep_word_times(SAID, 30.0, {"album": "x"})
    assert kept["album"] == "x"
    assert read_word_times(kept) == (("Good", 30.5), ("morning,", 30.9), ("all.", 31.25))


@pytest.mark.parametrize("description", [None, "a dog, a cat", Transcript("Thanks")])
def test_what_has_no_words_with_times_keeps_none(description):
    assert keep_word_times(description, 0.0, {"a": 1}) == {"a": 1}


def test_a_value_of_the_user_stays_the_users():
    assert keep_word_times(SAID, 0.0, {WORD_TIMES: "mine"}) == {WORD_TIMES: "mine"}


@pytest.mark.parametrize("written", ["mine", "[1, 2]", "{}", '[["a", "b"]]', 7, None])
def test_a_value_that_is_no_list_of_words_is_read_as_none(written):
    assert read_word_times({WORD_TIMES: written}) == ()


def test_labels_beside_a_transcript_leave_its_words():
    both = with_labels(SAID, "Music")
    assert (str(both), both.words) == ("Good morning, all. [Music]", SAID.words)


def test_the_record_of_a_chunk_keeps_them(tmp_path):
    path = tmp_path / "talk.wav"
    soundfile.write(path, np.zeros(32_000), 16_000)
    _, _, metadata = describe_chunk(sw.Audio(path, span=(1.0, 2.0)), SAID)
    assert read_word_times(metadata) == (("Good", 1.5), ("morning,", 1.9), ("all.", 2.25))
    assert (find_word(metadata, "Morning"), find_word(metadata, "night")) == (1.9, None)
    assert WORD_TIMES not in describe_chunk(sw.Audio(path), "a dog")[2]


@pytest.mark.parametrize("description", [SAID, "a dog", None])
def test_a_cache_of_descriptions_keeps_them(description):
    kept = DESCRIPTION.unpack(DESCRIPTION.pack(description))
    assert (kept, getattr(kept, "words", ())) == (description, getattr(description, "words", ()))


@pytest.fixture(scope="module")
def recording(corpus):
    return corpus / "audio" / "recording-01.wav"


@pytest.mark.integration
def test_a_hit_says_when_a_word_is_said(recording, tmp_path):
    with sw.Index(tmp_path / "index") as index:
        index.add([recording])
        (hit, *_) = index.search("dental appointment", k=1)
    second = hit.find_word("DENTAL")
    assert hit.start <= second <= hit.end
    assert [word for word, _ in hit.words] == hit.text.partition(" [")[0].split()
    assert [second for _, second in hit.words] == sorted(second for _, second in hit.words)
    assert hit.find_word("submarine") is None
    described = sw.load("starter").describe([sw.Audio(recording)])[0]
    said = next(word for word in described.words if word.text.lower().startswith("dental"))
    assert second == pytest.approx(said.start, abs=0.3)


@pytest.mark.integration
def test_copies_of_a_recording_know_their_words_too(recording, tmp_path):
    copy = tmp_path / "copy.wav"
    shutil.copy(recording, copy)
    with sw.Index(tmp_path / "index") as index:
        index.add([recording])
        index.add([copy])
        index.add([copy], metadata={"album": "x"})
        first, second = (
            index.search("dental appointment", k=1, filter={"source": str(path)})[0] for path in (recording, copy)
        )
    assert (first.source, second.source) == (str(recording), str(copy))
    assert second.metadata["album"] == "x"
    assert first.words == second.words != ()
