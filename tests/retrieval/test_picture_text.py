"""Writing in pictures: found by its words, shown as one hit with the picture, kept and removed with it."""

import re

import numpy as np
import pytest
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

import senseweave as sw
from senseweave.media.kinds import picture_text
from senseweave.retrieval.records.writing import Writer
from senseweave.stores import Memory
from senseweave.testing import toy_space

HONEY = ["three jars of honey", "total 27 euros"]


class Engine:
    """Stands in for OCR: gives the words for which a picture's color stands, and counts the pictures."""

    def __init__(self):
        self.words = {"red": HONEY, "navy": ["closed on monday"]}
        self.read = 0
        self.complete = True

    def lines(self, image, seconds=None, least_score=None):
        self.read += 1
        colors = {PILImage.new("RGB", (1, 1), name).getpixel((0, 0)): words for name, words in self.words.items()}
        return colors.get(image.getpixel((0, 0)), []), self.complete


@pytest.fixture
def engine(monkeypatch):
    engine = Engine()
    monkeypatch.setattr(picture_text, "line_reader", lambda: engine)
    monkeypatch.setattr(picture_text, "is_installed", lambda: True)
    return engine


@pytest.fixture
def missing(monkeypatch):
    monkeypatch.setattr(picture_text, "is_installed", lambda: False)


def written(color):
    """A picture of a color that looks as if it held writing."""
    picture = PILImage.new("RGB", (400, 200), color)
    for row in (40, 90, 140):
        ImageDraw.Draw(picture).text((30, row), "mmmm mmmm mmmm mmm", fill="white", font=ImageFont.load_default(24))
    return picture


def plain(color):
    return PILImage.new("RGB", (400, 200), color)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    written("red").save(folder / "receipt.png")
    written("navy").save(folder / "door.png")
    plain("green").save(folder / "field.png")
    return folder


@pytest.fixture
def index(tmp_path):
    with sw.Index(tmp_path / "index", spaces=toy_space()) as index:
        yield index


def texts(index):
    store = index._store
    found = [record for at in store.descriptions.values() if at.modality == "text" for record in store.get(at)]
    return {(record.metadata["source"], record.text) for record in found}


def test_words_in_a_picture_are_found_and_shown_as_one_hit_with_it(engine, folder, index):
    index.add(folder)
    hits = index.search("total 27 euros", k=10)
    assert [hit.source for hit in hits].count(str(folder / "receipt.png")) == 1
    assert (hits[0].source, hits[0].text) == (str(folder / "receipt.png"), "\n".join(HONEY))
    assert len(hits) == 3
    assert hits[0].picture.decode().getpixel((0, 0)) == (255, 0, 0)
    assert hits[0].metadata["ocr"] is True
    assert {hit.source for hit in hits} == set(map(str, folder.iterdir()))
    assert engine.read == 2  # the third does not look written


def test_a_picture_with_words_is_one_hit_of_a_group_and_on_one_page(engine, folder, index):
    engine.words["red"] = [f"{number} jars of honey " * 30 for number in range(20)]
    index.add(folder)
    whole = [hit.source for hit in index.search("jars of honey", k=10)]
    assert sorted(whole) == sorted(map(str, folder.iterdir()))
    assert [hit.source for hit in index.search("jars of honey", k=10, group=True)] == whole
    pages = [hit.source for at in range(3) for hit in index.search("jars of honey", k=1, offset=at)]
    assert pages == whole


@pytest.mark.parametrize("ocr", ["auto", "on"])
def test_what_was_read_is_not_read_again(engine, folder, index, ocr):
    index.add(folder, ocr=ocr)
    read, found = engine.read, texts(index)
    report = index.add(folder, ocr=ocr, metadata={"project": "bees"})
    assert (report.added, report.replaced, engine.read) == (0, 0, read)
    assert texts(index) == found
    assert {hit.metadata["project"] for hit in index.search("honey", k=9)} == {"bees"}


