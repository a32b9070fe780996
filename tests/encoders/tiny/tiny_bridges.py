"""Tiny models that bridge images and sounds into the space of a tiny text model, and their raw computation."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import films
import numpy as np
import pictures
import sounds
from pictures import livelier, one_by_one
from speech import sentences
from tiny_contextual import pooled
from tiny_starter import NO_SPEECH, make, path_and_bytes, transcript
from tiny_text import SEED, bpe_tokenizer, long_text, save_model, texts, wordpiece_tokenizer

from senseweave.testing import Case

CLASSES = ["a red barn", "the sea", "a small dog", "rain on a roof"]
SIZES = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = {**SIZES, "image_size": 32, "patch_size": 8}
ASKED = "What is this?"
FRAMES = 3
ROOM = 400
"""Positions of the text model: more than 40 written tokens such as `##tain` ever fill, each of up to nine pieces. Which
pieces there are differs from run to run, as the trainer of the tokenizer breaks ties at random."""


def write_texts(folder: Path, items: Sequence[str]) -> np.ndarray:
    """The text model's unit vectors."""
    vectors = pooled("mean")(folder / "text", items, "document")
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def roomy_tokenizer(folder: Path) -> Any:
    """With room for what a captioner writes, so that no text is read in parts."""
    tokenizer = wordpiece_tokenizer(folder)
    tokenizer.model_max_length = ROOM
    return tokenizer


def bridged(*makers: Callable[[Path], None]) -> Callable[[Path], str]:
    """A folder with a text model in `text`, and what bridges to it in `other`."""

    def make(folder: Path) -> str:
        for name in ("text", "other"):
            (folder / name).mkdir()
        save_model(folder / "text", "Bert", roomy_tokenizer, max_position_embeddings=ROOM)
        for maker in makers:
            maker(folder / "other")
        return f"bridge:{folder / 'text'}"

    return make


def image_classifier(folder: Path) -> None:
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    torch.manual_seed(SEED)
    model = ViTForImageClassification(ViTConfig(**VISION, id2label=dict(enumerate(CLASSES))))
    livelier(model, 0.3).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


def timm_classifier(folder: Path) -> None:
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(SEED)
    model = livelier(timm.create_model("test_vit", num_classes=len(CLASSES)), 0.1)
    save_file(model.state_dict(), folder / "model.safetensors")
    pretrained = {"input_size": [3, 160, 160], "num_classes": len(CLASSES), "label_names": CLASSES}
    config = {"architecture": "test_vit", "num_classes": len(CLASSES), "pretrained_cfg": pretrained}
    (folder / "config.json").write_text(json.dumps(config))


def sound_classifier(folder: Path) -> None:
    import torch
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    torch.manual_seed(0)  # of few seeds, the one whose classifier tells sounds apart best
    strides = {"patch_size": 16, "frequency_stride": 16, "time_stride": 16}
    names = dict(enumerate(CLASSES))
    config = ASTConfig(**SIZES, **strides, num_mel_bins=32, max_length=200, id2label=names)
    livelier(ASTForAudioClassification(config), 0.3).save_pretrained(folder)
    ASTFeatureExtractor(num_mel_bins=32, max_length=200).save_pretrained(folder)


