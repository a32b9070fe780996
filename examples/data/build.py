"""Rebuild the photographs, recordings and videos of the sample corpus from freely licensed packages.

What it reads (the licence of every file is in LICENSES.md):

- PyPI `scikit-image`: four photographs that ship inside the package.
- Debian `gcompris-qt-data` (3.1): photographs in the public domain, inside its Qt resource files.
- Debian `flite` (2.2): its voices slt, awb and rms speak the sentences below, which were written for this project.

Usage:

    apt-get install flite && apt-get download gcompris-qt-data && dpkg -x gcompris-qt-data_*.deb unpacked
    pip install scikit-image av pillow numpy
    python examples/data/build.py --gcompris unpacked/usr/share/gcompris-qt/rcc

The texts and questions.json were written by hand and are not touched. The script prints when each sentence of a
recording is spoken, which is where the spans in questions.json come from.
"""

from __future__ import annotations

import argparse
import io
import struct
import subprocess
import tempfile
import wave
import zlib
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image

HERE = Path(__file__).parent
SPEECH_RATE = 16_000  # Hz, of the flite voices used here
PAUSE = 0.35  # seconds of silence between sentences
LONG_PAUSE = 1.0  # seconds of silence that an empty sentence stands for
FRAMES_PER_SECOND = 12
FRAME_SIZE = (320, 240)
REPEATABLE = {"fflags": "+bitexact"}  # no random stream numbers, no dates: a rebuilt recording has the same bytes

# target: (source package, file inside it). gcompris files are "<name>.rcc:<path>".
PHOTOS = {
    "images/photo-01.jpg": "skimage:chelsea.png",
    "images/photo-02.jpg": "skimage:coffee.png",
    "images/photo-03.jpg": "skimage:rocket.jpg",
    "images/photo-04.png": "skimage:camera.png",
    "images/photo-05.jpg": "explore_farm_animals.rcc:animals/dog.webp",
    "images/photo-06.jpg": "explore_farm_animals.rcc:animals/chicken.webp",
    "images/photo-07.jpg": "explore_farm_animals.rcc:animals/sheep.webp",
    "images/photo-08.jpg": "erase.rcc:resource/crab.webp",
    "images/photo-09.jpg": "categorization.rcc:fishes/fish25.webp",
    "images/photo-10.jpg": "categorization.rcc:others/pan.webp",
    "images/photo-11.jpg": "categorization.rcc:others/baseball.webp",
    "images/photo-12.webp": "categorization.rcc:tools/screwDriver2.webp",
    "images/photo-13.jpg": "categorization.rcc:tools/hammer8.webp",
    "images/photo-14.jpg": "categorization.rcc:others/weighingMachine.webp",
    "images/photo-15.jpg": "explore_world_animals.rcc:animals/scarlet_macaw.webp",
    "images/photo-16.jpg": "categorization.rcc:others/bucket.webp",
}

# fmt: off
# target: (voice, sampling rate in Hz, channels, codec, sentences)
RECORDINGS = {
    "audio/recording-01.wav": ("slt", 16_000, 1, "pcm_s16le", [
        "Hello, this is a message from the dental practice in Market Street.",
        "Your appointment with the dentist has moved from Tuesday morning to Thursday afternoon "
        "at a quarter past three.",
        "Please call us back if you cannot come.",
    ]),
    "audio/recording-02.flac": ("rms", 16_000, 1, "flac", [
        "Ladies and gentlemen, the museum closes in twenty minutes.",
        "Please fetch your jackets and bags from the cloakroom on the ground floor.",
        "The exhibition of old maps opens again tomorrow morning at ten o'clock.",
    ]),
    "audio/recording-03.mp3": ("slt", 44_100, 2, "libmp3lame", [
        "Has anyone found a green umbrella with a wooden handle?",
        "I left it on the number twelve bus last night, on the seat behind the driver.",
        "It belonged to my grandmother, and I would be very happy to have it back.",
    ]),
    "audio/recording-04.ogg": ("awb", 48_000, 1, "libopus", [
        "Here is the weather for tonight and tomorrow.",
        "Strong wind and heavy rain will reach the coast this evening.",
        "In the mountains the rain will turn to snow.",
        "Tomorrow will be cold but dry, with sunshine in the south.",
    ]),
    "audio/recording-05.m4a": ("slt", 44_100, 1, "aac", [
        "And now the local news.",
        "The old stone bridge over the river will be closed for repairs from Monday.",
        "Cars and buses must take the road through the industrial park, which adds about ten minutes to the journey.",
        "People on foot can still cross by the railway bridge.",
        "",
        "And here is the sport.",
        "A schoolgirl has won the national chess championship.",
        "She is only fourteen years old, and she beat the title holder in the final game with the black pieces.",
    ]),
    "audio/recording-06.wav": ("slt", 22_050, 1, "pcm_s16le", [
        "Swimming lessons for beginners start on the third of April.",
        "Please bring a towel, a bathing cap, and a coin for the locker.",
        "Children under six need a parent with them in the water.",
    ]),
    "audio/recording-07.mp3": ("slt", 22_050, 1, "libmp3lame", [
        "Honey bees tell each other where to find flowers by dancing.",
        "The direction of the dance shows the way from the hive, measured from the position of the sun.",
        "The longer the bee waggles, the farther away the flowers are.",
    ]),
}