def test_another_choice_reads_what_was_left_out_and_removes_what_it_does_not_want(engine, folder, index):
    engine.words["green"] = ["keep off the grass"]
    index.add(folder)
    assert len(texts(index)) == 2
    report = index.add(folder, ocr="on")
    assert (report.added, engine.read) == (1, 3)
    assert (str(folder / "field.png"), "keep off the grass") in texts(index)
    assert index.add(folder, ocr="off").replaced == 3
    assert texts(index) == set()
    index.add(folder)
    assert (len(texts(index)), engine.read) == (2, 5)


def test_an_index_of_texts_holds_the_words_of_pictures_and_fails_for_those_without(engine, folder, tmp_path):
    with sw.Index(tmp_path / "texts", spaces=toy_space(modalities=["text"])) as index:
        for _ in range(2):
            report = index.add(folder)
            assert [error.source for error in report.failed] == [str(folder / "field.png")]
            notes = ("only its words are in the index, which does not embed images",)
            assert report.partial == {str(folder / name): notes for name in ("receipt.png", "door.png")}
            assert {source for source, _ in texts(index)} == set(report.partial)
        assert index.add([folder / "receipt.png"]).failed == []
        with pytest.raises(sw.AddError, match=r"field\.png: is image, which this index does not embed"):
            index.add([folder / "field.png"])


def test_the_choice_of_an_index_holds_for_its_additions(engine, folder, tmp_path):
    with sw.Index(tmp_path / "off", spaces=toy_space(), ocr="off") as index:
        index.add(folder)
        assert (engine.read, texts(index)) == (0, set())
    with pytest.raises(ValueError, match="ocr must be 'auto', 'on' or 'off', not 'yes'"):
        sw.Index(tmp_path / "wrong", spaces=toy_space(), ocr="yes")


def test_words_follow_their_picture_when_it_changes_moves_or_goes(engine, folder, index):
    index.add(folder)
    written("navy").save(folder / "receipt.png")
    index.add(folder)
    assert texts(index) == {(str(folder / name), "closed on monday") for name in ("receipt.png", "door.png")}
    (folder / "receipt.png").rename(folder / "moved.png")
    index.add(folder, sync=True)
    assert texts(index) == {(str(folder / name), "closed on monday") for name in ("moved.png", "door.png")}
    index.delete(sources=folder / "door.png")
    assert texts(index) == {(str(folder / "moved.png"), "closed on monday")}
    (folder / "door.png").unlink()
    (folder / "moved.png").unlink()
    index.add(folder, sync=True)
    assert (texts(index), len(index)) == (set(), 1)


@pytest.mark.parametrize("of_words", [True, False])
def test_deleting_a_hit_deletes_picture_and_words(engine, folder, index, of_words):
    engine.words["red"] = [f"{number} jars of honey " * 30 for number in range(5)]
    index.add(folder)
    hits = index.search("jars of honey", k=9, modalities={"text" if of_words else "image"})
    index.delete(ids=next(hit.id for hit in hits if hit.source.endswith("receipt.png")))
    assert {hit.source for hit in index.search("honey", k=9)} == {str(folder / "door.png"), str(folder / "field.png")}
    assert len(index) == 3


def test_media_and_pages_have_their_words_too(engine, folder, index, tmp_path):
    pages = [written("red"), plain("green"), written("navy")]
    pages[0].save(tmp_path / "fax.tiff", save_all=True, append_images=pages[1:])
    index.add([tmp_path / "fax.tiff", sw.Image(folder / "door.png"), sw.Image(written("red"))])
    found = {(hit.page, hit.text) for hit in index.search("honey", k=9, modalities={"text"})}
    assert found == {
        (1, "\n".join(HONEY)), (3, "closed on monday"), (None, "closed on monday"), (None, "\n".join(HONEY)),
    }  # fmt: skip
    written("red").save(folder / "door.png")
    index.add(sw.Image(folder / "door.png"))
    assert (str(folder / "door.png"), "closed on monday") not in texts(index)


def test_pages_led_by_picture_or_words_are_one_group(engine, index, tmp_path):
    pages = [written("red"), plain("green"), written("navy")]
    pages[0].save(tmp_path / "fax.tiff", save_all=True, append_images=pages[1:])
    index.add(tmp_path / "fax.tiff")
    assert {hit.modality for hit in index.search("total 27 euros", k=9)} == {"text", "image"}
    assert [hit.source for hit in index.search("total 27 euros", k=9, group=True)] == [str(tmp_path / "fax.tiff")]