def captioner(folder: Path) -> None:
    """A BLIP that writes nonsense, but always the same."""
    import torch
    from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessorPil

    torch.manual_seed(SEED)
    tokenizer = wordpiece_tokenizer(folder)
    special = {"pad_token_id": 0, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3}
    positions = {"max_position_embeddings": 64, "encoder_hidden_size": 16, "vocab_size": len(tokenizer)}
    config = BlipConfig(text_config={**SIZES, **special, **positions}, vision_config=VISION, projection_dim=12)
    livelier(BlipForConditionalGeneration(config)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    BlipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


def reader(folder: Path) -> None:
    """TrOCR's kind: a vision transformer, and a decoder of text that looks at its states."""
    import torch
    from transformers import (
        TrOCRConfig,
        VisionEncoderDecoderConfig,
        VisionEncoderDecoderModel,
        ViTConfig,
        ViTImageProcessorPil,
    )

    torch.manual_seed(0)  # of few seeds, the first whose lines tell the pictures apart
    tokenizer = wordpiece_tokenizer(folder)
    decoder = TrOCRConfig(
        vocab_size=len(tokenizer), d_model=16, decoder_layers=2, decoder_attention_heads=2, decoder_ffn_dim=24,
        max_position_embeddings=64, cross_attention_hidden_size=16, pad_token_id=0, bos_token_id=2, eos_token_id=3,
        decoder_start_token_id=2, use_learned_position_embeddings=True,
    )  # fmt: skip
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(ViTConfig(**VISION), decoder)
    config.decoder_start_token_id, config.pad_token_id = 2, 0
    livelier(VisionEncoderDecoderModel(config)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


def vision_language(folder: Path, words: Sequence[str] = ()) -> None:
    """A LLaVA: states of CLIP's image tower in the place of `<image>` in a prompt to a causal model.

    Args:
        folder: Where it is saved.
        words: Written with one token each.
    """
    import torch
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    torch.manual_seed(SEED)
    tokenizer = bpe_tokenizer(folder)
    tokenizer.add_tokens(list(words))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    image = tokenizer.convert_tokens_to_ids("<image>")
    special = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "max_position_embeddings": 128}
    text = LlamaConfig(**SIZES, **special, vocab_size=len(tokenizer), num_key_value_heads=2)
    vision = CLIPVisionConfig(**VISION, projection_dim=12)
    config = LlavaConfig(text_config=text, vision_config=vision, image_token_index=image, image_seq_length=16)
    livelier(LlavaForConditionalGeneration(config)).save_pretrained(folder)
    template = "{% for turn in messages %}{% for part in turn.content %}{% if part.type == 'image' %}<image>"
    template += "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}"
    template += "{% if add_generation_prompt %} A:{% endif %}"
    crop = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    LlavaProcessor(
        CLIPImageProcessorPil(**crop), tokenizer, patch_size=8, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=template,
    ).save_pretrained(folder)  # fmt: skip


def conse(folder: Path, logits: np.ndarray) -> np.ndarray:
    """The class names' vectors by probability, without their mean (Norouzi et al. 2013, arXiv 1312.5650, eq. 2)."""
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    names = write_texts(folder, CLASSES)
    return weights / weights.sum(axis=1, keepdims=True) @ names - names.mean(axis=0)


def labelled_images(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    from transformers import AutoImageProcessor, ViTForImageClassification

    model = ViTForImageClassification.from_pretrained(folder / "other").eval()
    processor = AutoImageProcessor.from_pretrained(folder / "other", backend="pil")
    logits = one_by_one(lambda image: model(**processor(images=image, return_tensors="pt")).logits, items)
    return conse(folder, logits)


def labelled_by_timm(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    import timm

    model = timm.create_model(f"local-dir:{folder / 'other'}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    return conse(folder, one_by_one(lambda image: model(transform(image).unsqueeze(0)), items))


def labelled_sounds(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    from transformers import ASTForAudioClassification, AutoFeatureExtractor

    model = ASTForAudioClassification.from_pretrained(folder / "other").eval()
    extractor = AutoFeatureExtractor.from_pretrained(folder / "other")

    def compute(sound: Any) -> Any:
        return model(**extractor(sound.samples, sampling_rate=sound.sampling_rate, return_tensors="pt")).logits

    return conse(folder, one_by_one(compute, items))


def labelled_frames(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """Mean of the frames' unit vectors."""
    from PIL import Image

    def compute(clip: Any) -> np.ndarray:
        vectors = labelled_images(folder, [Image.fromarray(frame) for frame in clip.frames], role)
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).mean(axis=0)

    return one_by_one(compute, items)


def written(folder: Path, items: Sequence[Any], write: Callable[[Any], str]) -> np.ndarray:
    """Vectors of what is written about images."""
    found = [write(image).strip() for image in items]
    assert all(found), "a writer that writes nothing shows nothing"
    return write_texts(folder, found)


def captions(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """`generate` without a prompt, greedily (documentation of BlipForConditionalGeneration in transformers)."""
    from transformers import AutoTokenizer, BlipForConditionalGeneration, BlipImageProcessorPil

    model = BlipForConditionalGeneration.from_pretrained(folder / "other").eval()
    processor = BlipImageProcessorPil.from_pretrained(folder / "other")
    tokenizer = AutoTokenizer.from_pretrained(folder / "other")

    def write(image: Any) -> str:
        tokens = model.generate(**processor(images=image, return_tensors="pt"), do_sample=False, max_new_tokens=40)
        return tokenizer.decode(tokens[0], skip_special_tokens=True)

    return written(folder, items, write)


def lines_read(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """`generate` from the pixels of a line (documentation of TrOCR in transformers)."""
    from transformers import AutoTokenizer, VisionEncoderDecoderModel, ViTImageProcessorPil

    model = VisionEncoderDecoderModel.from_pretrained(folder / "other").eval()
    processor = ViTImageProcessorPil.from_pretrained(folder / "other")
    tokenizer = AutoTokenizer.from_pretrained(folder / "other")

    def write(image: Any) -> str:
        pixels = processor(images=image, return_tensors="pt").pixel_values
        tokens = model.generate(pixel_values=pixels, do_sample=False, max_new_tokens=40)
        return tokenizer.decode(tokens[0], skip_special_tokens=True)

    return written(folder, items, write)


def answers(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """A chat of one turn, answered greedily (documentation of LLaVA in transformers, usage example)."""
    from transformers import LlavaForConditionalGeneration, LlavaProcessor

    model = LlavaForConditionalGeneration.from_pretrained(folder / "other").eval()
    processor = LlavaProcessor.from_pretrained(folder / "other", backend="pil")

    def write(image: Any) -> str:
        inputs = processor(images=image, text=f"<image>{ASKED} A:", return_tensors="pt")
        tokens = model.generate(**inputs, do_sample=False, max_new_tokens=40)
        return processor.decode(tokens[0, inputs.input_ids.shape[1] :], skip_special_tokens=True)

    return written(folder, items, write)


@cache
def rapid_ocr() -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(params={"Global.log_level": "error"})


def signs_read(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """The recognised lines (README of RapidOCR), which reads colours in the order of OpenCV."""
    return written(folder, items, lambda image: "\n".join(rapid_ocr()(np.asarray(image)[..., ::-1].copy()).txts))


def signs(folder: Path) -> list[Path]:
    """Pictures of a line of text."""
    from PIL import Image, ImageDraw, ImageFont

    paths = []
    for index, line in enumerate(["The quick brown fox", "rain falls", "a small dog runs", "mountains and rivers"]):
        image = Image.new("RGB", (460, 90), "white")
        ImageDraw.Draw(image).text((20, 20), line, fill="black", font=ImageFont.load_default(size=36))
        paths.append(folder / f"sign-{index}.png")
        image.save(paths[-1])
    return paths


def whisper_links(folder: Path) -> None:
    folder.rmdir()
    whole = folder.parent / "packages"
    whole.mkdir()
    make(whole)
    (whole / "speech").rename(folder)
    shutil.rmtree(whole)


def said(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    (folder / "speech").is_symlink() or (folder / "speech").symlink_to(folder / "other")
    return write_texts(folder, [transcript(folder, sound) or NO_SPEECH for sound in items])


def image(name: str, maker: Any, reference: Any, how: str, weight: str, **options: Any) -> Case:
    return Case(
        name,
        "image",
        bridged(maker),
        pictures.pictures,
        reference,
        options=lambda folder: {"image": f"{how}{folder / 'other'}", **options},
        forms=pictures.forms,
        poison=weight,
        missing=weight,
    )


BRIDGE_FAMILIES: list[Case] = [
    Case(
        "bridge-text",
        "text",
        bridged(image_classifier),
        texts,
        lambda folder, items, role: write_texts(folder, items),
        options=lambda folder: {"image": f"labels:{folder / 'other'}"},
        long_item=long_text,
        poison="word_embeddings.weight",
        missing="layer.1.attention.self.query.weight",
    ),
    image("bridge-labels", image_classifier, labelled_images, "labels:", "classifier.weight"),
    image("bridge-labels-timm", timm_classifier, labelled_by_timm, "labels:timm:", "head.weight"),
    image("bridge-caption", captioner, captions, "caption:", "vision_model.post_layernorm.weight"),
    image("bridge-caption-asked", vision_language, answers, "caption:", "linear_1.weight", prompt=ASKED),
    image("bridge-ocr-model", reader, lines_read, "ocr:", "encoder.layernorm.weight"),
    Case(
        "bridge-ocr",
        "image",
        bridged(),
        signs,
        signs_read,
        options={"image": "ocr"},
        forms=path_and_bytes,
        poison="word_embeddings.weight",
        missing="layer.1.attention.self.query.weight",
    ),
    Case(
        "bridge-labels-audio",
        "audio",
        bridged(sound_classifier),
        sounds.sounds,
        labelled_sounds,
        options=lambda folder: {"audio": f"labels:{folder / 'other'}"},
        forms=sounds.forms,
        long_item=sounds.longer_than(2.0),
        splits_long=True,
        poison="classifier.dense.weight",
        missing="classifier.dense.weight",
    ),
    Case(
        "bridge-transcribe",
        "audio",
        bridged(whisper_links),
        sentences,
        said,
        options=lambda folder: {
            "audio": f"transcribe:{folder / 'other'}",
            "language": "en",
            "speech_padding": "exact",
        },
        forms=path_and_bytes,
        poison="word_embeddings.weight",
        missing="layer.1.attention.self.query.weight",
    ),
    Case(
        "bridge-video",
        "video",
        bridged(image_classifier),
        films.films,
        labelled_frames,
        options=lambda folder: {
            "image": f"labels:{folder / 'other'}",
            "video": True,
            "frames": FRAMES,
            "window_seconds": 1.5,
        },
        forms=films.forms,
        long_item=films.longer_than(1.5),
        splits_long=True,
        poison="classifier.weight",
        missing="classifier.weight",
    ),
]
