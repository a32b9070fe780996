"""Images against the plain libraries: decoding, preparing and the network, at 640 pixels and at 12 megapixels.

    python benchmarks/images.py [--rounds 7] [--threads 2] [--quick] [--json]

Models have random weights, made from their configurations: CLIP B/32 of transformers, ResNet-50 of timm. The peer
decodes by Pillow, prepares by the model's own processor, and runs the plain module in batches of 8. Vectors are
compared before anything is timed. Rows with `fast_decode` say the least cosine, because its vectors are others.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measuring
import numpy as np

BATCH = 8
GATE = 1e-5
SIZES = {"640 x 480": (640, 480, 16), "12 megapixels": (4000, 3000, 4)}
"""Width, height, and how many pictures a call embeds."""


def main() -> None:
    """Print a row for each model and size."""
    options = measuring.arguments(__doc__).parse_args()
    measuring.set_threads(options.threads)
    import torch

    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        for name, make in (("CLIP B/32", clip), ("ResNet-50", resnet)):
            made = make(Path(folder))
            for title, (width, height, count) in SIZES.items():
                photos = [photograph(width, height, seed) for seed in range(count // 2 if options.quick else count)]
                report_end_to_end(f"{name}, {title}", made, photos, options)
                report_steps(f"{name}, {title}", made, photos, options)


class Pair:
    """A model by senseweave and by the library that it comes from."""

    def __init__(self, spec: str, prepare: Callable[[Any], np.ndarray], compute: Callable[[Any], Any]) -> None:
        import senseweave as sw

        self.space = sw.load(spec, device="cpu", cache_size=0)
        self.fast = sw.load(spec, device="cpu", cache_size=0, fast_decode=True)
        self.prepare = prepare
        self.compute = compute

    def plain(self, photos: list[bytes]) -> np.ndarray:
        """Embed by the plain library."""
        import torch

        rows = []
        with torch.inference_mode():
            for at in range(0, len(photos), BATCH):
                pixels = [self.prepare(by_pillow(photo)) for photo in photos[at : at + BATCH]]
                rows.append(self.compute(torch.from_numpy(np.stack(pixels))).numpy())
        vectors = np.concatenate(rows)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def report_end_to_end(work: str, made: Pair, photos: list[bytes], options: argparse.Namespace) -> None:
    """Compare files to vectors."""
    ours, plain = made.space.embed_image(photos), made.plain(photos)
    difference = float(np.abs(ours - plain).max())
    if difference > GATE:
        raise SystemExit(f"{work}: vectors differ by {difference:.1e}, more than {GATE:.0e}")
    fast = made.fast.embed_image(photos)
    cosine = float((fast * plain).sum(axis=1).min())
    sides: dict[str, Callable[[], object]] = {
        measuring.OURS: lambda: made.space.embed_image(photos),
        "plain": lambda: made.plain(photos),
    }
    gate = f"components to {difference:.0e}"
    row = measuring.compare(f"{work}: file to vector", sides, options, unit="ms", items=len(photos), gate=gate)
    measuring.report(row, options)
    sides[measuring.OURS] = lambda: made.fast.embed_image(photos)
    row = measuring.compare(
        f"{work}: file to vector, fast_decode",
        sides,
        options,
        unit="ms",
        items=len(photos),
        gate=f"cosine at least {cosine:.6f}",
    )
    measuring.report(row, options)


def report_steps(work: str, made: Pair, photos: list[bytes], options: argparse.Namespace) -> None:
    """Compare decoding, preparing and the network alone."""
    import torch

    from senseweave.media import Image
    from senseweave.media.reading.in_flight import managing_memory

    encoder = made.space.encoder("image")
    images = [Image(photo).decode() for photo in photos[:BATCH]]
    prepared = encoder.prepare(images, "document")
    pixels = torch.from_numpy(np.stack([made.prepare(image) for image in images]))
    small = made.fast.encoder("image").decode_options

    def decode(**how: Any) -> None:
        with managing_memory():
            for photo in photos:
                Image(photo).decode(**how)

    def network() -> object:
        with torch.inference_mode():
            return made.compute(pixels)

    steps: dict[str, tuple[int, dict[str, Callable[[], object]]]] = {
        "decoding": (len(photos), {measuring.OURS: decode, "plain": lambda: [by_pillow(photo) for photo in photos]}),
        "decoding, fast_decode": (
            len(photos),
            {measuring.OURS: lambda: decode(**small), "plain": lambda: [by_pillow(photo) for photo in photos]},
        ),
        "preparing": (
            len(images),
            {
                measuring.OURS: lambda: encoder.prepare(images, "document"),
                "plain": lambda: [made.prepare(image) for image in images],
            },
        ),
        "network": (len(images), {measuring.OURS: lambda: encoder.forward(prepared), "plain": network}),
    }
    for step, (items, sides) in steps.items():
        measuring.report(measuring.compare(f"{work}: {step}", sides, options, unit="ms", items=items), options)


def clip(folder: Path) -> Pair:
    """Make CLIP B/32 with random weights."""
    import torch
    import transformers

    torch.manual_seed(0)
    saved = folder / "clip"
    model = transformers.CLIPModel(transformers.CLIPConfig()).eval()
    model.save_pretrained(saved)
    transformers.CLIPImageProcessorPil().save_pretrained(saved)
    processor = transformers.AutoImageProcessor.from_pretrained(saved, backend="pil")
    return Pair(
        f"clip:{saved}",
        lambda image: np.asarray(processor(images=[image], return_tensors="np")["pixel_values"][0]),
        lambda pixels: model.get_image_features(pixel_values=pixels).pooler_output,
    )


def resnet(folder: Path) -> Pair:
    """Make ResNet-50 with random weights."""
    import timm
    import torch

    torch.manual_seed(0)
    model = timm.create_model("resnet50", pretrained=False).eval()
    saved = folder / "resnet50.pth"
    torch.save(model.state_dict(), saved)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    return Pair(
        f"timm:resnet50//{saved}",
        lambda image: transform(image).numpy(),
        lambda pixels: model.forward_head(model.forward_features(pixels), pre_logits=True),
    )


def by_pillow(data: bytes) -> Any:
    """Decode as is usual."""
    from PIL import Image as PILImage

    return PILImage.open(io.BytesIO(data)).convert("RGB")


def photograph(width: int, height: int, seed: int) -> bytes:
    """Return a JPEG with the detail of a photograph: noise of every scale."""
    from PIL import Image as PILImage

    rng, picture = np.random.default_rng(seed), np.zeros((height, width, 3), np.float32)
    for scale in (1, 2, 4, 8, 16, 32, 64):
        coarse = rng.normal(0, scale**0.8, (height // scale + 2, width // scale + 2, 3)).astype(np.float32)
        picture += coarse.repeat(scale, 0).repeat(scale, 1)[:height, :width]
    picture = (picture - picture.min()) / np.ptp(picture) * 255
    buffer = io.BytesIO()
    PILImage.fromarray(picture.astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
