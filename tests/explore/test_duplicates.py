"""Copies of pictures, recordings and texts: found, grouped, and deleted only when told to."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image as PillowImage

import senseweave as sw
from senseweave.explore.duplicates.comparing import Comparison
from senseweave.explore.duplicates.items import Item
from senseweave.explore.duplicates.pictures import look_at, picture_score
from senseweave.explore.duplicates.sounds import fingerprint, sound_score
from senseweave.explore.duplicates.texts import shingles, text_score
from senseweave.media.decoded import Waveform
from senseweave.retrieval import Index
from senseweave.retrieval.listing import IndexRecord
from senseweave.retrieval.records.schema import Provenance


@pytest.fixture
def photo(corpus):
    """A photograph of the sample corpus by its number."""

    def load(number):
        return PillowImage.open(corpus / "images" / f"photo-{number:02}.jpg").convert("RGB")

    return load


def crop(image, share=0.8):
    width, height = image.size
    return image.crop((int(width * (1 - share) * 0.7), int(height * (1 - share) * 0.2), width, height)).crop(
        (0, 0, int(width * share), int(height * share))
    )


def encoded(image, quality):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return PillowImage.open(file)


def melody(seed, seconds=6.0, rate=8000):
    """Notes of changing pitch with overtones, so that every recording has a shape of its own."""
    random = np.random.default_rng(seed)
    notes = []
    for _ in range(int(seconds / 0.25)):
        times = np.arange(int(0.25 * rate)) / rate
        pitch = random.uniform(180, 900)
        note = sum(np.sin(2 * np.pi * pitch * number * times) / number for number in range(1, 4))
        notes.append(note * np.exp(-4 * times))
    return (0.3 * np.concatenate(notes)).astype(np.float32)


def test_a_picture_is_the_same_encoded_again_smaller_and_cropped(photo):
    original = look_at(photo(1))
    small = photo(1).resize((photo(1).width // 3, photo(1).height // 3))
    for changed in (encoded(photo(1), 40), small, crop(photo(1)), encoded(crop(small), 60)):
        assert picture_score(original, look_at(changed)) > 0.85
        assert picture_score(look_at(changed), original) > 0.85
    assert original.pixels == photo(1).width * photo(1).height


def test_different_pictures_are_not_the_same(photo):
    looks = [look_at(photo(number)) for number in (1, 2, 3, 5, 6)]
    scores = [picture_score(a, b) for at, a in enumerate(looks) for b in looks[:at]]
    assert max(scores) < 0.6


def test_pictures_that_differ_in_their_colors_alone_are_not_the_same(photo):
    def ball(color):
        rows, columns = np.mgrid[:120, :160]
        inside = (rows - 60) ** 2 + (columns - 80) ** 2 < 45**2
        return PillowImage.fromarray(np.where(inside[..., None], color, 255).astype(np.uint8))

    red, brown, gray = (look_at(ball(color)) for color in ((220, 30, 30), (120, 70, 30), (128, 128, 128)))
    assert picture_score(red, look_at(encoded(ball((220, 30, 30)), 50))) > 0.85
    assert max(picture_score(red, brown), picture_score(red, gray)) < 0.7
    blue, green, crimson = photo(1).split()
    assert picture_score(look_at(photo(1)), look_at(PillowImage.merge("RGB", (crimson, green, blue)))) < 0.75


def test_pictures_that_show_nothing_are_the_same_only_if_they_are_equally_light():
    white, black = (look_at(PillowImage.new("RGB", (40, 30), color)) for color in ("white", "black"))
    assert picture_score(white, white) == 1.0
    assert picture_score(white, black) == 0.0


def test_a_recording_is_the_same_quieter_and_cut():
    samples = melody(1)
    whole = fingerprint(Waveform(samples, 8000))
    assert sound_score(whole, fingerprint(Waveform(0.2 * samples, 8000))) > 0.95
    assert sound_score(whole, fingerprint(Waveform(samples[9000:37000], 8000))) > 0.7
    assert sound_score(whole, fingerprint(Waveform(melody(2), 8000))) < 0.3


def test_silence_is_no_copy_of_silence():
    silent = fingerprint(Waveform(np.zeros(40_000, np.float32), 8000))
    assert sound_score(silent, silent) == 0.0


def test_texts_are_nearly_equal_if_few_words_differ():
    text = "The last train to the coast leaves at midnight from platform nine, and it carries no bicycles at all."
    assert text_score(shingles([text]), shingles([text.upper().replace(" ", "\n")])) == 1.0
    assert text_score(shingles([text]), shingles([text.replace("nine", "ten")])) > 0.8
    assert (
        text_score(shingles([text]), shingles(["Knead the dough, let it rest, and bake it until it is brown."])) < 0.1
    )


@pytest.fixture
def copies(tmp_path, photo, write_sound):
    """Originals, copies of some of them, and files that are alone."""
    folder = tmp_path / "copies"
    folder.mkdir()
    photo(1).save(folder / "dog.png")
    crop(photo(1)).resize((300, 200)).save(folder / "dog-cropped.jpg", quality=70)
    photo(2).save(folder / "other.jpg")
    (folder / "other-again.jpg").write_bytes((folder / "other.jpg").read_bytes())
    photo(3).save(folder / "alone.jpg")
    write_sound(folder / "song.wav", melody(1), 8000)
    soundfile.write(folder / "song-cut.ogg", 0.5 * melody(1)[9000:37000], 8000)
    write_sound(folder / "tune.wav", melody(2), 8000)
    text = "The last train to the coast leaves at midnight from platform nine, and it carries no bicycles at all."
    (folder / "trains.txt").write_text(text)
    (folder / "trains-old.txt").write_text(text.replace("nine", "six").replace(", and", " and"))
    (folder / "bread.txt").write_text("Knead the dough, let it rest, and bake it until it is brown.")
    return folder


@pytest.fixture
def copied(tmp_path, tiny, copies):
    """An index of the copies."""
    with Index(tmp_path / "copied", spaces=[tiny.make_space()]) as index:
        index.add(copies)
        yield index


def grouped(found):
    return {Path(group.best.source).name: [Path(copy.source).name for copy in group.others] for group in found}


def test_copies_are_grouped_with_the_best_first(copied):
    found = copied.duplicates()
    assert grouped(found) == {
        "dog.png": ["dog-cropped.jpg"],
        "other-again.jpg": ["other.jpg"],
        "song.wav": ["song-cut.ogg"],
        "trains.txt": ["trains-old.txt"],
    }
    kinds = {Path(group.best.source).name: (group.modality, group.kind) for group in found}
    assert kinds["other-again.jpg"] == ("image", "equal")
    assert kinds["dog.png"] == ("image", "near")
    assert kinds["song.wav"] == ("audio", "near")
    assert [group.score for group in found] == sorted((group.score for group in found), reverse=True)
    assert found.to_dict()["groups"][0]["kind"] == "equal"


def test_nothing_is_deleted_unless_it_is_told_to(copied, copies):
    before = len(copied)
    found = copied.duplicates()
    assert len(copied) == before
    copies_of = {copy.source for group in found for copy in group.others}
    assert found.delete() == before - len(copied) == sum(len(c.ids) for group in found for c in group.others)
    assert not copies_of & set(copied.sources())
    assert {Path(source).name for source in copied.sources()} == {
        "dog.png", "other-again.jpg", "alone.jpg", "song.wav", "tune.wav", "trains.txt", "bread.txt",
    }  # fmt: skip
    assert (copies / "other.jpg").exists()
    assert len(copied.duplicates()) == 0
    assert found.delete() == 0


def test_copies_are_deleted_at_once_if_asked_for(copied):
    found = copied.duplicates(modalities={"text"}, delete=True)
    assert grouped(found) == {"trains.txt": ["trains-old.txt"]}
    names = {Path(source).name for source in copied.sources()}
    assert "trains-old.txt" not in names
    assert "dog-cropped.jpg" in names


def test_a_threshold_leaves_out_what_is_less_sure(copied):
    assert {group.kind for group in copied.duplicates(threshold=1.0)} == {"equal"}
    assert "trains.txt" not in grouped(copied.duplicates(threshold={"text": 0.99}))
    for wrong in (0, 1.5, "high", True, {"picture": 0.5}):
        with pytest.raises(ValueError, match="threshold must be a number above 0"):
            copied.duplicates(threshold=wrong)


def test_a_copy_inside_a_document_is_listed_and_never_deleted(tmp_path, tiny, photo, copies):
    with zipfile.ZipFile(copies / "bundle.zip", "w") as archive:
        archive.write(copies / "dog.png", "holiday/dog.png")
        archive.writestr("notes.txt", "what we did in the summer")
    with Index(tmp_path / "bundled", spaces=[tiny.make_space()]) as index:
        index.add([copies / "dog.png", copies / "bundle.zip"])
        (group,) = index.duplicates()
        assert {copy.part for copy in group.copies} == {None, "!/holiday/dog.png"}
        held = {Path(copy.source).name for copy in group.others} - {"bundle.zip"}
        index.duplicates(delete=True)
        assert {Path(source).name for source in index.sources()} == {"dog.png", "bundle.zip"} - held
        assert any(record.text.startswith("what we did") for record in index.records())


def test_a_photo_is_kept_before_a_larger_drawing_of_the_page_that_it_was_printed_on(tmp_path, tiny, photo):
    photo(1).save(tmp_path / "dog.png")
    photo(1).save(tmp_path / "scan.pdf", resolution=72)  # drawn at 144 dots per inch: twice as wide as the photo
    with Index(tmp_path / "scanned", spaces=[tiny.make_space()]) as index:
        index.add([tmp_path / "dog.png", tmp_path / "scan.pdf"])
        (group,) = index.duplicates(modalities={"image"})
        assert group.best.source == str(tmp_path / "dog.png")
        (page,) = group.others
        assert page.page == 1
        assert page.size > group.best.size
        index.duplicates(delete=True)
        assert str(tmp_path / "dog.png") in index.sources()


def test_a_page_that_is_a_clearly_larger_scan_is_kept_before_a_small_picture_of_it(tmp_path, tiny, photo):
    scan = photo(1)
    width, height = scan.size
    scan.resize((width // 2, height // 2)).save(tmp_path / "thumbnail.png")
    scan.save(tmp_path / "scan.pdf", resolution=144)
    with Index(tmp_path / "scanned", spaces=[tiny.make_space()]) as index:
        index.add([tmp_path / "thumbnail.png", tmp_path / "scan.pdf"])
        (group,) = index.duplicates(modalities={"image"})
        assert (group.best.source, group.best.page) == (str(tmp_path / "scan.pdf"), 1)
        assert [copy.source for copy in group.others] == [str(tmp_path / "thumbnail.png")]


def test_a_slightly_smaller_photo_is_kept_before_the_page_that_it_was_printed_on(tmp_path, tiny, photo):
    printed = photo(1)
    width, height = printed.size
    printed.resize((width * 4 // 5, height * 4 // 5)).save(tmp_path / "dog.png")
    printed.save(tmp_path / "printed.pdf", resolution=72)
    with Index(tmp_path / "printed", spaces=[tiny.make_space()]) as index:
        index.add([tmp_path / "dog.png", tmp_path / "printed.pdf"])
        (group,) = index.duplicates(modalities={"image"})
        assert group.best.source == str(tmp_path / "dog.png")


def test_a_page_of_a_picture_is_kept_before_a_smaller_file(tmp_path, tiny, photo):
    photo(1).resize((150, 100)).save(tmp_path / "small.png")
    photo(1).save(tmp_path / "pages.tiff", save_all=True, append_images=[photo(2)])
    with Index(tmp_path / "paged", spaces=[tiny.make_space()]) as index:
        index.add([tmp_path / "small.png", tmp_path / "pages.tiff"])
        (group,) = index.duplicates(modalities={"image"})
        assert (group.best.source, group.best.page) == (str(tmp_path / "pages.tiff"), 1)


def test_a_whole_file_is_kept_before_one_inside_an_archive(tmp_path, tiny, photo):
    photo(1).save(tmp_path / "small.png", compress_level=9)
    photo(1).save(tmp_path / "large.png", compress_level=0)
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w") as archive:
        archive.write(tmp_path / "large.png", "dog.png")
    with Index(tmp_path / "bundled", spaces=[tiny.make_space()]) as index:
        index.add([tmp_path / "bundle.zip", tmp_path / "small.png"])
        (group,) = index.duplicates()
        assert group.best.source == str(tmp_path / "small.png")


def test_a_file_that_is_gone_is_named_and_compared_by_its_hash(copied, copies):
    for name in ("dog-cropped.jpg", "other.jpg"):
        (copies / name).unlink()
    found = copied.duplicates(modalities={"image"})
    assert grouped(found) == {"other-again.jpg": ["other.jpg"]}
    assert str(copies / "dog-cropped.jpg") in found.unread


def test_copies_are_found_by_their_vectors_where_there_are_many(tmp_path, tiny, copies, monkeypatch):
    monkeypatch.setattr("senseweave.explore.duplicates.finding.COMPARED", dict.fromkeys(sw.media.MODALITIES, 0))
    with Index(tmp_path / "many", spaces=[tiny.make_space()]) as index:
        index.add(copies)
        index.add([sw.Text(" ".join(f"word{number}{letter}" for letter in "abcdefgh")) for number in range(20)])
        assert grouped(index.duplicates(modalities={"text"})) == {"trains.txt": ["trains-old.txt"]}


def encoded_video(source, target, width):
    """Write the pictures of a video again, smaller and without its sound."""
    import av

    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream("mpeg4", rate=round(old.streams.video[0].average_rate))
        frames = [frame.to_image() for frame in old.decode(video=0)]
        stream.width, stream.height = width, 2 * round(frames[0].height * width / frames[0].width / 2)
        for image in frames:
            frame = av.VideoFrame.from_image(image.resize((stream.width, stream.height)))
            for packet in stream.encode(frame):
                new.mux(packet)
        for packet in stream.encode():
            new.mux(packet)


def test_a_video_is_the_same_smaller_and_without_its_sound(tmp_path, corpus):
    first, second = (corpus / "video" / f"video-0{number}.mp4" for number in (1, 2))
    encoded_video(first, tmp_path / "smaller.mp4", 160)

    def item(path):
        record = IndexRecord(path.name, "made", "", Provenance(modality="video", source=str(path)))
        return Item("video", str(path), None, None, [record])

    comparison = Comparison()
    assert comparison.score(item(first), item(tmp_path / "smaller.mp4")) > 0.6
    assert comparison.score(item(first), item(second)) < 0.5
    assert comparison.unread == {}


def test_fused_media_are_compared_by_their_hash_alone(tmp_path, tiny, copies):
    with Index(tmp_path / "fused", spaces=[tiny.make_space()]) as index:
        for name in ("dog.png", "dog-cropped.jpg"):
            index.add(sw.fuse({"photo": sw.Image(copies / name), "words": sw.Text("a dog")}))
        found = index.duplicates()
    assert len(found) == 0
    assert all("fused" in reason for reason in found.unread.values())
