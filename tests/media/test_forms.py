"""Every form of one content decodes to the same values, in every modality."""

import base64
import io
import pathlib

import numpy as np
import pytest
from PIL import Image as PILImage

from senseweave.media import Audio, Image, MediaPolicy, Text, Video

RATE = 16_000
ENCODED = [
    "str",
    "Path",
    "file URL",
    "data URI",
    "bytes",
    "bytearray",
    "memoryview",
    "BytesIO",
    "open file",
    "mapping",
    "fsspec",
]
DECODED = {
    "text": ["str"],
    "image": ["PIL", "array HWC", "array CHW", "tensor CHW", "tensor HWC", "float array", "list"],
    "audio": [
        "tuple",
        "mapping of array",
        "int16",
        "stereo (n, 2)",
        "stereo (2, n)",
        "tensor",
        "Waveform",
        "float64",
        "list",
    ],
    "video": ["frames", "PIL frames", "array THWC", "array TCHW", "tensor", "mapping of frames"],
}


@pytest.fixture(scope="session")
def contents(make):
    """For each modality: the bytes of a lossless file, and the values in it."""
    pytest.importorskip("fsspec")
    picture = make.picture(30, 20)
    ints = (make.noise(1.3, RATE, 0.2) * 2**15).round().clip(-(2**15), 2**15 - 1).astype(np.int16)
    pictures = np.stack([make.picture(32, 16, seed) for seed in range(12)])
    video = io.BytesIO()  # GIF loses no colour of few, and knows times: lossless video that every build of FFmpeg reads
    greys = [PILImage.fromarray((frame // 4 * 4)[..., 0]) for frame in pictures]
    greys[0].save(video, "GIF", save_all=True, append_images=greys[1:], duration=100)
    return {
        "text": ("grüße und küsse".encode(), "grüße und küsse"),
        "image": (make.image(picture), picture),
        "audio": (make.sound(ints, RATE), ints),
        "video": (video.getvalue(), np.stack([np.asarray(grey.convert("RGB")) for grey in greys])),
    }


def decoded(modality, given):
    policy = MediaPolicy(filesystems={"memory"})
    if modality == "text":
        media = given if isinstance(given, Text) else Text.open(given, policy=policy)
        return np.array([ord(letter) for letter in media.decode()])
    if modality == "image":
        return np.asarray(Image(given, policy=policy).decode())
    if modality == "audio":
        return Audio(given, policy=policy).decode(sampling_rate=22_050).samples
    return Video(given, policy=policy).decode(frames=6).frames


def encoded(form, data, path):
    pathlib.Path(path).write_bytes(data)
    if form == "fsspec":
        import fsspec

        fsspec.filesystem("memory").pipe("/forms", data)
    return {
        "str": path,
        "Path": pathlib.Path(path),
        "file URL": pathlib.Path(path).as_uri(),
        "data URI": "data:;base64," + base64.b64encode(data).decode(),
        "bytes": data,
        "bytearray": bytearray(data),
        "memoryview": memoryview(data),
        "BytesIO": io.BytesIO(data),
        "open file": open(path, "rb"),
        "mapping": {"bytes": data, "path": None},
        "fsspec": "memory://forms",
    }[form]


@pytest.mark.parametrize("form", ENCODED)
@pytest.mark.parametrize("modality", ["text", "image", "audio", "video"])
def test_encoded_forms_agree(contents, tmp_path, modality, form):
    data, _ = contents[modality]
    expected = decoded(modality, data)
    assert np.abs(decoded(modality, encoded(form, data, str(tmp_path / "content"))) - expected).max() <= 1e-6


@pytest.mark.parametrize(("modality", "form"), [(modality, form) for modality in DECODED for form in DECODED[modality]])
def test_decoded_forms_agree_with_the_file(contents, modality, form):
    data, values = contents[modality]
    expected = decoded(modality, data).astype(np.float64)
    if form.startswith("tensor"):
        torch = pytest.importorskip("torch")
    if modality == "text":
        given = Text(values)
    elif modality == "image":
        given = {
            "PIL": lambda: PILImage.fromarray(values),
            "array HWC": lambda: values,
            "array CHW": lambda: np.moveaxis(values, -1, 0),
            "tensor CHW": lambda: torch.from_numpy(values).permute(2, 0, 1),
            "tensor HWC": lambda: torch.from_numpy(values),
            "float array": lambda: values / 255.0,
            "list": values.tolist,
        }[form]()
    elif modality == "audio":
        floats = (values / 2.0**15).astype(np.float32)
        given = {
            "tuple": lambda: (floats, RATE),
            "mapping of array": lambda: {"array": floats, "sampling_rate": RATE},
            "int16": lambda: (values, RATE),
            "stereo (n, 2)": lambda: (np.stack([values, values], 1), RATE),
            "stereo (2, n)": lambda: (np.stack([floats, floats]), RATE),
            "tensor": lambda: (torch.from_numpy(floats)[None], RATE),
            "Waveform": lambda: Audio(data).decode(),
            "float64": lambda: (values / 2.0**15, float(RATE)),
            "list": lambda: (floats.tolist(), RATE),
        }[form]()
    else:
        given = {
            "frames": lambda: (list(values), 10),
            "PIL frames": lambda: ([PILImage.fromarray(frame) for frame in values], 10),
            "array THWC": lambda: (values, 10),
            "array TCHW": lambda: (np.moveaxis(values, -1, 1), 10.0),
            "tensor": lambda: (torch.from_numpy(values).permute(0, 3, 1, 2), 10),
            "mapping of frames": lambda: {"frames": values, "frame_rate": 10},
        }[form]()
    assert np.abs(decoded(modality, given) - expected).max() <= 1e-6
