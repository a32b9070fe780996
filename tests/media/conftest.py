"""Small media files of every kind, written by the libraries that read them."""

from __future__ import annotations

import io
import json
import selectors
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import docx
import numpy as np
import pytest
import soundfile
from pdf_objects import write_pdf
from PIL import Image as PILImage

_SECONDS = 20
_MEGABYTES = 4096  # of addresses


class Make:
    """Encoders of test content; every method returns bytes."""

    @staticmethod
    def picture(width: int = 64, height: int = 48, seed: int = 0) -> np.ndarray:
        """A smooth picture with a colour of its own in every corner, uint8 (height, width, 3)."""
        y, x = np.mgrid[0:height, 0:width]
        planes = [255 * x / max(1, width - 1), 255 * y / max(1, height - 1), 128 + 100 * np.sin(x / 9 + y / 7 + seed)]
        return np.stack(planes, axis=-1).astype(np.uint8)

    @staticmethod
    def image(pixels: np.ndarray | PILImage.Image, kind: str = "PNG", **options: object) -> bytes:
        picture = pixels if isinstance(pixels, PILImage.Image) else PILImage.fromarray(pixels)
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        return buffer.getvalue()

    @staticmethod
    def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
        """A PNG from raw rows (each with its filter byte), for headers that no library writes."""
        header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
        parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in parts
        )

    @staticmethod
    def tone(seconds: float = 1.0, rate: int = 44_100, hertz: float = 440.0, level: float = 0.5) -> np.ndarray:
        return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)

    @staticmethod
    def noise(seconds: float = 1.0, rate: int = 44_100, level: float = 0.1, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).normal(0, level, round(seconds * rate)).astype(np.float32).clip(-1, 1)

    @staticmethod
    def sound(samples: np.ndarray, rate: int = 44_100, kind: str = "WAV", subtype: str | None = None) -> bytes:
        """Samples of shape (n,) or (n, channels) in a container that libsndfile writes."""
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, rate, format=kind, subtype=subtype)
        return buffer.getvalue()

    @staticmethod
    def container(
        kind: str,
        *,
        frames: list[np.ndarray] | None = None,
        times: list[float] | None = None,
        video: str = "libx264",
        sound: np.ndarray | None = None,
        rate: int = 48_000,
        audio: str = "aac",
        gop: int = 12,
        options: dict[str, str] | None = None,
    ) -> bytes:
        """Frames (uint8 RGB) at their times in seconds, and mono samples, in a container that FFmpeg writes."""
        with (
            tempfile.NamedTemporaryFile() as file,  # some muxers go back to their beginning
            av.open(file.name, "w", format=kind, options=options or {}) as output,
        ):
            pictures = voice = None
            if frames is not None:
                pictures = output.add_stream(video, rate=25)
                pictures.height, pictures.width = frames[0].shape[:2]
                pictures.pix_fmt = "yuv420p"
                pictures.gop_size, pictures.bit_rate = gop, 4_000_000
                pictures.options = {"libx264": {"crf": "3", "bf": "0"}, "libvpx": {"crf": "4"}}.get(
                    video, {"qmax": "2"}
                )
                ticks = 25 if times is None else 1000
                pictures.codec_context.time_base = Fraction(1, ticks)
            if sound is not None:
                voice = output.add_stream(audio, rate=rate)
                voice.layout = "mono"
                if audio == "aac":
                    voice.options = {"aac_pns": "0"}  # noise that a decoder makes up differs after every seek
            if pictures is not None:
                shown = times or [index / 25 for index in range(len(frames))]
                for pixels, second in zip(frames, shown, strict=True):
                    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                    frame.pts, frame.time_base = round(second * ticks), pictures.codec_context.time_base
                    output.mux(pictures.encode(frame))
                output.mux(pictures.encode(None))
            if voice is not None:
                for at in range(0, len(sound), 960):
                    frame = av.AudioFrame.from_ndarray(sound[None, at : at + 960].copy(), format="fltp", layout="mono")
                    frame.sample_rate, frame.pts = rate, at
                    frame.time_base = Fraction(1, rate)
                    output.mux(voice.encode(frame))
                output.mux(voice.encode(None))
            output.close()
            return Path(file.name).read_bytes()

    @staticmethod
    def frames(numbers: Iterable[int]) -> list[np.ndarray]:
        """Frames of 64 x 48 pixels with a number each, in eight black or white stripes: see `read_number`."""
        bits = np.array([[number >> place & 1 for place in range(8)] for number in numbers], np.uint8)
        rows = np.repeat(bits * 200 + 20, 8, axis=1)
        return list(np.repeat(np.broadcast_to(rows[:, None, :, None], (len(bits), 48, 64, 1)), 3, axis=3))

    @staticmethod
    def read_number(frame: np.ndarray) -> int:
        """The number of a decoded frame."""
        stripes = frame.reshape(48, 8, 8, 3).mean(axis=(0, 2, 3))
        return sum(1 << place for place, level in enumerate(stripes) if level > 120)

    @staticmethod
    def pdf(pages: list[str], size: tuple[int, int] = (200, 100)) -> bytes:
        """A PDF with a line of Helvetica on each page; an empty line leaves the page blank."""
        kids = " ".join(f"{4 + 2 * index} 0 R" for index in range(len(pages)))
        objects = [
            "<< /Type /Catalog /Pages 2 0 R >>",
            f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        ]
        for index, words in enumerate(pages):
            drawn = f"BT /F1 18 Tf 10 40 Td ({words}) Tj ET" if words else ""
            resources = "<< /Font << /F1 3 0 R >> >>"
            box = f"[0 0 {size[0]} {size[1]}]"
            page = (
                f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Resources {resources} /Contents {5 + 2 * index} 0 R >>"
            )
            objects += [page, f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream"]
        return write_pdf(objects, "1.4")


class Judge:
    """A process that decodes; a new one takes over where one dies or hangs."""

    def __init__(self):
        self.process = None

    def __call__(self, kind, path):
        if self.process is None:
            command = [sys.executable, str(Path(__file__).with_name("judge.py")), str(_MEGABYTES)]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(json.dumps([kind, str(path)]) + "\n")
        self.process.stdin.flush()
        with selectors.DefaultSelector() as waiting:  # select() takes no descriptor above 1023
            waiting.register(self.process.stdout, selectors.EVENT_READ)
            ready = waiting.select(_SECONDS + 30 * (not hasattr(self, "warm")))
        self.warm = True
        line = self.process.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        died = self.process.poll() if ready else "hangs"
        self.close()
        return {"verdict": "dead", "words": str(died), "megabytes": 0}

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    """Decode a file in a process of its own bounds: `judge(kind, path)`."""
    made = Judge()
    yield made
    made.close()


@pytest.fixture(scope="session")
def make() -> type[Make]:
    """The encoders of test content."""
    return Make


@pytest.fixture(scope="session")
def matrix_files(tmp_path_factory: pytest.TempPathFactory, make: type[Make]) -> dict[str, Path]:
    """The files of the matrix in one folder, by the kind that their row names."""
    from tests.media.matrix import ROWS

    folder = tmp_path_factory.mktemp("matrix")
    files = {row.kind: folder / f"{number:03}{row.suffix}" for number, row in enumerate(ROWS)}
    for row in ROWS:
        files[row.kind].write_bytes(row.build(make))
    return files


@pytest.fixture
def saved(tmp_path) -> Callable[[str, bytes], str]:
    """Write bytes under a name and return the path as a string."""

    def write(name: str, data: bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return str(path)

    return write


@pytest.fixture
def write_docx(tmp_path) -> Callable[..., str]:
    """Write a Word document with python-docx, and return its path.

    Blocks are paragraphs, `# ` headings, and tables as lists of rows. `files` replaces or adds members of the package,
    `document` its main part, and `body` raw XML at its end.
    """

    def write(name, blocks, *, pictures=(), header="", footer="", comment="", body="", document="", files=None):
        made = docx.Document()
        for block in blocks:
            if isinstance(block, list):
                table = made.add_table(rows=len(block), cols=len(block[0]))
                for row, values in zip(table.rows, block, strict=True):
                    for cell, value in zip(row.cells, values, strict=True):
                        cell.text = value
            elif block.startswith("#"):
                marks, _, title = block.partition(" ")
                made.add_heading(title, len(marks))
            else:
                made.add_paragraph(block)
        for picture in pictures:
            made.add_picture(io.BytesIO(picture))
        if header:
            made.sections[0].header.paragraphs[0].text = header
        if footer:
            made.sections[0].footer.paragraphs[0].text = footer
        if comment:
            made.add_comment(made.paragraphs[0].runs, comment)
        path = tmp_path / name
        made.save(path)
        members = dict(files or {})
        with zipfile.ZipFile(path) as package:
            old = {member: package.read(member) for member in package.namelist()}
        main = document or old["word/document.xml"].decode().replace("<w:sectPr", f"{body}<w:sectPr", 1)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
            for member, data in {**old, "word/document.xml": main.encode(), **members}.items():
                package.writestr(member, data)
        return str(path)

    return write
