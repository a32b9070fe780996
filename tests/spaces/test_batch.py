"""A batch says what became of each item, and rows of vectors are scaled to length 1 in one place."""

import numpy as np
import pytest

from senseweave.errors import EncodingError, MediaError
from senseweave.spaces.batch import Batch, EmbeddedItem, unit_rows


def test_rows_are_scaled_to_length_1_in_float32_however_short_they_are():
    rows = unit_rows(np.array([[3.0, 4.0], [3e-20, 4e-20]]))
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, [[0.6, 0.8]] * 2, rtol=1e-6)


def test_a_single_vector_is_one_row():
    np.testing.assert_allclose(unit_rows(np.array([0, 5])), [[0, 1]])


def test_a_row_of_length_0_is_an_error_unless_allowed():
    vectors = np.array([[0.0, 0.0], [2.0, 0.0]])
    with pytest.raises(EncodingError, match="a vector of length 0 cannot be normalized"):
        unit_rows(vectors)
    np.testing.assert_array_equal(unit_rows(vectors, allow_zero=True), [[0, 0], [1, 0]])


def test_outcomes_are_in_the_order_of_the_input_with_errors_in_their_place():
    error = MediaError("b.png", "cannot be read").at(1, 3)
    batch = Batch(np.array([[1, 0], [0, 1]], np.float32), [0, 2], ["words", None], [0, 0], [error])
    assert batch.outcomes() == [EmbeddedItem([1.0, 0.0], "words"), error, EmbeddedItem([0.0, 1.0], None)]
