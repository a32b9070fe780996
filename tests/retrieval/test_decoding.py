"""One add decodes each content once, whatever the number of spaces, and reads a recording in one stream."""

import collections

import numpy as np
import pytest
from PIL import Image as PILImage

import senseweave as sw
from senseweave.media import Audio, Image
from senseweave.retrieval import Index
from senseweave.retrieval.records import decoding
from senseweave.spaces.space import Space


@pytest.fixture
def counts(monkeypatch):
    """How often pictures were decoded, and recordings opened to be decoded."""
    found = collections.Counter()

    def count(owner, name, key):
        real = getattr(owner, name)

        def counted(self, *args, **options):
            found[key] += 1
            return real(self, *args, **options)

        monkeypatch.setattr(owner, name, counted)

    count(Image, "decode", "pictures")
    count(Audio, "decode", "windows alone")
    count(Audio, "decoded_windows", "streams")
    return found


def spaces(tiny, number):
    made = []
    for at in range(number):
        encoders = {"text": tiny.HashedWords(), "image": tiny.Colours(), "audio": tiny.Pitch()}
        made.append(Space(f"space {at}", encoders))
    return made


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_picture_is_decoded_once_for_all_spaces(tmp_path, tiny, corpus_folder, counts, number):
    with Index(tmp_path / "index", spaces=spaces(tiny, number)) as index:
        assert index.add(corpus_folder / "red.png", ocr="off").added == number
    assert counts["pictures"] == 1


@pytest.mark.parametrize("number", [1, 3])
def test_a_picture_is_decoded_once_more_to_see_whether_it_looks_written(tmp_path, tiny, corpus_folder, counts, number):
    with Index(tmp_path / "index", spaces=spaces(tiny, number)) as index:
        index.add(corpus_folder / "red.png")
    assert counts["pictures"] == 2


@pytest.mark.parametrize("number", [1, 2, 3])
def test_windows_of_a_recording_come_from_one_stream(tmp_path, tiny, corpus_folder, counts, number):
    with Index(tmp_path / "index", spaces=spaces(tiny, number)) as index:
        assert index.add(corpus_folder / "song.wav").added == 3 * number
    assert counts == {"streams": 1}


def test_streamed_windows_have_the_vectors_of_windows_alone(tmp_path, tiny, corpus_folder, write_sound):
    long = write_sound(tmp_path / "long.wav", ["low", "high", "middle", "low", "high"], seconds=1.3)
    space = tiny.make_space()
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add([long, corpus_folder / "song.wav"], overlap=0.5)
        (description,) = (
            description for description in index._store.descriptions.values() if description.modality == "audio"
        )
        records = list(index._store.get(description, vectors=True))
    assert len(records) > 5
    for record in records:
        span = record.metadata["start"], record.metadata["end"]
        (alone,) = space.embed_audio([sw.Audio(record.metadata["source"], span=span)])
        np.testing.assert_allclose(record.vector, alone, atol=1e-5)


def test_a_recording_cut_short_fails_alone_and_what_can_be_read_is_kept(tmp_path, tiny, corpus_folder):
    whole = (corpus_folder / "song.wav").read_bytes()
    (corpus_folder / "song.wav").write_bytes(whole[: len(whole) // 2])
    with Index(tmp_path / "index", spaces=spaces(tiny, 2)) as index:
        report = index.add([corpus_folder / "song.wav", corpus_folder / "low.wav"])
        assert str(corpus_folder / "low.wav") in index.sources()
        assert report.added >= 2


def test_nothing_stays_decoded_after_an_add(tmp_path, tiny, corpus_folder):
    picture, sound = Image(corpus_folder / "red.png"), Audio(corpus_folder / "song.wav")
    with Index(tmp_path / "index", spaces=spaces(tiny, 2)) as index:
        index.add([picture, sound])
    assert (picture.shared, sound.shared) == (None, None)


def test_what_is_there_unchanged_is_not_decoded_again(tmp_path, tiny, corpus_folder, counts):
    with Index(tmp_path / "index", spaces=spaces(tiny, 2)) as index:
        index.add(corpus_folder)
        counts.clear()
        assert index.add(corpus_folder).added == 0
    assert counts == {}


def test_what_would_hold_too_much_memory_is_decoded_for_each_space_anew(tmp_path, tiny, counts, monkeypatch):
    pictures = [np.full((48, 64, 3), level, np.uint8) for level in range(0, 100, 10)]
    files = []
    for number, picture in enumerate(pictures):
        files.append(tmp_path / f"{number}.png")
        PILImage.fromarray(picture).save(files[-1])
    Index(tmp_path / "once", spaces=spaces(tiny, 2)).add(files)
    once = counts.pop("pictures")
    monkeypatch.setattr(decoding, "KEPT_BYTES", 3 * 64 * 48 * 4)
    Index(tmp_path / "anew", spaces=spaces(tiny, 2)).add(files)
    assert counts["pictures"] == once + 7