def test_a_space_without_texts_reads_no_words(engine, folder, tmp_path):
    with sw.Index(tmp_path / "index", spaces=toy_space(modalities=("image",))) as index:
        report = index.add(folder)
    assert (report.added, report.failed, engine.read) == (3, [], 0)


def test_progress_counts_pictures_once(engine, folder, index):
    seen = []
    index.add(folder, progress=lambda *counts: seen.append(counts))
    assert seen == [(done, 3) for done in (1, 2, 3)]


def test_an_add_that_was_killed_before_the_words_were_written_reads_them_again(engine, folder, index, monkeypatch):
    write = Writer.write

    def killed(self, lane):
        if lane.modality == "text":
            raise KeyboardInterrupt
        write(self, lane)

    monkeypatch.setattr(Writer, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        index.add(folder)
    monkeypatch.setattr(Writer, "write", write)
    assert texts(index) == set()
    index.add(folder)
    assert len(texts(index)) == 2


def test_what_failed_once_is_read_again_and_keeps_its_words(engine, folder, index):
    index.add(folder)
    found = texts(index)
    for record in [hit.id for hit in index.search("x", k=9, modalities={"image"})]:
        (description,) = [at for at in index._store.descriptions.values() if at.modality == "image"]
        index._store.update_metadata(description, {record: {"ocr_read": None}})
    engine.complete = False
    engine.words = {}
    report = index.add(folder)
    assert texts(index) == found
    assert all("read in part" in notes[0] for notes in report.partial.values())
    engine.complete = True
    index.add(folder)
    assert texts(index) == set()


def test_without_the_extra_one_note_says_what_is_missed_and_known_words_stay(engine, folder, index, monkeypatch):
    monkeypatch.setattr(picture_text, "is_installed", lambda: False)
    report = index.add(folder)
    (notes,) = report.partial.values()
    assert notes == ('looks as if it held writing; to read the words in pictures: pip install "senseweave[ocr]"',)
    monkeypatch.setattr(picture_text, "is_installed", lambda: True)
    index.add(folder)
    found = texts(index)
    assert len(found) == 2
    monkeypatch.setattr(picture_text, "is_installed", lambda: False)
    assert index.add(folder).replaced == 0
    assert texts(index) == found


def test_an_export_takes_the_words_along(engine, folder, index, tmp_path):
    index.add(folder)
    index.export(tmp_path / "all.jsonl")
    with sw.Index(Memory(), spaces=toy_space()) as other:
        other.import_(tmp_path / "all.jsonl")
        found = texts(other)
    assert found == texts(index)


@pytest.mark.parametrize(("least", "color"), [(1, "white"), (0, "green")])
def test_noise_and_plain_pictures_do_not_look_written(least, color):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8)
    picture = PILImage.fromarray(noise) if least else plain(color)
    assert not picture_text.looks_written(picture)
    assert picture_text.looks_written(written("red"))


def test_lines_of_single_letters_are_left_out(engine, folder, index):
    engine.words = {"red": ["X", "-- 7 --", "honey"], "navy": ["o"]}
    index.add(folder)
    assert {text for _, text in texts(index)} == {"honey"}


@pytest.mark.integration
def test_a_sign_in_a_photograph_is_read_and_pictures_without_writing_are_not(corpus, tmp_path):
    pytest.importorskip("rapidocr")
    photos = sorted((corpus / "images").glob("photo-*"))
    with PILImage.open(photos[0]) as photo:
        sign = photo.convert("RGB").resize((900, 600))
    draw = ImageDraw.Draw(sign)
    draw.rectangle((250, 200, 700, 300), fill="white")
    draw.text((270, 220), "Bakery open daily", fill="black", font=ImageFont.load_default(48))
    sign.save(tmp_path / "sign.jpg")
    with sw.Index(Memory(), spaces=toy_space()) as index:
        index.add([*photos, tmp_path / "sign.jpg"])
        (hit,) = index.search("bakery", k=50, modalities={"text"})
    assert hit.source == str(tmp_path / "sign.jpg")
    assert re.sub(r"\W", "", hit.text).lower() == "bakeryopendaily"
