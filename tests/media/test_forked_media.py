"""Media in forked processes: data loaders' workers read what their parent described or read before."""

import io
import wave

import numpy as np
import pytest
from children import run_in_child
from PIL import Image as PillowImage

import senseweave as sw
import senseweave.encoders.base
import senseweave.spaces.space

torch = pytest.importorskip("torch")

LOADER_SECONDS = 60


@pytest.fixture
def files(tmp_path):
    """A picture, a recording and a PDF."""
    PillowImage.new("RGB", (32, 32), "red").save(tmp_path / "red.png")
    PillowImage.new("RGB", (32, 32), "blue").save(tmp_path / "page.pdf")
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((8000 * np.sin(np.arange(16_000) / 6)).astype("<i2").tobytes())
    return tmp_path


class Pixels(torch.utils.data.Dataset):
    """The mean of each media's decoded values."""

    def __init__(self, media):
        self.media = media

    def __len__(self):
        return len(self.media)

    def __getitem__(self, at):
        return _mean(self.media[at])


def _mean(media):
    decoded = media.decode()
    return float(np.asarray(getattr(decoded, "samples", decoded), dtype=np.float64).mean())


def test_workers_of_a_data_loader_read_what_their_parent_read(files):
    media = [sw.Image(files / "red.png"), sw.Audio(files / "tone.wav"), sw.Image(files / "page.pdf", page=1)] * 4
    expected = [_mean(item) for item in media]
    loader = torch.utils.data.DataLoader(
        Pixels(media), batch_size=2, num_workers=2, multiprocessing_context="fork", timeout=LOADER_SECONDS
    )
    for _ in range(2):
        np.testing.assert_allclose(torch.cat(list(loader)).numpy(), expected)


def test_workers_of_a_data_loader_embed_with_the_space_of_their_parent(tmp_path):
    class Lengths(torch.utils.data.Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, at):
            return space.embed_text(["a" * (at + 1)])[0]

    class Letters(sw.encoders.base.Encoder):
        modality, dimension, batch_budget = "text", 2, 100

        def prepare(self, items, role):
            return [sw.encoders.base.Prepared(item, cost=len(item)) for item in items]

        def forward(self, batch):
            rows = torch.tensor([[float(len(item.data)), 1.0] for item in batch])
            return sw.encoders.base.Encoded((rows @ torch.eye(2)).numpy())

        def identity(self):
            return {"family": "letters"}

    space = sw.spaces.Space("letters", {"text": Letters()})
    expected = np.stack([space.embed_text(["a" * n])[0] for n in range(1, 7)])
    loader = torch.utils.data.DataLoader(
        Lengths(), num_workers=2, multiprocessing_context="fork", timeout=LOADER_SECONDS
    )
    np.testing.assert_allclose(torch.cat(list(loader)).numpy(), expected, atol=1e-6)


def test_a_file_object_of_the_parent_is_an_error_in_a_child_and_stays_where_it_was(files):
    with open(files / "red.png", "rb") as file:
        media = sw.Image(file)

        def child():
            with pytest.raises(sw.MediaError, match="was opened before this process was forked; pass the path"):
                media.decode()

        run_in_child(child)
        assert media.decode().size == (32, 32)
        run_in_child(media.decode)


def test_bytes_in_memory_are_read_in_a_child(files):
    media = sw.Image(io.BytesIO((files / "red.png").read_bytes()))
    run_in_child(media.decode)
    assert media.decode().size == (32, 32)
