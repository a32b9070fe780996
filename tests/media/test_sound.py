"""Samples come out at the right scale, rate and second, by whichever library."""

import av
import numpy as np
import pytest

from senseweave.errors import MediaError
from senseweave.media import Audio
from senseweave.media.reading.sound import is_silent


def samples(given, rate=None):
    return Audio(given).decode(sampling_rate=rate).samples


def spectrum(signal, rate):
    """Frequencies and power in dB relative to the largest, after a Blackman-Harris window (side lobes at -92 dB)."""
    count = len(signal)
    phase = 2 * np.pi * np.arange(count) / count
    window = 0.35875 - 0.48829 * np.cos(phase) + 0.14128 * np.cos(2 * phase) - 0.01168 * np.cos(3 * phase)
    power = np.abs(np.fft.rfft(signal * window)) ** 2
    return np.fft.rfftfreq(count, 1 / rate), 10 * np.log10(power / power.max() + 1e-20)


@pytest.mark.parametrize("source_rate", [44_100, 48_000])
def test_a_kilohertz_stays_a_kilohertz_at_16_khz(make, source_rate):
    tone = make.tone(4, source_rate, 1000.0)
    heard = samples((tone, source_rate), 16_000)[8000:-8000]
    frequencies, power = spectrum(heard, 16_000)
    peak = int(power.argmax())
    left, middle, right = power[peak - 1 : peak + 2]
    offset = 0.5 * (left - right) / (left - 2 * middle + right)  # of a parabola through the three highest bins
    assert abs((peak + offset) * 16_000 / len(heard) - 1000.0) < 0.1
    elsewhere = np.abs(frequencies - 1000) > 10
    assert power[elsewhere].max() < -60
    assert np.abs(heard).max() == pytest.approx(0.5, abs=0.005)


@pytest.mark.parametrize("source_rate", [44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("hertz", [9_000, 12_000, 15_000, 21_000])
def test_frequencies_above_8_khz_are_removed_without_aliasing(make, source_rate, hertz):
    heard = samples((make.tone(2, source_rate, hertz), source_rate), 16_000)[4000:-4000]
    assert 20 * np.log10(np.sqrt(np.mean(heard**2)) / (0.5 / np.sqrt(2)) + 1e-20) < -60


@pytest.mark.parametrize("source_rate", [4_000, 8_000, 11_025, 22_050, 24_000, 192_000])
def test_any_rate_becomes_any_rate(make, source_rate):
    heard = samples((make.tone(1, source_rate, 440.0), source_rate), 16_000)
    expected = make.tone(1, 16_000, 440.0)
    assert len(heard) == 16_000
    assert np.abs(heard - expected)[2000:-2000].max() < 2e-3


def test_the_rate_of_the_recording_is_kept_unless_another_is_requested(make):
    assert Audio((make.tone(1, 22_050), 22_050)).decode().sampling_rate == 22_050


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 9])
@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_channels_are_averaged(channels, kind, make):
    if kind == "FLAC" and channels > 8:
        pytest.skip("FLAC holds eight channels")
    voices = np.random.default_rng(0).uniform(-0.5, 0.5, (4000, channels)).astype(np.float32)
    subtype = "FLOAT" if kind == "WAV" else "PCM_24"
    heard = samples(make.sound(voices, 16_000, kind, subtype))
    assert np.abs(heard - voices.mean(axis=1)).max() < 2e-7 + (kind == "FLAC") * 2**-23
    assert np.abs(samples((voices, 16_000)) - voices.mean(axis=1)).max() < 2e-7
    assert np.abs(samples((voices.T, 16_000)) - voices.mean(axis=1)).max() < 2e-7


@pytest.mark.parametrize(
    ("subtype", "step"),
    [("PCM_U8", 2**-7), ("PCM_16", 2**-15), ("PCM_24", 2**-23), ("PCM_32", 2**-24), ("FLOAT", 0), ("DOUBLE", 0)],
)
def test_every_depth_is_scaled_to_one(make, subtype, step):
    ramp = np.linspace(-1, 1 - 2**-7, 5000).astype(np.float32)
    heard = samples(make.sound(ramp, 16_000, "WAV", subtype))
    assert heard.dtype == np.float32
    assert np.abs(heard - ramp).max() <= step
    assert heard.min() >= -1


