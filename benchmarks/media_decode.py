"""Decoding speed next to the obvious alternatives: `python benchmarks/media_decode.py [--rounds 7]`.

Every row of a table runs once per round, in shuffled order. The table shows processor time, which other work on the
machine hardly changes: the median, and the ratio to the first row within the same round. Peers that are not installed
are left out.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import io
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image as PILImage

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from senseweave.media import Audio, Image, Video

Work = Callable[[], object]
REPEATS = 5


def compare(title: str, rows: dict[str, Work], rounds: int) -> None:
    """Time the rows in turn and print them; the others are compared with the first."""
    taken: dict[str, list[float]] = {name: [] for name in rows}
    for work in rows.values():
        work()  # imports, caches
    for _ in range(rounds):
        for name in random.sample(list(rows), len(rows)):
            start = time.process_time()
            for _ in range(REPEATS):
                rows[name]()
            taken[name].append((time.process_time() - start) / REPEATS)
    first = next(iter(rows))
    print(f"\n{title}\n\n| by | CPU ms (median) | times as fast as {first} |\n| --- | --- | --- |")
    for name, times in taken.items():
        ratios = [mine / other for mine, other in zip(taken[first], times, strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        print(f"| {name} | {1000 * statistics.median(times):.2f} | {spread} |", flush=True)


def photograph(width: int, height: int) -> bytes:
    """Return a JPEG with the detail of a photograph: noise of every scale."""
    from PIL import Image as PILImage

    rng, picture = np.random.default_rng(0), np.zeros((height, width, 3))
    for scale in (1, 2, 4, 8, 16, 32, 64):
        coarse = rng.normal(0, 1, (height // scale + 2, width // scale + 2, 3)) * scale**0.8
        picture += coarse.repeat(scale, 0).repeat(scale, 1)[:height, :width]
    picture = (picture - picture.min()) / np.ptp(picture) * 255
    buffer = io.BytesIO()
    PILImage.fromarray(picture.astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def images(rounds: int) -> None:
    """Time decoding of JPEGs, and decoding with resizing for CLIP."""
    import torch

    torch.set_num_threads(1)
    small, large = photograph(640, 480), photograph(4000, 3000)
    for title, data in (("640 x 480", small), ("4000 x 3000", large)):
        decoding: dict[str, Work] = {
            "Pillow": lambda data=data: upright_on_white(io.BytesIO(data)),
            "senseweave": lambda data=data: Image(data).decode(),
        }
        compare(f"JPEG of {title} ({len(data) / 1000:.0f} kB): decoded", decoding, rounds)
        resizing: dict[str, Work] = {
            "Pillow": lambda data=data: by_pillow(data, 224),
            "senseweave, torch": lambda data=data: resized(data),
            "senseweave at_least=(224, 224), torch": lambda data=data: resized(data, (224, 224)),
        }
        apart = np.abs(by_pillow(data, 224).astype(int) - resized(data)).max()
        compare(f"JPEG of {title}: decoded and resized to 224 x 224 (at most {apart} levels apart)", resizing, rounds)


def kinds(rounds: int) -> None:
    """Time decoding of every kind of picture, from bytes and from a file, against Pillow's way to the same pixels."""
    with tempfile.TemporaryDirectory() as folder:
        for kind, data in pictures().items():
            path = Path(folder, "picture")
            path.write_bytes(data)
            if not np.array_equal(np.asarray(Image(data).decode()), np.asarray(upright_on_white(io.BytesIO(data)))):
                raise SystemExit(f"{kind}: the pixels differ")
            rows: dict[str, Work] = {
                "Pillow, bytes": lambda data=data: upright_on_white(io.BytesIO(data)),
                "senseweave, bytes": lambda data=data: Image(data).decode(),
                "Pillow, file": lambda path=path: upright_on_white(path),
                "senseweave, file": lambda path=path: Image(path).decode(),
            }
            compare(f"{kind} of 640 x 480", rows, rounds)


def pictures() -> dict[str, bytes]:
    """Return a picture of 640 x 480 pixels in every kind of file."""
    from PIL import Image as PILImage

    color = PILImage.open(io.BytesIO(photograph(640, 480)))
    clear = color.convert("RGBA")
    clear.putalpha(color.convert("L"))
    deep = PILImage.fromarray(np.asarray(color.convert("L")).astype(np.uint16) * 257)
    turned = PILImage.Exif()
    turned[0x0112] = 6
    saved: dict[str, tuple[PILImage.Image, str, dict[str, object]]] = {
        "JPEG": (color, "JPEG", {}),
        "JPEG, turned by EXIF": (color, "JPEG", {"exif": turned}),
        "JPEG, progressive": (color, "JPEG", {"progressive": True}),
        "JPEG, gray": (color.convert("L"), "JPEG", {}),
        "JPEG, CMYK": (color.convert("CMYK"), "JPEG", {}),
        "PNG": (color, "PNG", {}),
        "PNG with transparency": (clear, "PNG", {}),
        "PNG, gray with transparency": (clear.convert("LA"), "PNG", {}),
        "PNG with a transparent palette": (color.quantize(255), "PNG", {"transparency": 0}),
        "PNG, 16 bits": (deep, "PNG", {}),
        "WebP": (color, "WEBP", {}),
        "GIF": (color, "GIF", {}),
        "TIFF": (color, "TIFF", {}),
        "BMP": (color, "BMP", {}),
        "PPM": (color, "PPM", {}),
    }
    files = {}
    for kind, (picture, name, options) in saved.items():
        file = io.BytesIO()
        picture.save(file, name, **options)
        files[kind] = file.getvalue()
    return files


