"""Tiny Perception Encoders for sound, video and both, and the computation that transformers documents for pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from films import films
from films import forms as film_forms
from films import longer_than as longer_film
from pictures import one_by_one
from sounds import forms as sound_forms
from sounds import longer_than, sounds
from tiny_text import POSITIONS, SEED, long_text, texts, wordpiece_tokenizer

from senseweave.testing import Case

RATE, HOP = 4800, 96
"""A tenth and a twentieth of the published model's, so that sounds stay short."""
SIZES = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
}
CODEC = {
    "model_type": "dac",
    "encoder_hidden_size": 4,
    "downsampling_ratios": [2, 6, 8],
    "codebook_dim": 8,
    "hidden_size": 12,
}
VISION = {
    "model_type": "timm_wrapper",
    "architecture": "vit_pe_core_tiny_patch16_384",
    "model_args": {"depth": 1, "embed_dim": 16, "num_heads": 2, "img_size": 32},
    "do_pooling": True,
    "num_classes": 12,
    "global_pool": "map",
}
AUDIO = {**SIZES, "model_type": "pe_audio_encoder", "dac_config": CODEC}
VIDEO = {**SIZES, "model_type": "pe_video_encoder", "vision_config": VISION}
BOTH = {**SIZES, "model_type": "pe_audio_video_encoder", "audio_config": AUDIO, "video_config": VIDEO}
PARTS = {
    "PeAudioVideo": {"audio_video_config": BOTH},
    "PeAudio": {"audio_config": AUDIO},
    "PeVideo": {"video_config": VIDEO},
}


def maker(kind: str) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        import torch
        import transformers

        tokenizer = wordpiece_tokenizer(folder)
        special = {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}
        text = {name: SIZES[name] for name in ("hidden_size", "intermediate_size", "num_attention_heads")}
        text |= {"model_type": "modernbert", "vocab_size": len(tokenizer), "num_hidden_layers": 2, **special}
        text |= {"max_position_embeddings": POSITIONS}
        config = getattr(transformers, f"{kind}Config")(text_config=text, **PARTS[kind])
        torch.manual_seed(SEED)
        model = getattr(transformers, f"{kind}Model")(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.normal_(std=0.2)
                elif parameter.numel() == 1:
                    parameter.fill_(1.5)
        model.save_pretrained(folder)
        extractor = transformers.PeAudioFeatureExtractor(sampling_rate=RATE, hop_length=HOP)
        scaled = {"do_rescale": True, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
        pixels = transformers.PeVideoVideoProcessor(do_resize=True, size={"height": 32, "width": 32}, **scaled)
        given = {"feature_extractor": extractor, "video_processor": pixels, "tokenizer": tokenizer}
        if kind == "PeAudio":
            del given["video_processor"]
        if kind == "PeVideo":
            del given["feature_extractor"]
        getattr(transformers, f"{kind}Processor")(**given).save_pretrained(folder)
        return str(folder)

    return make


def load(kind: str, folder: Path) -> Any:
    """The model, filled by torch alone: transformers 5.23 cannot load its own file with timm 1.0.31."""
    import transformers
    from safetensors.torch import load_file

    model = getattr(transformers, f"{kind}Model")(transformers.AutoConfig.from_pretrained(folder)).eval()
    missing, unexpected = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    tied = ("audio_model.", "video_model.", "audio_video_encoder.embedder.") if kind == "PeAudioVideo" else ()
    if unexpected or not all(name.startswith(tied or ("\0",)) for name in missing):
        raise AssertionError((missing, unexpected))
    model.tie_weights()
    return model


def reference(kind: str, output: str) -> Any:
    """An output of the model's own forward, for the item beside others of no consequence (documentation of PE-AV)."""

    def compute_all(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
        import torch
        import transformers

        model = load(kind, folder)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

        def compute(item: Any) -> Any:
            given: dict[str, Any] = dict(tokenizer(["a dog"], return_tensors="pt", return_token_type_ids=False))
            if "Audio" in kind:
                given["input_values"] = torch.linspace(-1, 1, 4 * HOP)[None, None]
            if "Video" in kind:
                given["pixel_values_videos"] = torch.linspace(-1, 1, 4 * 3 * 32 * 32).reshape(1, 4, 3, 32, 32)
            if isinstance(item, str):
                options = {"truncation": True, "max_length": POSITIONS, "return_token_type_ids": False}
                given |= dict(tokenizer([item], return_tensors="pt", **options))
            elif hasattr(item, "samples"):
                rest = -len(item.samples) % HOP
                given["input_values"] = torch.from_numpy(np.pad(item.samples, (0, rest), "reflect"))[None, None]
            else:
                processor = transformers.AutoVideoProcessor.from_pretrained(folder)
                frames = [list(item.frames)]
                given |= dict(processor(frames, return_tensors="pt", do_sample_frames=False))
            return getattr(model(**given), output)

        return one_by_one(compute, items)

    return compute_all


def cases(kind: str, name: str, make: Callable[[Path], str], text_output: str, **options: Any) -> list[Case]:
    half = frozenset({"bfloat16", "float16"})
    text = Case(
        f"{name}-text",
        "text",
        make,
        texts,
        reference(kind, text_output),
        options=options,
        long_item=long_text,
        poison="text_model.embeddings.norm.weight",
        missing="text_model.embeddings.norm.weight",
        half_types=half,
    )
    window = {"window_seconds": 2.5, **options}
    audio = replace(
        text,
        id=f"{name}-audio",
        modality="audio",
        items=sounds,
        reference=reference(kind, "audio_embeds"),
        options=window,
        forms=sound_forms,
        long_item=longer_than(2.5),
        splits_long=True,
        poison="audio_head.proj.weight",
        missing="audio_head.proj.weight",
    )
    video = replace(
        audio,
        id=f"{name}-video",
        modality="video",
        items=films,
        reference=reference(kind, "video_embeds"),
        options={"frames": 4, **window},
        forms=film_forms,
        long_item=longer_film(2.5),
        poison="video_head.proj.weight",
        missing="video_head.proj.weight",
    )
    return [text, *([audio] if "Audio" in kind else []), *([video] if "Video" in kind else [])]


BOTH_PARTS = maker("PeAudioVideo")
PE_AV_FAMILIES: list[Case] = [
    *cases("PeAudioVideo", "pe-av", BOTH_PARTS, "text_video_embeds"),
    cases("PeAudioVideo", "pe-av-heard", BOTH_PARTS, "text_audio_embeds", text_partner="audio")[0],
    *cases("PeAudio", "pe-audio", maker("PeAudio"), "text_audio_embeds"),
    *cases("PeVideo", "pe-video", maker("PeVideo"), "text_video_embeds"),
]
