"""What is peculiar to audio models: no chance, no padding in the mean, the shortest clips, whole encoders."""

import json

import numpy as np
import pytest

import senseweave as sw
from senseweave.encoders.families.clap import filled
from senseweave.encoders.families.speech import receptive_field
from senseweave.encoders.runtime import networks
from senseweave.errors import ModelError, WeightsError


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Make a tiny model, once each."""
    import tiny_audio
    import tiny_clap

    made = {}

    def folder(name, make):
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            make(made[name])
        return made[name]

    return {
        "wavlm": folder("wavlm", tiny_audio.maker("WavLM", num_buckets=16, max_bucket_distance=40)),
        "sew": folder("sew", tiny_audio.maker("SEW", squeeze_factor=2)),
        "sew_d": folder(
            "sew_d", tiny_audio.maker("SEWD", squeeze_factor=2, max_position_embeddings=64, position_buckets=16)
        ),
        "whisper": folder("whisper", tiny_audio.make_whisper),
        "fused": folder("fused", tiny_clap.clap_maker(fused=True)),
        "ast": folder("ast", tiny_audio.make_ast),
        "xvector": folder("xvector", tiny_audio.make_xvector("WavLM")),
    }


def tone(seconds, seed=0):
    from sounds import tone

    return tone(seconds, seed), 16_000


def test_a_long_sound_has_one_vector_whatever_the_state_of_the_random_generator(model):
    space = sw.load(str(model["fused"]), device="cpu", cache_size=0)
    vectors = []
    for seed in (1, 2):
        np.random.seed(seed)  # what transformers' feature extractor crops by
        state = np.random.get_state()[1].copy()
        vectors.append(space.embed_audio([tone(23.0)]))
        np.testing.assert_array_equal(np.random.get_state()[1], state)
    np.testing.assert_array_equal(*vectors)


def test_neighbours_do_not_change_a_clip_of_fused_clap(model):
    space = sw.load(str(model["fused"]), device="cpu", cache_size=0)
    alone = space.embed_audio([tone(3.0)])[0]
    beside = space.embed_audio([tone(3.0), tone(12.0, 1), tone(1.0, 2)])[0]
    np.testing.assert_allclose(beside, alone, atol=1e-5)


def test_short_sound_is_repeated_and_then_padded():
    sound = np.array([1, 2, 3], np.float32)
    assert filled(sound, 8, "repeatpad").tolist() == [1, 2, 3, 1, 2, 3, 0, 0]
    assert filled(sound, 8, "repeat").tolist() == [1, 2, 3, 1, 2, 3, 1, 2]
    assert filled(sound, 8, "pad").tolist() == [1, 2, 3, 0, 0, 0, 0, 0]
    assert filled(np.arange(9), 8, "repeatpad").tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


def test_the_true_frames_of_a_whisper_window_are_those_that_its_extractor_marks(model):
    from transformers import WhisperFeatureExtractor

    space = sw.load(str(model["whisper"]), device="cpu", cache_size=0)
    encoder = space.encoder("audio")
    samples, _ = tone(0.5)
    assert encoder.frames(len(samples)) == 25
    extractor = WhisperFeatureExtractor.from_pretrained(model["whisper"])
    mask = extractor(samples, sampling_rate=16_000, return_attention_mask=True)["attention_mask"]
    assert int(mask.sum()) == 50


@pytest.mark.parametrize("name", ["wavlm", "whisper", "ast", "fused"])
@pytest.mark.parametrize("samples", [1, 100, 399])
def test_sound_shorter_than_one_frame_has_a_vector(model, name, samples):
    space = sw.load(str(model[name]), device="cpu")
    assert np.isfinite(space.embed_audio([(np.full(samples, 0.5, np.float32), 16_000)])).all()


def test_the_receptive_field_of_wav2vec2_is_25_milliseconds():
    assert receptive_field((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)) == 400


@pytest.mark.parametrize("name", ["wavlm", "whisper"])
def test_a_layer_that_a_model_lacks_is_an_error_that_names_those_it_has(model, name):
    with pytest.raises(ValueError, match="has layers 0 to 2, not 7"):
        sw.load(str(model[name]), layers=(7,), device="cpu").embed_audio([tone(0.5)])


@pytest.mark.parametrize("name", ["sew", "sew_d"])
@pytest.mark.parametrize("samples", [1, 100, 500])
def test_sound_shorter_than_what_sew_averages_into_a_frame_is_padded_to_it(model, name, samples):
    space = sw.load(str(model[name]), device="cpu", cache_size=0)
    vectors = space.embed_audio([(tone(0.5)[0][:samples], 16_000), tone(0.5)])
    assert np.isfinite(vectors).all()


def test_whisper_reads_its_own_window_and_no_other(model):
    with pytest.raises(ValueError, match="windows of 2 s"):
        sw.load(str(model["whisper"]), window_seconds=10.0)


def whisper_of_length(folder, samples, layer):
    """Whisper of transformers whose window is as long as the sound: mean over all frames."""
    import torch
    from transformers import WhisperFeatureExtractor, WhisperModel

    frames = -(-len(samples) // 320)
    padded = np.pad(samples, (0, 320 * frames - len(samples)))
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    features = extractor(padded, sampling_rate=16_000, padding=False, return_tensors="pt").input_features
    encoder = WhisperModel.from_pretrained(folder).encoder.eval()
    encoder.config.max_source_positions = frames
    encoder.embed_positions = torch.nn.Embedding.from_pretrained(encoder.embed_positions.weight[:frames])
    with torch.no_grad():
        output = encoder(features, output_hidden_states=True)
    states = output.last_hidden_state if layer == -1 else output.hidden_states[layer]
    mean = states[0].mean(dim=0).numpy()
    return mean / np.linalg.norm(mean)


@pytest.mark.parametrize("layer", [-1, 0, 1])
@pytest.mark.parametrize("samples", [1, 200, 8_000, 8_001, 32_000])
def test_whisper_without_padding_is_whisper_with_a_window_of_that_length(model, samples, layer):
    space = sw.load(str(model["whisper"]), device="cpu", cache_size=0, padding="none", layers=(layer,))
    sound = tone(2.0, 3)[0][:samples]
    expected = whisper_of_length(model["whisper"], sound, layer)
    np.testing.assert_allclose(space.embed_audio([(sound, 16_000)])[0], expected, atol=1e-5)


def test_whisper_without_padding_computes_no_more_than_the_sound(model):
    space = sw.load(str(model["whisper"]), device="cpu", cache_size=0, padding="none")
    clips = [tone(seconds, number) for number, seconds in enumerate((0.5, 1.5, 0.5, 1.0))]
    space.embed_audio(clips[:1])
    shapes = []
    hook = (
        space.encoder("audio")
        .backbone()
        .conv1.register_forward_hook(lambda _, given, __: shapes.append(given[0].shape))
    )
    together = space.embed_audio(clips)
    hook.remove()
    assert sorted((shape[0], shape[2]) for shape in shapes) == [(1, 100), (1, 150), (2, 50)]
    np.testing.assert_allclose(together, [space.embed_audio([clip])[0] for clip in clips], atol=1e-5)


def test_padding_of_whisper_is_in_its_fingerprint(model):
    exact, none = (sw.load(str(model["whisper"]), padding=padding) for padding in ("exact", "none"))
    assert exact.fingerprint == sw.load(str(model["whisper"])).fingerprint != none.fingerprint
    clip = tone(0.5)
    assert not np.allclose(exact.embed_audio([clip]), none.embed_audio([clip]), atol=1e-3)


def test_padding_is_refused_for_a_model_that_has_none(model):
    with pytest.raises(ValueError, match=r"padding='none' is for Whisper; .*wavlm.* is never padded"):
        sw.load(str(model["wavlm"]), padding="none")
    with pytest.raises(ValueError, match=r"padding.*exact.*none"):
        sw.load(str(model["whisper"]), padding="short")


def test_windows_of_equal_length_share_a_batch_of_a_model_on_waveforms(model):
    space = sw.load(str(model["wavlm"]), device="cpu", cache_size=0)
    clips = [tone(seconds, number) for number, seconds in enumerate((0.5, 2.0, 0.5, 1.0, 2.0, 0.5))]
    space.embed_audio(clips[:1])
    shapes = []
    backbone = space.encoder("audio").backbone()
    hook = backbone.register_forward_pre_hook(lambda _, given: shapes.append(tuple(given[0].shape)))
    together = space.embed_audio(clips)
    hook.remove()
    assert sorted(shapes) == [(1, 16_000), (2, 32_000), (3, 8_000)]
    np.testing.assert_allclose(together, [space.embed_audio([clip])[0] for clip in clips], atol=1e-5)


def test_whisper_needs_its_encoder_but_not_its_decoder(model, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    folder = tmp_path / "encoder"
    shutil.copytree(model["whisper"], folder)
    tensors = load_file(folder / "model.safetensors")
    without_decoder = {name: one for name, one in tensors.items() if ".decoder." not in name and "proj_out" not in name}
    save_file(without_decoder, folder / "model.safetensors", {"format": "pt"})
    assert sw.load(str(folder), device="cpu").embed_audio([tone(0.5)]).shape == (1, 16)

    renamed = {name.replace("encoder.", "audio_tower."): one for name, one in without_decoder.items()}
    other = tmp_path / "renamed"
    shutil.copytree(folder, other)
    save_file(renamed, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match=r"encoder\.conv1"):
        sw.load(str(other), device="cpu").embed_audio([tone(0.5)])


def test_a_folder_without_a_feature_extractor_is_explained(model, tmp_path):
    import shutil

    folder = tmp_path / "bare"
    shutil.copytree(model["wavlm"], folder)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match="does not say how sound must be prepared"):
        sw.load(str(folder), device="cpu").embed_audio([tone(0.5)])


def test_a_video_model_is_not_taken_for_an_image_model(tmp_path):
    import tiny_video

    make = tiny_video.maker("VideoMAE", "VideoMAEModel", "VideoMAEImageProcessorPil", **tiny_video.PATCHES)
    make(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "videomae"
    assert sw.load(str(tmp_path), device="cpu").modalities == ("video",)


@pytest.mark.parametrize("name", ["wavlm", "sew", "whisper", "fused", "xvector"])
def test_linear_layers_that_compute_faster_give_the_same_vectors(model, monkeypatch, name):
    clips = [tone(1.5), tone(0.7, 1)]
    plain = sw.load(str(model[name]), device="cpu", cache_size=0).embed_audio(clips)
    monkeypatch.setattr(networks, "FEWEST_PRODUCTS", 0)
    monkeypatch.setattr(networks, "_found", {})
    monkeypatch.setattr(networks, "_is_faster_prepacked", lambda *given: True)
    space = sw.load(str(model[name]), device="cpu", cache_size=1)  # another space than before
    np.testing.assert_allclose(space.embed_audio(clips), plain, atol=1e-5)
    part = "audio" if name == "fused" else ""
    assert networks.ways_chosen(space.encoders["audio"].backbone(), part) == ("prepacked",)
