"""Frames are pooled over time as documented."""

import numpy as np
import pytest

import senseweave as sw
from senseweave.encoders.base import Encoded, Encoder, Prepared
from senseweave.encoders.parts.frames import FrameVideo, pool_frames
from senseweave.errors import ModelError

TIMES = np.array([0.0, 1.0, 2.0, 3.0])


class Brightness(Encoder):
    """Images of two sizes of bucket; the vector is the mean colour."""

    modality = "image"
    dimension = 3
    batch_budget = 2

    def prepare(self, items, role):
        return [Prepared(np.asarray(item), bucket=int(np.asarray(item)[0, 0, 0]) % 2) for item in items]

    def forward(self, batch):
        assert len(batch) <= 2
        assert len({item.bucket for item in batch}) == 1
        return Encoded(np.stack([item.data.reshape(-1, 3).mean(axis=0) for item in batch]).astype(np.float32))

    def identity(self):
        return {"brightness": 1}


def test_mean_weighs_every_frame_alike_whatever_its_length():
    vectors = np.array([[1, 0], [0, 50], [0, 2], [3, 0]], np.float32)
    np.testing.assert_allclose(pool_frames(vectors, TIMES, "mean"), [0.5, 0.5])


def test_max_takes_the_largest_of_every_dimension():
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1], [1, 0]], np.float32)
    np.testing.assert_allclose(pool_frames(vectors, TIMES, "max"), [1, 1])


def test_temporal_averages_within_a_quarter_and_takes_the_largest_of_quarters():
    times = np.array([0.0, 0.1, 4.0, 8.0, 8.1, 12.0])
    vectors = np.array([[1, 0], [0, 1], [0, 1], [1, 0], [1, 0], [0, 1]], np.float32)
    # quarters: 0-3 s, 3-6 s, 6-9 s, 9-12 s
    expected = np.array([[0.5, 0.5], [0, 1], [1, 0], [0, 1]]).max(axis=0)
    np.testing.assert_allclose(pool_frames(vectors, times, "temporal"), expected)


def test_one_frame_is_its_own_pool():
    for pooling in ("mean", "max", "temporal"):
        np.testing.assert_allclose(
            pool_frames(np.array([[3, 4]], np.float32), TIMES[:1], pooling), [0.6, 0.8], rtol=1e-6
        )


def test_frames_go_through_the_image_encoder_within_its_buckets_and_budget():
    frames = np.zeros((5, 4, 4, 3), np.uint8)
    for index, frame in enumerate(frames):
        frame[:] = (10 + index, 100, 7 * index)
    space = sw.Space("brightness", {"video": FrameVideo(Brightness(), frames=5, window_seconds=100)})
    unit = frames.reshape(5, -1, 3).mean(axis=1)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    expected = unit.mean(axis=0) / np.linalg.norm(unit.mean(axis=0))
    np.testing.assert_allclose(space.embed_video([list(frames)])[0], expected, atol=1e-6)


def test_a_model_without_an_image_encoder_is_refused(tmp_path):
    from tiny_text import save_model

    save_model(tmp_path, "Bert")
    with pytest.raises(ModelError, match="no image encoder"):
        sw.load(f"frames:{tmp_path}")


def test_wrong_options_are_explained():
    with pytest.raises(ValueError, match="mean, max, temporal"):
        FrameVideo(Brightness(), pooling="median")
    with pytest.raises(ValueError, match="at least 1"):
        FrameVideo(Brightness(), frames=0)
