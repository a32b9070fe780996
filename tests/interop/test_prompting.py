"""The parts of a prompt: documents in rank order, within limits, each behind a label that names no folder."""

import io
import wave
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PILImage

from senseweave import Audio, Image, MediaError, Text, Video
from senseweave.interop import PromptDocument, PromptFile, PromptLimits, Provenance
from senseweave.interop import prompt_parts as marked_parts
from senseweave.interop.prompting import prompt_label

SAMPLES = Path(__file__).parents[2] / "examples" / "data"
CLIP = SAMPLES / "video" / "video-01.mp4"


prompt_parts = partial(marked_parts, mark_data=False)


def document(media, text="", source=None):
    provenance = Provenance(media.modality, source or media.source, media.span, media.page)
    return PromptDocument(text, provenance, lambda: media)


def kinds(parts):
    return [part.modality if isinstance(part, PromptFile) else "text" for part in parts]


@pytest.fixture
def picture():
    return Image(PILImage.new("RGB", (800, 400), "red"))


@pytest.fixture
def sound():
    return Audio((np.zeros(48_000, dtype=np.float32), 16_000))


def test_documents_come_in_rank_order_and_the_question_last(picture, sound):
    documents = [document(sound, "a tone", "/home/x/tone.mp3"), document(Text("Dogs."), "Dogs.", "diary.txt")]
    parts = list(prompt_parts([*documents, document(picture, source="photo.png")], question="Who?"))
    assert kinds(parts) == ["text", "audio", "text", "text", "image", "text"]
    texts = [part.text for part in parts if not isinstance(part, PromptFile)]
    assert texts[:2] == ["[1] audio, tone.mp3: a tone", "[2] text, diary.txt: Dogs."]
    assert texts[2:] == ["[3] image, photo.png:", "Question: Who?"]
    assert (parts[1].name, parts[4].name) == ("tone.wav", "photo.png")


def test_images_and_frames_share_a_limit_and_are_scaled_down(picture):
    limits = PromptLimits(images=3, pixels=5000, frames=2, image_format="png")
    parts = list(prompt_parts([document(picture), document(Video(CLIP)), document(picture)], limits=limits))
    assert kinds(parts) == ["text", "image", "text", "image", "image", "text"]
    for part in parts:
        if isinstance(part, PromptFile):
            width, height = PILImage.open(io.BytesIO(part.file.data)).size
            assert width * height <= 5000
            assert part.file.mime_type == "image/png"
    assert kinds(prompt_parts([document(Video(CLIP))], limits=PromptLimits(images=1))) == ["text", "image"]


def test_seconds_of_sound_are_a_limit_of_all_documents(sound):
    parts = list(prompt_parts([document(sound)] * 3, limits=PromptLimits(seconds=4.5)))
    assert kinds(parts) == ["text", "audio", "text", "audio", "text"]
    with wave.open(io.BytesIO(parts[3].file.data)) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(1.5, abs=0.01)


def test_a_video_is_a_file_where_it_is_small_enough():
    (_, whole) = prompt_parts([document(Video(CLIP))], limits=PromptLimits(video_as="file"))
    assert (whole.modality, whole.name, whole.file.mime_type) == ("video", CLIP.name, "video/mp4")
    assert whole.file.data == CLIP.read_bytes()
    limits = PromptLimits(video_as="file", file_bytes=CLIP.stat().st_size - 1, frames=2)
    assert kinds(prompt_parts([document(Video(CLIP))], limits=limits)) == ["text", "image", "image"]


def test_characters_and_documents_are_limited():
    documents = [document(Text("abcdef"), "abcdef", "a.txt")] * 3
    parts = list(prompt_parts(documents, limits=PromptLimits(documents=2, characters=3)))
    assert [part.text for part in parts] == ["[1] text, a.txt: abc", "[2] text, a.txt: abc"]


def test_what_a_model_does_not_take_is_neither_shown_nor_read(picture):
    def broken():
        raise AssertionError

    unread = PromptDocument("a tone", Provenance("audio", "tone.wav", (1.0, 2.5)), broken)
    (label,) = prompt_parts([unread], modalities=["text", "image"])
    assert label.text == "[1] audio, tone.wav, 0:01 to 0:02.5: a tone"
    assert kinds(prompt_parts([document(picture)], modalities=[])) == ["text"]


def test_media_that_cannot_be_read_are_an_error_or_their_text(tmp_path):
    gone = PromptDocument("a dog", Provenance("image", "gone.jpg"), partial(Image, tmp_path / "gone.jpg"))
    with pytest.raises(MediaError, match=r"gone\.jpg"):
        list(prompt_parts([gone]))
    with pytest.warns(UserWarning, match="document 1 is shown as text alone"):
        (label,) = prompt_parts([gone], on_error="skip")
    assert label.text == "[1] image, gone.jpg: a dog"
    warnings = []
    list(prompt_parts([gone], on_error="skip", warn=warnings.append))
    assert len(warnings) == 1


def test_the_media_decide_what_a_document_is_that_does_not_say_it(picture):
    parts = list(prompt_parts([PromptDocument("", Provenance(), lambda: picture, "Document 1a2b")]))
    assert kinds(parts) == ["text", "image"]
    assert parts[0].text == "[1] image, Document 1a2b:"


@pytest.mark.parametrize(
    ("provenance", "label"),
    [
        (Provenance("text", "/a/b/c.pdf", page=3), "[7] text, c.pdf, page 3:"),
        (Provenance("video", "x.mp4", (3599.96, 3725.5)), "[7] video, x.mp4, 1:00:00 to 1:02:05.5:"),
        (Provenance("image", "https://example.com/a/b.png?key=secret"), "[7] image, b.png:"),
        (Provenance("image", "https://example.com/?key=secret"), "[7] image, example.com:"),
        (Provenance("image", "C:\\Users\\ann\\b.png"), "[7] image, b.png:"),
        (Provenance("audio"), "[7] audio, unknown:"),
    ],
)
def test_a_label_says_modality_name_and_place(provenance, label):
    assert prompt_label(7, provenance, otherwise="unknown") == label


def test_whole_paths_are_shown_where_asked_for():
    documents = [document(Text("Dogs."), "Dogs.", "/home/ann/diary.txt")]
    assert "/home" not in "".join(part.text for part in marked_parts(documents))
    assert "[1] text, /home/ann/diary.txt: Dogs." in marked_parts(documents, full_paths=True)[1].text


@pytest.mark.parametrize("wrong", [{"image_format": "bmp"}, {"video_as": "gif"}])
def test_limits_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=f"not '{next(iter(wrong.values()))}'"):
        PromptLimits(**wrong)
