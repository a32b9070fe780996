"""Static models: what counts to the limit of tokens."""

import warnings

import numpy as np
import pytest
from tiny_sentence import by_model2vec, save_static
from tiny_text import POSITIONS

import senseweave as sw

pytest.importorskip("model2vec")


def test_unknown_tokens_count_to_the_limit_as_in_model2vec(tmp_path):
    text = "日 " * 20 + "a b c d e " * 15
    space = sw.load(save_static(tmp_path, kind="model2vec"), cache_size=0)
    with pytest.warns(sw.errors.TruncationWarning):
        batch = space.encode([sw.Text(text)])
    expected = by_model2vec(tmp_path, [text], "document")[0]
    np.testing.assert_allclose(batch.vectors[0], expected / np.linalg.norm(expected), atol=1e-6)
    assert batch.dropped[0] == 20 + 75 - POSITIONS


@pytest.mark.parametrize(
    "text",
    [
        "incomprehensibilities " * 300,
        "a dog runs " * 300,
        "é" * 5000 + " a dog",
        "a " * 40 + "extraordinarily " * 40,
        " " * 5000 + "a dog",
    ],
    ids=["long-words", "short-words", "unbroken", "mixed", "blank"],
)
def test_long_texts_are_cut_at_the_characters_where_model2vec_cuts_them(text, tmp_path):
    space = sw.load(save_static(tmp_path, kind="model2vec"), cache_size=0)
    for given in (text, text[:700]):
        expected = by_model2vec(tmp_path, [given], "document")[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sw.errors.TruncationWarning)
            batch = space.encode([sw.Text(given)], on_error="skip")
        if not expected.any():  # nothing is left to be read
            assert not batch.kept
            continue
        np.testing.assert_allclose(batch.vectors[0], expected / np.linalg.norm(expected), atol=1e-6)


def test_tokens_behind_the_last_character_that_is_read_are_counted(tmp_path):
    from model2vec import StaticModel

    name = save_static(tmp_path, kind="model2vec")
    library = StaticModel.from_pretrained(name)
    text = "the grass " * 100
    read = len(library.tokenize([text[: POSITIONS * library.median_token_length]])[0])
    library.tokenizer.no_truncation()
    with pytest.warns(sw.errors.TruncationWarning):
        batch = sw.load(name, cache_size=0).encode([sw.Text(text), sw.Text("a dog")])
    assert read < POSITIONS
    assert list(batch.dropped) == [len(library.tokenize([text])[0]) - read, 0]
