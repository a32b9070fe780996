"""BEATs with random weights of small widths, as its authors save it, and the computation of its paper."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pictures import one_by_one
from sounds import forms, longer_than, sounds
from tiny_events import random_tensors

from senseweave.testing import Case

LAYERS, WIDTH, EMBEDDED, HIDDEN, HEADS, KERNEL, GROUPS, BUCKETS = 2, 24, 16, 40, 3, 8, 4, 32
CFG = {
    "encoder_layers": LAYERS,
    "encoder_embed_dim": WIDTH,
    "encoder_ffn_embed_dim": HIDDEN,
    "encoder_attention_heads": HEADS,
    "embed_dim": EMBEDDED,
    "input_patch_size": 16,
    "activation_fn": "gelu",
    "layer_norm_first": False,
    "deep_norm": True,
    "conv_bias": False,
    "conv_pos": KERNEL,
    "conv_pos_groups": GROUPS,
    "relative_position_embedding": True,
    "num_buckets": BUCKETS,
    "max_distance": 50,
    "gru_rel_pos": True,
    "finetuned_model": False,
}
NORM_FIRST = {**CFG, "deep_norm": False, "layer_norm_first": True}


def beats_tensors(classes: int = 0) -> dict[str, Any]:
    shapes: dict[str, tuple[int, ...]] = {}

    def linear(name: str, width: int, inputs: int) -> None:
        shapes.update({f"{name}.weight": (width, inputs), f"{name}.bias": (width,)})

    def norm(name: str, width: int) -> None:
        shapes.update({f"{name}.weight": (width,), f"{name}.bias": (width,)})

    shapes["patch_embedding.weight"] = (EMBEDDED, 1, 16, 16)
    norm("layer_norm", EMBEDDED)
    linear("post_extract_proj", WIDTH, EMBEDDED)
    shapes["encoder.pos_conv.0.bias"] = (WIDTH,)
    shapes["encoder.pos_conv.0.weight_g"] = (1, 1, KERNEL)
    shapes["encoder.pos_conv.0.weight_v"] = (WIDTH, WIDTH // GROUPS, KERNEL)
    norm("encoder.layer_norm", WIDTH)
    for number in range(LAYERS):
        layer = f"encoder.layers.{number}"
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(f"{layer}.self_attn.{projection}", WIDTH, WIDTH)
        linear(f"{layer}.self_attn.grep_linear", 8, WIDTH // HEADS)
        shapes[f"{layer}.self_attn.grep_a"] = (1, HEADS, 1, 1)
        norm(f"{layer}.self_attn_layer_norm", WIDTH)
        linear(f"{layer}.fc1", HIDDEN, WIDTH)
        linear(f"{layer}.fc2", WIDTH, HIDDEN)
        norm(f"{layer}.final_layer_norm", WIDTH)
    if classes:
        linear("predictor", classes, WIDTH)
    tensors = random_tensors(shapes, 2.0)
    for name in tensors:
        if name.endswith("bias"):
            tensors[name] *= 0.1  # so that what is heard tells more than what is added
    table = random_tensors({"relative": (BUCKETS, HEADS)}, 1.0)["relative"]
    for number in range(LAYERS):
        tensors[f"encoder.layers.{number}.self_attn.relative_attention_bias.weight"] = table.clone()
    return tensors


def save(folder: Path, cfg: Mapping[str, Any], classes: int = 0) -> str:
    from safetensors.torch import save_file

    save_file(beats_tensors(classes), folder / "beats.safetensors", {"cfg": json.dumps(dict(cfg))})
    return f"beats:{folder / 'beats.safetensors'}"


def make_beats(folder: Path) -> str:
    return save(folder, CFG)


def make_fine_tuned_beats(folder: Path) -> str:
    return save(folder, {**NORM_FIRST, "finetuned_model": True, "predictor_class": 5}, classes=5)


def banks(samples: np.ndarray) -> np.ndarray:
    """Kaldi's filter banks of samples of 16 bits: frames of 25 ms, less their mean, preemphasis, Povey's window."""
    samples = np.pad(samples, (0, max(0, 2800 - len(samples)))).astype(np.float64) * 2**15
    frames = np.stack([samples[start : start + 400] for start in range(0, len(samples) - 399, 160)])
    frames = frames - frames.mean(axis=1, keepdims=True)
    frames = frames - 0.97 * np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    power = np.abs(np.fft.rfft(frames * window, 512))[:, :256] ** 2
    mel = 1127 * np.log1p(np.arange(256) * 16_000 / 512 / 700)
    edges = np.linspace(1127 * math.log1p(20 / 700), 1127 * math.log1p(8000 / 700), 130)
    rise = (mel[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - mel[:, None]) / (edges[2:] - edges[1:-1])
    energies = power @ np.maximum(0, np.minimum(rise, fall))
    return (np.log(np.maximum(energies, np.finfo(np.float32).eps)) - 15.41663) / (2 * 6.55582)


def bucket(offset: int) -> int:
    """The bucket of a relative position (arXiv 1910.10683, section 2.1)."""
    base, distance, half = (BUCKETS // 2 if offset > 0 else 0), abs(offset), BUCKETS // 2
    if distance < half // 2:
        return base + distance
    grown = math.log(distance / (half // 2)) / math.log(CFG["max_distance"] / (half // 2)) * (half // 2)
    return base + min(half // 2 + int(grown), half - 1)


def reference(cfg: Mapping[str, Any]) -> Any:
    """arXiv 2212.09058, section 3.1, with the gated relative positions of WavLM (arXiv 2110.13900, section 3.1)."""

    def compute_all(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
        import torch
        from safetensors.torch import load_file
        from torch.nn import functional

        tensors = load_file(folder / "beats.safetensors")

        def linear(name: str, x: Any) -> Any:
            return functional.linear(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"])

        def norm(name: str, x: Any) -> Any:
            return functional.layer_norm(x, x.shape[-1:], tensors[f"{name}.weight"], tensors[f"{name}.bias"])

        def attention(name: str, x: Any) -> Any:
            length, size = len(x), WIDTH // HEADS
            places = torch.tensor([[bucket(key - query) for key in range(length)] for query in range(length)])
            table = tensors[f"{name}.relative_attention_bias.weight"][places]
            outputs = []
            for head in range(HEADS):
                part = slice(head * size, (head + 1) * size)
                query, key, value = (linear(f"{name}.{kind}_proj", x)[:, part] for kind in "qkv")
                gates = linear(f"{name}.grep_linear", query).reshape(length, 2, 4).sum(dim=2).sigmoid()
                gate = gates[:, :1] * (gates[:, 1:] * tensors[f"{name}.grep_a"][0, head, 0, 0] - 1) + 2
                scores = query @ key.T / math.sqrt(size) + gate * table[..., head]
                outputs.append(torch.softmax(scores, dim=1) @ value)
            return linear(f"{name}.out_proj", torch.cat(outputs, dim=1))

        def compute(sound: Any) -> Any:
            patches = torch.from_numpy(banks(sound.samples).astype(np.float32))
            patches = patches[: len(patches) // 16 * 16].unfold(0, 16, 16).unfold(1, 16, 16).reshape(-1, 256)
            x = norm("layer_norm", patches @ tensors["patch_embedding.weight"].reshape(EMBEDDED, 256).T)
            x = linear("post_extract_proj", x)
            direction = tensors["encoder.pos_conv.0.weight_v"]
            weight = tensors["encoder.pos_conv.0.weight_g"] * direction / direction.norm(dim=(0, 1), keepdim=True)
            places = functional.conv1d(
                x.T[None], weight, tensors["encoder.pos_conv.0.bias"], padding=KERNEL // 2, groups=GROUPS
            )
            x = x + functional.gelu(places[0, :, :-1].T)
            first = cfg["layer_norm_first"]
            x = x if first else norm("encoder.layer_norm", x)
            around = (2 * LAYERS) ** 0.25 if cfg["deep_norm"] else 1.0
            for number in range(LAYERS):
                layer = f"encoder.layers.{number}"
                for name in ("self_attn_layer_norm", "final_layer_norm"):
                    y = norm(f"{layer}.{name}", x) if first else x
                    if name == "self_attn_layer_norm":
                        y = attention(f"{layer}.self_attn", y)
                    else:
                        y = linear(f"{layer}.fc2", functional.gelu(linear(f"{layer}.fc1", y)))
                    x = x + y if first else norm(f"{layer}.{name}", around * x + y)
            return (norm("encoder.layer_norm", x) if first else x).mean(dim=0)

        return one_by_one(compute, items)

    return compute_all


def case(name: str, make: Any, cfg: Mapping[str, Any], weight: str) -> Case:
    return Case(
        name,
        "audio",
        make,
        sounds,
        reference(cfg),
        options={"window_seconds": 2.5},
        forms=forms,
        long_item=longer_than(2.5),
        splits_long=True,
        poison=weight,
        missing=weight,
    )


BEATS_FAMILIES: list[Case] = [
    case("beats", make_beats, CFG, "encoder.layers.1.self_attn.grep_a"),
    case("beats-fine-tuned", make_fine_tuned_beats, NORM_FIRST, "post_extract_proj.weight"),
]