NARRATION = [
    "Welcome to our little film about the zoo.",
    "The polar bear is fed every afternoon at half past two, and he likes frozen fish best of all.",
    "The koala sleeps for twenty hours a day and eats nothing but the leaves of eucalyptus trees.",
]

# target: (voice of the narration or None, seconds and photograph of each shot, in order)
VIDEOS = {
    "video/video-01.mp4": ("slt", [
        (8.5, "explore_world_animals.rcc:animals/polar_bear.webp"),
        (6.5, "explore_world_animals.rcc:animals/koala.webp"),
    ]),
    "video/video-02.mp4": (None, [
        (6.0, "explore_monuments.rcc:france/citedeCarcassonne.webp"),
        (6.0, "explore_world_animals.rcc:animals/bison.webp"),
    ]),
}
# fmt: on


def main() -> None:
    """Write every photograph, recording and video below this folder and print the spoken spans."""
    parser = argparse.ArgumentParser(description="Rebuild the sample corpus.")
    parser.add_argument(
        "--gcompris",
        type=Path,
        default=Path("/usr/share/gcompris-qt/rcc"),
        metavar="DIR",
        help="folder with the .rcc files of Debian's gcompris-qt-data",
    )
    rcc_folder = parser.parse_args().gcompris
    for target, origin in PHOTOS.items():
        save_photo(open_photo(origin, rcc_folder), HERE / target)
    for target, (voice, rate, channels, codec, sentences) in RECORDINGS.items():
        samples, spans = speak(sentences, voice)
        write_audio(HERE / target, samples, rate, channels, codec)
        for (start, end), sentence in zip(spans, sentences, strict=True):
            print(f"{target}  {start:6.2f} {end:6.2f}  {sentence}")
    for target, (narrator, shots) in VIDEOS.items():
        samples = None
        if narrator is not None:
            samples, spans = speak(NARRATION, narrator)
            for (start, end), sentence in zip(spans, NARRATION, strict=True):
                print(f"{target}  {start:6.2f} {end:6.2f}  {sentence}")
        photos = [(seconds, open_photo(origin, rcc_folder)) for seconds, origin in shots]
        write_video(HERE / target, photos, samples)


def open_photo(origin: str, rcc_folder: Path) -> Image.Image:
    """Open one photograph named as in `PHOTOS`."""
    package, name = origin.split(":")
    if package == "skimage":
        import skimage

        return Image.open(Path(skimage.__file__).parent / "data" / name)
    for path, content in resource_files(rcc_folder / package):
        if path.endswith("/" + name):
            return Image.open(io.BytesIO(content)).convert("RGB")
    raise FileNotFoundError(f"{name} is not in {rcc_folder / package}; expected the files of gcompris-qt-data 3.1")


def resource_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (path, content) of each file in a Qt binary resource file (format versions 1 to 3)."""
    data = path.read_bytes()
    magic, version, tree, contents, names = struct.unpack_from(">4s4I", data)
    if magic != b"qres":
        raise ValueError(f"{path} is not a Qt resource file")
    node_size = 14 if version == 1 else 22

    def walk(node: int, folder: str) -> Iterator[tuple[str, bytes]]:
        at = tree + node_size * node
        name_at, flags = struct.unpack_from(">IH", data, at)
        name = ""
        if node:  # the root has no name
            (length,) = struct.unpack_from(">H", data, names + name_at)
            name = data[names + name_at + 6 :][: 2 * length].decode("utf-16-be")
        if flags & 2:  # a folder
            count, first = struct.unpack_from(">II", data, at + 6)
            for child in range(first, first + count):
                yield from walk(child, f"{folder}{name}/")
        else:
            (content_at,) = struct.unpack_from(">I", data, at + 10)
            (size,) = struct.unpack_from(">I", data, contents + content_at)
            content = data[contents + content_at + 4 :][:size]
            yield folder + name, zlib.decompress(content[4:]) if flags & 1 else content

    yield from walk(0, "")


def save_photo(photo: Image.Image, target: Path) -> None:
    """Shrink a photograph to 512 pixels on its longer side and save it in the format of the target's suffix."""
    photo = photo if photo.mode == "L" else photo.convert("RGB")
    photo.thumbnail((512, 512) if target.suffix != ".png" else (384, 384), Image.Resampling.LANCZOS)
    options = {".jpg": {"quality": 88}, ".png": {"optimize": True}, ".webp": {"quality": 88}}[target.suffix]
    target.parent.mkdir(exist_ok=True)
    photo.save(target, **options)


