"""Windows cover a recording without slivers and without loss."""

import itertools

import numpy as np
import pytest

from senseweave.media.reading.windows import cut, window_spans


def test_a_recording_of_one_window_is_one_window():
    assert window_spans(0, 10, 10) == [(0, 10)]
    assert window_spans(0, 3, 10) == [(0, 3)]
    assert window_spans(5, 8, 10, 2) == [(5, 8)]


def test_windows_follow_each_other():
    assert window_spans(0, 30, 10) == [(0, 10), (10, 20), (20, 30)]
    assert window_spans(0, 20, 10, 5) == [(0, 10), (5, 15), (10, 20)]


def test_the_last_window_is_moved_back_and_no_sliver():
    assert window_spans(0, 21, 10) == [(0, 10), (10, 20), (11, 21)]
    assert window_spans(0, 30.5, 30) == [(0, 30), (0.5, 30.5)]


def test_windows_of_a_span_keep_its_bounds():
    assert window_spans(7.5, 20, 5) == [(7.5, 12.5), (12.5, 17.5), (15, 20)]


@pytest.mark.parametrize("end", [0.4, 9.99, 10.001, 10.5, 20, 33.3, 71.77])
@pytest.mark.parametrize(("seconds", "overlap"), [(10, 0), (10, 2.5), (3.3, 1.1), (0.5, 0.25)])
def test_every_moment_is_in_a_window_and_none_is_longer(end, seconds, overlap):
    spans = window_spans(0, end, seconds, overlap)
    assert spans[0][0] == 0
    assert spans[-1][1] == pytest.approx(end)
    for (begin, stop), (following, _) in itertools.pairwise(spans):
        assert following <= stop + 1e-9
        assert begin < following
    lengths = [stop - begin for begin, stop in spans]
    assert max(lengths) <= seconds + 2e-3
    assert min(lengths) == pytest.approx(min(seconds, end), abs=2e-3)


@pytest.mark.parametrize(("seconds", "overlap"), [(0, 0), (-1, 0), (10, 10), (10, -1), (float("nan"), 0), (10, 9.99)])
def test_lengths_that_make_no_sense_are_errors(seconds, overlap):
    with pytest.raises(ValueError, match="window"):
        window_spans(0, 100, seconds, overlap)


@pytest.mark.parametrize("total", [5, 99, 100, 101, 250, 1000, 1001, 1999])
@pytest.mark.parametrize("overlap", [0, 2, 5])
@pytest.mark.parametrize("block", [7, 100, 5000])
def test_a_stream_is_cut_where_the_spans_say(total, overlap, block):
    rate, samples = 10, np.arange(total, dtype=np.float32)
    blocks = [samples[at : at + block] for at in range(0, total, block)]
    windows = list(cut(blocks, rate, 3.0, 10.0, overlap))
    assert np.allclose([span for span, _ in windows], window_spans(3.0, 3.0 + total / rate, 10.0, overlap))
    for (begin, end), window in windows:
        assert np.array_equal(window, samples[round((begin - 3) * rate) : round((end - 3) * rate)])


def test_nothing_gives_no_window():
    assert list(cut([], 10, 0.0, 1.0, 0.0)) == []
