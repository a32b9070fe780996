"""Whatever happens to the bytes of a file, its decoder gives finite values or a MediaError, and lives."""

import functools

import hypothesis
import pytest
from hypothesis import strategies as st

EXAMPLES = 60


@functools.cache
def seeds(make, kind):
    """Small files of every container of a kind."""
    if kind == "image":
        picture = make.picture(24, 16)
        return [make.image(picture, name) for name in ("PNG", "JPEG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "JPEG2000")]
    if kind == "audio":
        voice = make.noise(0.4, 16_000)
        files = [make.sound(voice, 16_000, name) for name in ("WAV", "FLAC", "MP3", "OGG", "AIFF")]
        wide = make.noise(0.4, 48_000)
        return [*files, make.container("ipod", sound=wide), make.container("webm", sound=wide, audio="libopus")]
    if kind == "video":
        frames, voice = make.frames(range(8)), make.tone(0.3, 48_000)
        return [
            make.container("mp4", frames=frames, sound=voice, options={"movflags": "faststart"}),
            make.container("matroska", frames=frames, sound=voice),
            make.container("webm", frames=frames, video="libvpx"),
            make.container("avi", frames=frames, video="mpeg4"),
            make.container("mpegts", frames=frames, sound=voice),
            make.container("flv", frames=frames, video="flv1"),
        ]
    return [make.pdf(["a dog", ""])]


@st.composite
def mutations(draw):
    """What to do to a file: pairs of a place (a share of its length) and new bytes, a cut, and a repetition."""
    # Half of the changes go to the first part of the file, where its tables are.
    place = st.floats(0, 1) | st.floats(0, 0.1)
    changes = draw(st.lists(st.tuples(place, st.binary(min_size=1, max_size=8)), max_size=6))
    cut = draw(st.none() | st.floats(0.02, 1))
    repeated = draw(st.none() | st.tuples(place, st.integers(1, 200)))
    return changes, cut, repeated


def mutated(data, changes, cut, repeated):
    made = bytearray(data)
    for share, new in changes:
        at = int(share * (len(made) - 1))
        made[at : at + len(new)] = new
    if repeated is not None:
        at = int(repeated[0] * (len(made) - 1))
        made[at:at] = made[at : at + repeated[1]]
    return bytes(made[: max(1, int(len(made) * cut))]) if cut is not None else bytes(made)


@pytest.mark.parametrize("kind", ["image", "audio", "video", "page"])
def test_mutated_files_are_survived(make, judge, tmp_path_factory, kind):
    path = tmp_path_factory.mktemp("fuzz") / "file"
    files = seeds(make, kind)

    @hypothesis.settings(
        max_examples=EXAMPLES * min(4, len(files)),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.sampled_from(files), mutations())
    def survives(data, mutation):
        path.write_bytes(mutated(data, *mutation))
        found = judge(kind, path)
        assert found["verdict"] in ("value", "error"), found
        assert found["megabytes"] < 1000

    survives()


@pytest.mark.parametrize("kind", ["image", "audio", "video", "text", "page", "any"])
def test_bytes_of_no_kind_are_survived(judge, tmp_path_factory, kind):
    path = tmp_path_factory.mktemp("fuzz") / "file"
    magic = [
        b"",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"fLaC",
        b"OggS\0",
        b"ID3\4",
    ]
    magic += [
        b"\0\0\0\x18ftypisom",
        b"\x1aE\xdf\xa3",
        b"FLV\1",
        b"%PDF-1.7\n",
        b"<html>",
        b"II*\0",
        b"BM",
        b"\xff\xfb\x90\0",
    ]

    @hypothesis.settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)
    @hypothesis.given(st.sampled_from(magic), st.binary(max_size=400))
    def survives(start, rest):
        path.write_bytes(start + rest)
        found = judge(kind, path)
        assert found["verdict"] in ("value", "error"), found

    survives()