def speak(sentences: list[str], voice: str) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Synthesise sentences with flite, a pause after each.

    Returns:
        Samples, shape (n,), int16 at 16 kHz, and the (start, end) of each sentence in seconds.
    """
    pieces: list[np.ndarray] = []
    spans: list[tuple[float, float]] = []
    length = 0
    for sentence in sentences:
        if not sentence:
            pieces.append(np.zeros(int(LONG_PAUSE * SPEECH_RATE), np.int16))
            spans.append((length / SPEECH_RATE, (length + len(pieces[-1])) / SPEECH_RATE))
            length += len(pieces[-1])
            continue
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            subprocess.run(["flite", "-voice", voice, "-t", sentence, "-o", file.name], check=True)
            with wave.open(file.name) as sound:
                if sound.getframerate() != SPEECH_RATE:
                    raise ValueError(f"voice {voice} speaks at {sound.getframerate()} Hz, expected {SPEECH_RATE}")
                samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
        spans.append((length / SPEECH_RATE, (length + len(samples)) / SPEECH_RATE))
        pieces += [samples, np.zeros(int(PAUSE * SPEECH_RATE), np.int16)]
        length += len(samples) + len(pieces[-1])
    return np.concatenate(pieces), spans


def write_audio(target: Path, samples: np.ndarray, rate: int, channels: int, codec: str) -> None:
    """Encode int16 samples at 16 kHz into the container of the target's suffix."""
    target.parent.mkdir(exist_ok=True)
    with av.open(str(target), "w", options=REPEATABLE) as container:
        encode_speech(container, add_speech_stream(container, rate, channels, codec), samples)


def add_speech_stream(container: av.container.OutputContainer, rate: int, channels: int, codec: str) -> av.AudioStream:
    """Add an audio stream; a separate step because every stream must exist before the first packet is written."""
    stream = container.add_stream(codec, rate=rate, layout="mono" if channels == 1 else "stereo")
    if codec in {"libmp3lame", "aac", "libopus"}:
        stream.bit_rate = 48_000 * channels
    return stream


def encode_speech(container: av.container.OutputContainer, stream: av.AudioStream, samples: np.ndarray) -> None:
    """Encode int16 samples at 16 kHz into an audio stream."""
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = SPEECH_RATE
    codec = stream.codec_context
    codec.open(strict=False)
    resampler = av.AudioResampler(codec.format, codec.layout, codec.sample_rate, frame_size=codec.frame_size or None)
    for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
        container.mux(stream.encode(piece))


def write_video(target: Path, shots: list[tuple[float, Image.Image]], speech: np.ndarray | None) -> None:
    """Show photographs with a slow zoom, with or without a sound track.

    Args:
        target: The mp4 file to write.
        shots: Seconds and photograph of each shot, in order.
        speech: Narration, int16 at 16 kHz, or None for a file without an audio stream.
    """
    target.parent.mkdir(exist_ok=True)
    with av.open(str(target), "w", options=REPEATABLE) as container:
        picture = container.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"crf": "27", "preset": "slow"})
        picture.width, picture.height = FRAME_SIZE
        picture.pix_fmt = "yuv420p"
        sound = None if speech is None else add_speech_stream(container, 44_100, 1, "aac")
        for seconds, photo in shots:
            count = round(seconds * FRAMES_PER_SECOND)
            for number in range(count):
                frame = av.VideoFrame.from_image(zoomed(photo, 1 - 0.25 * number / count))
                container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if sound is not None:
            encode_speech(container, sound, speech)


def zoomed(photo: Image.Image, part: float) -> Image.Image:
    """Cut the middle `part` (0 to 1) of a photograph, in the shape of a video frame."""
    width, height = FRAME_SIZE
    scale = min(photo.width / width, photo.height / height) * part
    left, top = (photo.width - width * scale) / 2, (photo.height - height * scale) / 2
    box = (left, top, left + width * scale, top + height * scale)
    return photo.resize(FRAME_SIZE, Image.Resampling.LANCZOS, box=box)


if __name__ == "__main__":
    main()
