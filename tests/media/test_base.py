"""Identity, laziness and provenance of media."""

import base64
import hashlib
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest

from senseweave.errors import MediaError
from senseweave.media import Audio, Image, MediaPolicy, Text, Video


def test_importing_the_layer_loads_no_library_that_decodes():
    heavy = {"torch", "av", "soundfile", "soxr", "PIL", "httpx", "fsspec", "pypdfium2", "langchain_core", "onnxruntime"}
    code = f"import senseweave.media, sys; print(sorted({heavy!r} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", [Image, Audio, Video, Text.open])
def test_nothing_is_read_before_it_is_needed(kind):
    media = kind("/no/such/file")
    assert "/no/such/file" in repr(media)
    assert media.source == "/no/such/file"
    with pytest.raises(MediaError, match="no such file"):
        media.decode()
    with pytest.raises(MediaError, match="no such file"):
        _ = media.sha256


@pytest.mark.parametrize(
    "text", ["The dog sleeps all day.", "tomatoes need water", "Is it and/or?", "The dog sleeps all day. " * 40]
)
def test_a_sentence_in_place_of_a_path_is_pointed_to_text(text):
    with pytest.raises(MediaError, match=r"if it is the text itself, pass senseweave\.Text\(\.\.\.\)"):
        Text.open(text).decode()


@pytest.mark.parametrize(
    "path", ["dog.jpg", "my holiday photo.jpg", "/my files/photos of dogs", "dog", r"C:\My Files\a b"]
)
def test_a_path_that_leads_nowhere_is_only_no_such_file(path):
    with pytest.raises(MediaError) as error:
        Image(path).decode()
    assert error.value.reason == "no such file"


def test_a_file_object_is_not_read_by_the_constructor():
    stream = io.BytesIO(b"abc")
    Image(stream)
    assert stream.tell() == 0


def test_provenance_comes_from_the_bytes(make, saved):
    data = make.image(make.picture())
    for media in (Image(saved("x.txt", data)), Image(data), Image(io.BytesIO(data))):
        assert media.mime_type == "image/png"
        assert media.sha256 == hashlib.sha256(data).hexdigest()
        assert media.size == len(data)
        assert media.duration is None


def test_bytes_are_labelled_by_their_hash():
    assert Image(b"abc").source == "bytes:ba7816bf8f01"
    assert Image(io.BytesIO(b"abc")).source == "stream:ba7816bf8f01"


def test_equality_is_that_of_the_part_of_the_source(make, saved):
    path = saved("a.wav", make.sound(make.tone()))
    assert Audio(path) == Audio(path)
    assert hash(Audio(path)) == hash(Audio(path))
    assert Audio(path) != Audio(path, span=(0, 0.5))
    assert Audio(path) != Video(path)
    assert Image(b"abc") == Image(io.BytesIO(b"abc"))
    assert Image(b"abc") != Image(b"abd")
    assert Image(np.zeros((4, 4, 3), np.uint8)) == Image(np.zeros((4, 4, 3), np.uint8))
    assert Image(np.zeros((4, 4, 3), np.uint8)) != Image(np.zeros((4, 4, 3), np.float32))
    assert Text("a") == Text("a")
    assert Text("a") != Text("b")
    assert len({Text("a"), Text("a"), Text("b")}) == 2


def test_comparing_reads_no_file():
    assert Image("/no/such/file") == Image("/no/such/file")
    assert Image("/no/such/file") != Image("/no/other/file")


@pytest.mark.parametrize("form", ["path", "bytes", "stream", "data uri", "array"])
def test_media_of_every_form_pickle(make, saved, form):
    picture = make.picture()
    data = make.image(picture)
    given = {
        "path": saved("a.png", data),
        "bytes": data,
        "stream": io.BytesIO(data),
        "data uri": "data:image/png;base64," + base64.b64encode(data).decode(),
        "array": picture,
    }[form]
    policy = MediaPolicy(max_pixels=10_000)
    media = Image(given, metadata={"album": "holiday"}, policy=policy)
    again = pickle.loads(pickle.dumps(media))
    assert np.array_equal(np.asarray(again.decode()), picture)
    assert (again.metadata, again.policy, again.source) == ({"album": "holiday"}, policy, media.source)


def test_a_pickled_file_holds_no_content(make, saved):
    path = saved("a.wav", make.sound(make.noise(5)))
    media = Audio(path, span=(1, 2))
    media.decode()
    assert len(pickle.dumps(media)) < 2000


def test_a_repr_is_short(make):
    assert repr(Audio("talk.mp3", span=(0, 2.5))) == "Audio('talk.mp3', span=(0, 2.5))"
    assert repr(Image("book.pdf", page=3)) == "Image('book.pdf', page=3)"
    assert repr(Text("a dog")) == "Text('a dog')"
    long = "data:image/png;base64," + "A" * 10_000
    for media in (Text("word " * 1000), Image(long), Image(make.picture()), Image(bytes(1000))):
        assert len(repr(media)) < 90


@pytest.mark.parametrize("span", [(1, 1), (2, 1), (-1, 1), (0, float("inf")), (float("nan"), 1)])
def test_an_invalid_span_is_refused(span):
    with pytest.raises(ValueError, match="span"):
        Audio("talk.mp3", span=span)


def test_a_part_inherits_what_its_arguments_leave_open(make):
    whole = Audio("talk.mp3", metadata={"speaker": "Ann"}, policy=MediaPolicy(max_bytes=7))
    part = whole.part(span=(1, 2))
    assert (part.span, part.metadata, part.policy) == ((1.0, 2.0), {"speaker": "Ann"}, whole.policy)
    assert whole.span is None


@pytest.mark.parametrize("given", [None, 3, 2.5, True, object()])
@pytest.mark.parametrize("kind", [Image, Audio, Video])
def test_an_object_of_another_type_is_an_error_that_names_the_type(kind, given):
    with pytest.raises(MediaError, match=type(given).__name__):
        kind(given).decode()


def test_media_are_not_wrapped_twice():
    with pytest.raises(MediaError, match="is already audio media"):
        Image(Audio("talk.mp3"))


def test_check_compares_the_modality_with_the_content(tmp_path):
    path = tmp_path / "words.png"
    path.write_text("only words")
    with pytest.raises(MediaError, match="is text/plain, not an image"):
        Image(path).check()
    Text.open(path).check()
    assert Image(path).read() == b"only words"


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_verify_finds_a_picture_that_was_cut_short_and_check_does_not_look_that_far(make, form):
    whole = make.image(make.picture(), form)
    Image(whole).verify()
    cut = Image(whole[: len(whole) // 2])
    cut.check()
    with pytest.raises(MediaError, match="broken"):
        cut.verify()


def test_verify_finds_sound_and_video_of_which_nothing_can_be_decoded(make):
    sound, film = make.sound(make.tone()), make.container("mp4", frames=make.frames(range(30)))
    Audio(sound).verify()
    Video(film).verify()
    for cut in (Audio(sound[:44]), Video(film[: len(film) // 3])):
        with pytest.raises(MediaError):
            cut.verify()
