"""Given samples come out as mono float32 in [-1, 1], or an error says what they are."""

import numpy as np
import pytest

from senseweave.errors import MediaError
from senseweave.media import Audio
from senseweave.media.reading.samples import check_rate, joined, mono


def samples(given):
    return Audio(given).decode().samples


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_integer_arrays_are_scaled_by_their_type(dtype):
    full = np.iinfo(dtype)
    heard = samples((np.array([full.min, 0, full.max // 2 + 1], dtype), 16_000))
    assert heard == pytest.approx([-1, 0, 0.5])


def test_unsigned_bytes_have_their_zero_in_the_middle():
    assert samples((np.array([0, 128, 192], np.uint8), 16_000)) == pytest.approx([-1, 0, 0.5])


@pytest.mark.parametrize("channels", [1, 2, 3, 9])
def test_several_channels_are_their_mean(channels):
    voices = np.random.default_rng(0).uniform(-0.5, 0.5, (400, channels)).astype(np.float32)
    heard = mono(voices)
    assert heard.dtype == np.float32
    assert np.abs(heard - voices.mean(axis=1)).max() < 2e-7


@pytest.mark.parametrize("rate", ["16k", {"rate": 16_000}])
def test_a_rate_that_is_no_number_is_an_error_of_the_recording(rate):
    with pytest.raises(MediaError, match=r"has a sampling rate of .*; expected a number of Hz"):
        samples((np.zeros(8, np.float32), rate))


@pytest.mark.parametrize("rate", [999, 768_001, 16_000.5, float("nan"), 0])
def test_a_rate_that_no_recording_has_is_an_error(rate):
    with pytest.raises(MediaError, match="expected a whole number from 1,000 to 768,000 Hz"):
        check_rate(rate, "a.wav")
    assert check_rate(16_000.0, "a.wav") == 16_000


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.zeros(8, np.float32), "have no sampling rate"),
        ((np.zeros((2, 2, 2)), 16_000), "is not sound"),
        ((np.zeros(8, np.complex64), 16_000), "no defined full scale"),
    ],
)
def test_invalid_samples_are_an_error_that_says_why(given, said):
    with pytest.raises(MediaError, match=said):
        samples(given)


@pytest.mark.parametrize("expected", [0, 7, 10, 12, 1 << 60])
@pytest.mark.parametrize("lengths", [[], [10], [4, 6], [6, 4], [1] * 10, [0, 10]])
def test_blocks_are_joined_whatever_number_of_samples_was_expected(lengths, expected):
    whole = np.arange(sum(lengths), dtype=np.float32)
    blocks = np.split(whole, np.cumsum(lengths)[:-1]) if lengths else []
    found = joined(iter([block.copy() for block in blocks]), expected)
    assert found.dtype == np.float32
    assert np.array_equal(found, whole)


def test_given_samples_stay_as_they_were():
    loud = np.full(100_000, 1.5, np.float32)
    assert samples((loud, 16_000)).max() == 1
    assert (loud == 1.5).all()
