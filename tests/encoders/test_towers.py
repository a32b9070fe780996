"""What is peculiar to models with two towers: one model in memory, padding, scales, odd shapes, half precision."""

import json
import subprocess
import sys

import numpy as np
import pytest

import senseweave as sw
from senseweave.encoders.parts import backbone
from senseweave.encoders.runtime import networks
from senseweave.errors import ModelError


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    from tiny_image_text import make_clip

    return make_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def siglip(tmp_path_factory):
    from tiny_image_text import make_siglip

    return make_siglip(tmp_path_factory.mktemp("siglip"))


def random_image(width, height):
    return np.random.default_rng(width + height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_both_towers_share_one_model(clip):
    space = sw.load(clip, device="cpu")
    assert space.encoder("text").backbone() is space.encoder("image").backbone()
    assert space.modalities == ("text", "image")


def test_a_text_model_of_the_same_space_takes_the_place_of_the_text_tower(clip, tmp_path):
    from tiny_sentence import save_sentence_model

    (tmp_path / "text").mkdir()
    texts = save_sentence_model(tmp_path / "text", dense=12, normalize=False)
    both, alone = sw.load(clip, text=texts, device="cpu", cache_size=0), sw.load(texts, device="cpu")
    assert both.modalities == ("text", "image")
    np.testing.assert_allclose(both.embed_text(["a dog"]), alone.embed_text(["a dog"]), atol=1e-6)
    picture = random_image(40, 40)
    np.testing.assert_allclose(
        both.embed_image([picture]), sw.load(clip, device="cpu").embed_image([picture]), atol=1e-6
    )
    assert both.fingerprint != sw.load(clip, device="cpu").fingerprint


def test_a_text_model_of_the_same_space_is_compared_at_the_scale_of_the_images_model(clip, tmp_path):
    from tiny_sentence import save_sentence_model

    (tmp_path / "text").mkdir()
    texts = save_sentence_model(tmp_path / "text", dense=12, normalize=False)
    space, alone = sw.load(clip, text=texts, device="cpu"), sw.load(clip, device="cpu")
    scale = alone.encoder("text").logit_scale
    assert space.encoder("text").logit_scale == scale
    labels, picture = ["a dog", "a cat"], random_image(40, 40)
    found, expected = (
        sw.classify(space, [picture], labels, modality="image", **given)[0].scores for given in ({}, {"scale": scale})
    )
    assert found == pytest.approx(expected)
    assert found != pytest.approx(sw.classify(space, [picture], labels, modality="image", scale=20.0)[0].scores)


def test_a_text_model_of_another_length_is_refused(clip, tmp_path):
    from tiny_sentence import save_sentence_model

    (tmp_path / "text").mkdir()
    with pytest.raises(ModelError, match=r"has 32 dimensions, and .* 12: two spaces"):
        sw.load(clip, text=save_sentence_model(tmp_path / "text"), device="cpu")


def test_logit_scale_is_that_of_the_model(clip, siglip):
    from transformers import CLIPModel, SiglipModel

    scale = CLIPModel.from_pretrained(clip).logit_scale.exp().item()
    assert sw.load(clip, device="cpu").encoder("text").logit_scale == pytest.approx(scale)
    assert sw.load(clip, device="cpu").encoder("text").logit_bias is None
    model = SiglipModel.from_pretrained(siglip)
    text = sw.load(siglip, device="cpu").encoder("text")
    assert text.logit_scale == pytest.approx(model.logit_scale.exp().item())
    assert text.logit_bias == pytest.approx(model.logit_bias.item())


def test_zero_shot_scores_are_those_of_the_model_itself(clip, siglip):
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    from senseweave.evaluation import classify

    picture = Image.fromarray(random_image(40, 40))
    labels = ["dog", "the sea", "rain"]
    for folder, padding in ((clip, True), (siglip, "max_length")):
        model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
        pixels = AutoImageProcessor.from_pretrained(folder, backend="pil")(
            images=picture, return_tensors="pt"
        ).pixel_values
        texts = [f"a photo of a {label}." for label in labels]
        inputs = tokenizer(texts, padding=padding, return_tensors="pt")
        mask = {} if folder == siglip else {"attention_mask": inputs.attention_mask}
        with torch.inference_mode():
            logits = model(input_ids=inputs.input_ids, pixel_values=pixels, **mask).logits_per_image[0]
        expected = (logits.sigmoid() if folder == siglip else logits.softmax(dim=0)).numpy()
        (found,) = classify(sw.load(folder, device="cpu"), [sw.Image(picture)], labels)
        np.testing.assert_allclose([found.scores[label] for label in labels], expected, rtol=2e-3, atol=1e-5)


def test_siglip_has_no_length_to_choose(siglip):
    with pytest.raises(TypeError, match="has no option max_length"):
        sw.load(siglip, max_length=16)


def test_more_tokens_than_the_tower_can_take_are_refused(clip):
    with pytest.raises(ValueError, match="at most 64 tokens"):
        sw.load(clip, device="cpu", max_length=1000).embed_text(["a dog"])


@pytest.mark.parametrize("size", [(1, 1), (3, 64), (64, 3), (1, 50), (300, 2)])
def test_images_of_any_shape_have_a_vector(clip, size):
    assert np.isfinite(sw.load(clip, device="cpu").embed_image([random_image(*size)])).all()


def test_an_image_three_pixels_high_is_not_taken_for_three_channels(clip):
    from PIL import Image
    from transformers import AutoImageProcessor

    wide = Image.fromarray(random_image(64, 3))
    (prepared,) = sw.load(clip, device="cpu").encoder("image").prepare([wide], "document")
    processor = AutoImageProcessor.from_pretrained(clip, backend="pil")
    expected = processor(images=wide, input_data_format="channels_last", return_tensors="np")["pixel_values"][0]
    np.testing.assert_array_equal(prepared.data["pixel_values"], expected)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_stays_close_and_comes_back_as_float32(clip, dtype):
    full, half = sw.load(clip, device="cpu"), sw.load(clip, device="cpu", dtype=dtype)
    texts, images = ["a dog", "rain on the roof"], [random_image(40, 30), random_image(30, 40)]
    for one, other in (
        (full.embed_text(texts), half.embed_text(texts)),
        (full.embed_image(images), half.embed_image(images)),
    ):
        assert other.dtype == np.float32
        assert (one * other).sum(axis=1).min() > 0.999
    assert full.fingerprint != half.fingerprint


def test_a_checkpoint_of_another_family_is_named(clip, siglip):
    with pytest.raises(ModelError, match="'siglip' model; the family 'clip' loads"):
        sw.load(f"clip:{siglip}")
    with pytest.raises(ModelError, match="'clip' model; expected an image encoder"):
        sw.load(f"image:{clip}")


def test_a_caption_model_is_no_blip_for_retrieval(tmp_path):
    from tiny_image_text import make_blip

    make_blip(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["model_type"] = "git"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="'git' model; the family 'blip' loads"):
        sw.load(f"blip:{tmp_path}")


def test_open_clip_names_what_it_lacks(tmp_path):
    with pytest.raises(ModelError, match="has the tags"):
        sw.load("open_clip:ViT-B-32/no_such_tag")
    with pytest.raises(ModelError, match="no architecture 'ViT-Z-1'"):
        sw.load("open_clip:ViT-Z-1//weights.pt")
    with pytest.raises(ModelError, match="no file"):
        sw.load("open_clip:ViT-B-32//nowhere/weights.pt")
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=r"no open_clip_config\.json"):
        sw.load(f"open_clip:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "lacking"),
    [
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", "the weights of ViT-B-32/laion2b_s34b_b79k"),
        ("open_clip:ViT-B-16-SigLIP/webli", "the files of the tokenizer of ViT-B-16-SigLIP/webli"),
    ],
)
def test_open_clip_without_a_hub_says_what_to_do(name, lacking):
    with pytest.raises(ModelError, match=f"^{lacking} are not in the local cache, and no model hub can be reached; "):
        sw.load(name).embed_text(["a cat"])


