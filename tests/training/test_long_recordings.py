"""A recording of several windows gets the vector that its head was fitted to: that of the mean of the windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import senseweave as sw
from senseweave.encoders.parts.heads import unit
from senseweave.testing.toys import ToyEncoder, toy_space

RATE = 8000


def windowed_space(seed: int = 0) -> sw.Space:
    """A space whose audio encoder reads one second at a time."""
    audio = ToyEncoder("audio", seed=seed)
    audio.window_seconds = 1.0  # type: ignore[misc]
    return sw.Space(f"windowed-{seed}", {"audio": audio})


def recording(seed: int, seconds: int = 4) -> sw.Audio:
    """A recording whose windows differ: one tone a second, as loud as the others or hardly to be heard."""
    draw = np.random.default_rng(seed)
    time = np.arange(RATE) / RATE
    tones = [draw.uniform(0.001, 0.5) * np.sin(2 * np.pi * draw.uniform(100, 3500) * time) for _ in range(seconds)]
    return sw.Audio((np.concatenate(tones).astype(np.float32), RATE))


def pairs(count: int = 40) -> list[tuple[sw.Audio, str]]:
    return [(recording(number), f"word{number % 7} word{number} word{number % 11}") for number in range(count)]


@pytest.mark.parametrize("method", ["ridge", "csa", "anchors", "procrustes"])
def test_a_head_maps_the_mean_of_the_windows(method: str) -> None:
    base = windowed_space()
    aligned = sw.align(base, toy_space(1, ["text"]), pairs(), method=method)
    new = [recording(number + 1000, seconds) for number, seconds in enumerate((1, 2, 5, 9))]
    expected = unit(aligned.heads.source.apply(base.embed_audio(new)))
    assert np.allclose(aligned.space.embed_audio(new), expected, atol=1e-5)


def test_an_aligned_space_on_an_aligned_space_does_too() -> None:
    first = sw.align(windowed_space(), toy_space(1, ["text"]), pairs(), method="ridge").space
    second = sw.align(first, toy_space(2, ["text"]), pairs(), method="csa")
    new = [recording(number + 1000, 5) for number in range(3)]
    expected = unit(second.heads.source.apply(first.embed_audio(new)))
    assert np.allclose(second.space.embed_audio(new), expected, atol=1e-5)


def test_windows_that_cancel_each_other_out_are_an_error_of_that_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    aligned = sw.align(windowed_space(), toy_space(1, ["text"]), pairs(), method="procrustes")
    encoder: Any = aligned.space.encoders["audio"]
    forward = encoder.encoder.forward

    def alternate(batch: Any) -> Any:
        encoded = forward(batch)
        encoded.vectors[:] = encoded.vectors[0]
        encoded.vectors[1::2] *= -1
        return encoded

    monkeypatch.setattr(encoder.encoder, "forward", alternate)
    batch = aligned.space.encode([recording(1, 2)], on_error="skip")
    assert [error.reason for error in batch.failed] == [
        "the vectors of its windows cancel each other out: their mean has no direction"
    ]
