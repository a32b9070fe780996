"""Static models: what counts to the limit of tokens."""

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