def upright_on_white(file: Path | io.BytesIO) -> PILImage.Image:
    """Decode by Pillow as senseweave does: turned upright, on white, 16 bits by their high byte."""
    from PIL import Image as PILImage
    from PIL import ImageOps

    picture = ImageOps.exif_transpose(PILImage.open(file))
    if picture.mode == "I;16":
        picture = PILImage.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("LA", "RGBA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = PILImage.alpha_composite(PILImage.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def by_pillow(data: bytes, size: int) -> np.ndarray:
    """Decode and resize as image processors do."""
    from PIL import Image as PILImage

    picture = PILImage.open(io.BytesIO(data)).convert("RGB")
    return np.asarray(picture.resize((size, size), PILImage.Resampling.BICUBIC))


def resized(data: bytes, at_least: tuple[int, int] | None = None) -> np.ndarray:
    """Decode by senseweave and resize by torch's antialiased bicubic filter over bytes."""
    import torch

    pixels = torch.from_numpy(np.array(Image(data).decode(at_least=at_least))).permute(2, 0, 1)[None]
    made = torch.nn.functional.interpolate(pixels, (224, 224), mode="bicubic", antialias=True)
    return made[0].permute(1, 2, 0).numpy()


def sound_files(folder: Path) -> dict[str, Path]:
    """Write thirty seconds of stereo sound in every container, and return the files by container."""
    import av
    import soundfile

    rate = 44_100
    time_axis = np.arange(30 * rate) / rate
    voice = 0.3 * np.sin(2 * np.pi * 300 * time_axis)[:, None] + np.random.default_rng(0).normal(
        0, 0.05, (30 * rate, 2)
    )
    voice = voice.astype(np.float32)
    paths = {kind: folder / f"sound.{kind}" for kind in ("wav", "flac", "mp3", "ogg", "m4a")}
    for kind, path in paths.items():
        if kind != "m4a":
            soundfile.write(path, voice, rate)
            continue
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=rate)
            stream.layout = "stereo"
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(voice.T), format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return paths


def sounds(rounds: int) -> None:
    """Time decoding of thirty seconds at 44.1 kHz to mono at 16 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        for kind, path in sound_files(Path(folder)).items():
            rows: dict[str, Work] = {"senseweave": lambda path=path: Audio(path).decode(sampling_rate=16_000)}
            if kind != "m4a":
                rows["soundfile, soxr"] = lambda path=path: by_soundfile(path)
            rows["PyAV and its resampler"] = lambda path=path: by_av(path)
            if importlib.util.find_spec("librosa") is not None and kind != "m4a":
                rows["librosa"] = lambda path=path: by_librosa(path)
            if works("torchcodec.decoders"):
                rows["torchcodec"] = lambda path=path: by_torchcodec(path)
            compare(f"30 s of {kind} at 44.1 kHz, stereo, to 16 kHz, mono", rows, rounds)


def by_soundfile(path: Path) -> np.ndarray:
    """Read the whole file, average its channels and resample."""
    import soundfile
    import soxr

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(samples.mean(axis=1), rate, 16_000))


def by_av(path: Path) -> np.ndarray:
    """Decode, downmix and resample by FFmpeg."""
    import av

    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=16_000)
        parts = [
            resampled.to_ndarray() for frame in container.decode(audio=0) for resampled in resampler.resample(frame)
        ]
        return np.concatenate(parts, axis=1)[0]


def by_librosa(path: Path) -> np.ndarray:
    """Load as librosa does by default, at another rate."""
    import librosa

    return np.asarray(librosa.load(path, sr=16_000)[0])


def by_torchcodec(path: Path) -> object:
    """Decode and resample by torchcodec."""
    from torchcodec.decoders import AudioDecoder

    return AudioDecoder(path, sample_rate=16_000, num_channels=1).get_all_samples().data


def works(module: str) -> bool:
    """Return whether a module imports: a peer may be installed for another build of torch."""
    try:
        importlib.import_module(module)
    except Exception:
        return False
    return True


def videos(rounds: int) -> None:
    """Time decoding of eight frames out of a minute of H.264."""
    import av

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "video.mp4")
        rng = np.random.default_rng(0)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt, stream.gop_size = 640, 480, "yuv420p", 50
            ground = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
            for index in range(1500):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(ground, index, 1), format="rgb24")))
            container.mux(stream.encode(None))

        def every_frame() -> np.ndarray:
            with av.open(str(path)) as container:
                container.streams.video[0].thread_type = "AUTO"
                wanted = {round((index + 0.5) * 1500 / 8) for index in range(8)}
                decoded = enumerate(container.decode(video=0))
                return np.stack([frame.to_ndarray(format="rgb24") for index, frame in decoded if index in wanted])

        rows: dict[str, Work] = {"senseweave": lambda: Video(path).decode(frames=8), "PyAV, every frame": every_frame}
        compare("8 frames of 60 s of H.264, 640 x 480", rows, max(3, rounds // 2))


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    images(rounds)
    kinds(rounds)
    sounds(rounds)
    videos(rounds)


if __name__ == "__main__":
    main()
