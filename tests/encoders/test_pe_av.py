"""Perception Encoder Audiovisual: one space of text, sound and video, with a head of texts for each of the others."""

import json
from pathlib import Path

import numpy as np
import pytest
from films import moving_square
from films import write as write_film
from sounds import tone
from tiny_pe_av import HOP, RATE, load, maker

import senseweave as sw

SOUND = (tone(0.5, 1, RATE), RATE)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pe-av")
    return maker("PeAudioVideo")(folder)


def test_a_folder_is_known_by_its_files(both, tmp_path):
    assert sw.load(both, device="cpu").modalities == ("text", "audio", "video")
    for kind, modalities in {"PeAudio": ("text", "audio"), "PeVideo": ("text", "video")}.items():
        (tmp_path / kind).mkdir()
        space = sw.load(maker(kind)(tmp_path / kind), device="cpu")
        assert space.modalities == modalities
        assert np.isfinite(space.embed_text(["a dog"])).all()


def test_texts_have_a_vector_for_what_they_are_compared_with(both):
    seen, heard = (sw.load(both, device="cpu", text_partner=partner) for partner in ("video", "audio"))
    assert seen.fingerprint == sw.load(both, device="cpu").fingerprint != heard.fingerprint
    texts = ["a dog", "rain on a roof"]
    assert np.abs(seen.embed_text(texts) - heard.embed_text(texts)).max() > 0.1
    np.testing.assert_allclose(seen.embed_audio([SOUND]), heard.embed_audio([SOUND]), atol=1e-6)


def test_dot_products_of_vectors_that_keep_their_lengths_are_those_of_the_model(both):
    import torch
    import transformers

    space = sw.load(both, device="cpu", text_partner="audio", normalize=False)
    model = load("PeAudioVideo", Path(both))
    tokenizer = transformers.AutoTokenizer.from_pretrained(both)
    given = tokenizer(["a dog"], return_tensors="pt", return_token_type_ids=False)
    samples = np.pad(SOUND[0], (0, -len(SOUND[0]) % HOP), "reflect")
    with torch.inference_mode():
        found = model(**given, input_values=torch.from_numpy(samples)[None, None]).logits_audio_text[0, 0]
    product = space.embed_audio([SOUND])[0] @ space.embed_text(["a dog"])[0]
    scale, bias = (getattr(model.audio_model, f"text_audio_logit_{name}").item() for name in ("scale", "bias"))
    assert product * scale + bias == pytest.approx(float(found), abs=1e-4)
    assert space.encoder("text").logit_scale is None


def test_frames_are_those_asked_for_or_those_of_the_checkpoint(both, tmp_path):
    import shutil

    assert sw.load(both, device="cpu").encoder("video").decode_options == {"frames": 16}
    assert sw.load(both, device="cpu", frames=5).encoder("video").decode_options == {"frames": 5}
    copied = shutil.copytree(both, tmp_path / "copied")
    settings = json.loads((copied / "processor_config.json").read_text())
    settings["video_processor"]["num_frames"] = 6
    (copied / "processor_config.json").write_text(json.dumps(settings))
    assert sw.load(str(copied), device="cpu").encoder("video").decode_options == {"frames": 6}


def test_nothing_is_printed(both, tmp_path, capsys):
    film = write_film(tmp_path / "film.mp4", moving_square(0.6, 1))
    sw.load(both, device="cpu", frames=3).embed_video([film])
    assert capsys.readouterr().out == ""


def test_what_is_not_there_is_named(both, tmp_path):
    (tmp_path / "heard").mkdir()
    heard = maker("PeAudio")(tmp_path / "heard")
    with pytest.raises(ValueError, match=r"text_partner must be one of audio for .*, not 'video'"):
        sw.load(heard, text_partner="video")
    settings = tmp_path / "heard" / "config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "architectures": ["PeAudioFrameLevelModel"]}))
    with pytest.raises(sw.ModelError, match="gives a vector for each frame of sound"):
        sw.load(heard, device="cpu")