def test_overshoot_is_clipped_and_unscaled_integers_are_an_error():
    assert samples((np.array([1.5, -1.5, 0.5], np.float32), 16_000)) == pytest.approx([1, -1, 0.5])
    with pytest.raises(MediaError, match="divide 16-bit values by 32768"):
        samples((np.array([12_000.0, -3.0]), 16_000))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_an_error_in_every_form(make, bad):
    voice = make.tone(0.1)
    voice[100] = bad
    for given in ((voice, 44_100), make.sound(voice, subtype="FLOAT")):
        with pytest.raises(MediaError, match="not finite"):
            samples(given, 16_000)


def test_silence_is_reported(make):
    rate = 16_000
    assert Audio((np.zeros(rate, np.float32), rate)).decode().silent
    assert Audio((make.tone(1, rate, level=0.0009), rate)).decode().silent
    assert not Audio((make.tone(1, rate, level=0.01), rate)).decode().silent
    one_word = np.zeros(60 * rate, np.float32)
    one_word[rate : rate + rate // 5] = make.tone(0.2, rate)
    assert not Audio((one_word, rate)).decode().silent
    assert not is_silent(np.r_[np.zeros(rate), 0.5 * np.ones(100)].astype(np.float32), rate)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "AIFF", "MP3"])
def test_a_file_that_breaks_off_gives_what_precedes_and_says_so(make, kind):
    voice = make.noise(4, 16_000)
    data = make.sound(voice, 16_000, kind)
    heard = Audio(data[: len(data) // 2]).decode()
    assert 1.5 < heard.duration < 2.3
    assert heard.notes
    assert np.abs(heard.samples[:8000] - Audio(data).decode().samples[:8000]).max() < 1e-6
    assert Audio(data).decode().notes == ()


@pytest.mark.parametrize("kind", ["MP3", "OGG"])
@pytest.mark.parametrize("content", ["tone", "noise"])
def test_a_lossy_file_is_the_same_in_blocks_as_in_one_piece(make, kind, content):
    soundfile = pytest.importorskip("soundfile")
    import io

    voice = make.tone(8) if content == "tone" else make.noise(8)
    data = make.sound(voice, 44_100, kind)
    whole, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    heard = samples(data)
    assert len(heard) == len(voice)
    assert np.abs(heard - whole.clip(-1, 1)).max() < 1e-6
    for begin, end in ((0.5, 1.5), (3, 4.25), (6.9, 8)):
        part = Audio(data, span=(begin, end)).decode().samples
        assert np.abs(part - heard[round(begin * 44_100) : round(end * 44_100)]).max() < 1e-6


@pytest.mark.parametrize("loud_at", [None, 0.0, 0.95, 3.25, 4.02])
def test_one_loud_tenth_of_a_second_is_enough_not_to_be_silent(loud_at):
    rate = 16_000
    samples = np.full(round(4.05 * rate), 0.0005, np.float32)
    if loud_at is not None:
        samples[round(loud_at * rate) :][: rate // 10] = 0.01
    assert is_silent(samples, rate) == (loud_at is None)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "MP3", "OGG", "AIFF", "CAF", "AU"])
def test_a_local_file_sounds_like_its_bytes(kind, make, saved):
    data = make.sound(make.noise(5, 16_000), 16_000, kind)
    path = saved(f"a.{kind.lower()}", data)
    whole = Audio(data).decode().samples
    assert np.array_equal(Audio(path).decode().samples, whole)
    shared = Audio(path)
    with shared._source.kept_open():
        assert np.array_equal(shared.decode().samples, whole)
    assert np.array_equal(Audio(path, span=(2, 3)).decode().samples, Audio(data, span=(2, 3)).decode().samples)


def test_a_codec_that_libsndfile_lacks_is_read_from_the_start_of_a_local_file(make, tmp_path):
    path = tmp_path / "a.wav"
    tone = make.tone(2, 16_000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("adpcm_yamaha", rate=16_000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray((tone[None] * 32_767).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    heard = Audio(path).decode().samples
    assert np.array_equal(heard, Audio(path.read_bytes()).decode().samples)
    assert np.abs(heard[: len(tone)] - tone)[1000:].max() < 0.1  # once the codec has adapted
