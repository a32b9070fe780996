"""Windows that end where nobody speaks."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from senseweave.media import Audio
from senseweave.media.reading.pauses import _speech_probabilities, spans_at_pauses


def covers(spans, start, end, seconds):
    assert spans[0][0] == start
    assert spans[-1][1] == end
    assert all(begin < stop <= begin + seconds + 1e-6 for begin, stop in spans)
    assert all(later[0] <= former[1] for former, later in zip(spans, spans[1:], strict=False))  # noqa: RUF007


@pytest.mark.parametrize("end", [3, 10, 10.5, 14, 19.9, 20.1, 100])
@pytest.mark.parametrize("overlap", [0, 2])
@pytest.mark.parametrize("quiet", [[], [(0, 1000)], [(4.4, 4.6), (8, 9), (17.5, 17.7)], [(0, 0.2)]])
def test_nothing_is_lost_and_no_window_is_longer_or_a_sliver(end, overlap, quiet):
    spans = spans_at_pauses(0, end, 10, overlap, quiet)
    covers(spans, 0, end, 10)
    assert min(stop - begin for begin, stop in spans) >= min(end, 10) / 4


def test_the_widest_pause_in_the_second_half_is_taken():
    spans = spans_at_pauses(0, 30, 10, 0, [(1, 4), (6, 6.2), (8, 9), (9.5, 9.6)])
    assert spans[0] == (0, 8.5)


def test_without_a_pause_the_cut_is_made_all_the_same():
    assert spans_at_pauses(0, 30, 10, 0, [])[:2] == [(0, 10), (10, 20)]


def test_speech_is_cut_where_it_is_quiet(corpus):
    audio = Audio(corpus / "audio" / "recording-01.wav")
    sound = audio.decode(sampling_rate=16_000).samples
    windows = audio.windows(8, at_pauses=True)
    covers([window.span for window in windows], 0, pytest.approx(audio.duration), 8)
    typical = np.sqrt(np.mean(sound**2))
    for window in windows[:-1]:
        cut = round(window.span[1] * 16_000)
        assert np.sqrt(np.mean(sound[cut - 800 : cut + 800] ** 2)) < 0.1 * typical


def test_a_tone_without_speech_is_still_cut_into_windows(make):
    pytest.importorskip("silero_vad")
    audio = Audio((make.tone(25, 16_000), 16_000), span=(2, 25))
    covers([window.span for window in audio.windows(10, at_pauses=True)], 2, 25, 10)


def test_finding_pauses_loads_no_torch(make):
    pytest.importorskip("silero_vad")
    code = (
        "import numpy, sys; from senseweave.media import Audio;"
        "Audio((numpy.zeros(48000, 'f4'), 16000)).windows(1, at_pauses=True); print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


@pytest.mark.parametrize("blocks", [[80_000], [1, 511, 512, 513, 30_000, 48_463], [100] * 800])
def test_the_detector_hears_what_it_hears_chunk_by_chunk_in_any_blocks(corpus, blocks):
    samples = Audio(corpus / "audio" / "recording-01.wav").decode(sampling_rate=16_000).samples[:80_000]
    heard = list(_speech_probabilities(np.split(samples, np.cumsum(blocks)[:-1])))
    assert heard == pytest.approx(probabilities_chunk_by_chunk(samples), abs=1e-6)
    assert max(heard) > 0.9
    assert min(heard) < 0.1


def probabilities_chunk_by_chunk(samples):
    """Return what Silero's own wrapper computes: chunks of 512 samples, each after the 64 before it."""
    onnxruntime = pytest.importorskip("onnxruntime")
    folder = Path(importlib.util.find_spec("silero_vad").origin).parent / "data"
    session = onnxruntime.InferenceSession(folder / "silero_vad.onnx", providers=["CPUExecutionProvider"])
    state, padded = np.zeros((2, 1, 128), np.float32), np.pad(samples, (64, 0))
    probabilities = []
    for at in range(0, len(samples) - 511, 512):
        inputs = {"input": padded[None, at : at + 576], "state": state, "sr": np.array(16_000)}
        probability, state = session.run(None, inputs)
        probabilities.append(float(probability[0, 0]))
    return probabilities


def test_a_silero_vad_that_is_too_old_is_named_with_the_way_out(tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "silero_vad" / "data").mkdir(parents=True)
    (tmp_path / "silero_vad" / "__init__.py").touch()
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import numpy; from senseweave.media import Audio;"
        "Audio((numpy.zeros(48000, 'f4'), 16000)).pauses()"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'silero-vad 6.2.2 or later; try: pip install --no-deps "silero-vad>=6.2.2"' in ran.stderr