def test_timm_names_what_it_lacks(tmp_path):
    with pytest.raises(ModelError, match="no file"):
        sw.load("timm:resnet18//nowhere/weights.pt")
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ModelError):
        sw.load(f"timm:no_such_model//{tmp_path / 'weights.safetensors'}", device="cpu").embed_image(
            [random_image(9, 9)]
        )


def test_images_and_texts_have_the_same_vectors_where_torchvision_and_torchaudio_are_broken(clip, tmp_path):
    for name in ("torchvision", "torchaudio"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    picture = random_image(90, 70)
    np.save(tmp_path / "picture.npy", picture)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import numpy as np, senseweave as sw\n"
        "space = sw.load(sys.argv[2], device='cpu')\n"
        "picture = np.load(sys.argv[1] + '/picture.npy')\n"
        "found = [space.embed_image([picture])[0], space.embed_text(['dog'])[0]]\n"
        "np.save(sys.argv[1] + '/found.npy', np.stack(found))\n"
        "try:\n"
        "    sw.load('torchvision:s3d//' + sys.argv[1] + '/picture.npy').embed_video([[picture] * 2])\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path), clip]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "needs torchvision, which is installed but does not import" in done.stdout
    assert 'pip install "senseweave[video-models]"' in done.stdout
    space = sw.load(clip, device="cpu")
    expected = np.stack([space.embed_image([picture])[0], space.embed_text(["dog"])[0]])
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, atol=1e-6)


@pytest.mark.parametrize("modality", ["text", "image"])
def test_a_space_says_how_each_tower_computes(clip, modality):
    described = sw.load(clip, device="cpu", cache_size=3).info()["backends"][modality]
    assert described["backend"] == "torch"
    assert set(described["network"]) <= {"prepacked"}
    assert json.loads(json.dumps(described)) == described


def test_both_towers_of_one_model_compute_their_linear_layers_faster(clip, monkeypatch):
    plain = sw.load(clip, device="cpu", cache_size=0)
    pictures, texts = [random_image(40, 30)], ["a dog", "rain on the window of a train"]
    expected = plain.embed_image(pictures), plain.embed_text(texts)
    monkeypatch.setattr(networks, "FEWEST_PRODUCTS", 0)
    monkeypatch.setattr(networks, "_found", {})
    monkeypatch.setattr(networks, "_is_faster_prepacked", lambda *given: True)
    space = sw.load(clip, device="cpu", cache_size=1)  # another space than before
    found = space.embed_image(pictures), space.embed_text(texts)
    described = space.info()["backends"]
    assert [described[modality]["network"] for modality in ("text", "image")] == [["prepacked"], ["prepacked"]]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_what_a_tower_reads_goes_to_its_device_in_its_number_type(clip, monkeypatch):
    import torch

    moved = []
    monkeypatch.setattr(backbone, "to_device", lambda tensor, device: moved.append((tensor.dtype, str(device))))
    tower = sw.load(clip, device="cpu", dtype="bfloat16", cache_size=2).encoders["image"].backbone
    for dtype in (torch.float32, torch.int64):
        tower.to_device(torch.zeros(2, dtype=dtype))
    assert moved == [(torch.bfloat16, "cpu"), (torch.int64, "cpu")], "half the bytes, from pinned memory on a GPU"
