"""Tiny CLAP models, and the computations that their authors document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pictures import livelier, one_by_one
from tiny_text import POSITIONS, SEED, bpe_tokenizer, long_text, texts

from senseweave.testing import Case

TRANSFORMER = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}


def clap_maker(*, fused: bool) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        import torch
        from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

        torch.manual_seed(SEED)
        tokenizer = bpe_tokenizer(folder)
        text = {
            **TRANSFORMER,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": POSITIONS + 2,
            "pad_token_id": tokenizer.pad_token_id,
            "projection_dim": 12,
        }
        audio = {
            "spec_size": 64,
            "num_mel_bins": 16,
            "patch_size": 4,
            "patch_stride": [4, 4],
            "patch_embeds_hidden_size": 8,
            "depths": [1, 1],
            "num_attention_heads": [2, 2],
            "hidden_size": 16,
            "window_size": 4,
            "projection_dim": 12,
            "enable_fusion": fused,
            "fusion_type": "aff_2d" if fused else None,
        }
        model = ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=12))
        model = livelier(model)
        for module in model.modules():
            if isinstance(
                module, torch.nn.BatchNorm2d
            ):  # mel bands in dB are far from the default of mean 0, variance 1
                module.running_mean.fill_(-20)
                module.running_var.fill_(200)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        extractor = ClapFeatureExtractor(
            feature_size=16,
            sampling_rate=16_000,
            hop_length=640,
            max_length_s=10,
            fft_window_size=1024,
            frequency_max=8000,
            truncation="fusion" if fused else "rand_trunc",
        )
        extractor.save_pretrained(folder)
        return str(folder)

    return make


def clap_sounds(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """`get_audio_features`, no clip longer than a window (LAION-AI/CLAP, training/data.py, get_audio_features)."""
    import torch
    from transformers import AutoFeatureExtractor, AutoModel

    extractor, model = AutoFeatureExtractor.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    def compute(sound: Any) -> Any:
        inputs = extractor(sound.samples, sampling_rate=sound.sampling_rate, padding="repeatpad", return_tensors="pt")
        features = inputs.input_features.float()
        return model.get_audio_features(input_features=features, is_longer=torch.tensor([[False]])).pooler_output

    return one_by_one(compute, items)


def clap_texts(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
    """`get_text_features` of one text at a time (documentation of ClapModel in transformers)."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    return one_by_one(
        lambda text: (
            model.get_text_features(
                **tokenizer([text], truncation=True, max_length=POSITIONS, return_tensors="pt")
            ).pooler_output
        ),
        items,
    )


def text_case(name: str, make: Any) -> Case:
    weight = "text_projection.linear1.weight"
    return Case(
        name,
        "text",
        make,
        texts,
        clap_texts,
        options={"max_length": POSITIONS},
        long_item=long_text,
        poison=weight,
        missing=weight,
    )
