"""Tiny aligned spaces: two tiny models inside a folder, with random heads, and the raw computation of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import films
import numpy as np
import pictures
import sounds
from tiny_audio import WINDOW as SOUND_WINDOW
from tiny_clap import clap_maker, clap_sounds
from tiny_image_text import make_clip, transformers_images
from tiny_text import long_text, texts
from tiny_video import WINDOW, make_xclip, transformers_reference, xclip_texts, xclip_video

from senseweave.encoders.families.aligned import CONFIG, WEIGHTS, BaseModel, Config, Side, identify
from senseweave.encoders.parts.aligned import Base
from senseweave.encoders.parts.heads import Head, Linear
from senseweave.encoders.registry import build_encoders
from senseweave.media import Modality
from senseweave.testing import Case
from senseweave.testing.case import Reference

OUTPUTS = 10


def make_aligned(
    makers: Mapping[Side, tuple[Callable[[Path], str], Sequence[Modality], Mapping[str, Any]]],
) -> Callable[[Path], str]:
    """A folder with a model in `source` and another in `target`."""

    def make(folder: Path) -> str:
        import json

        from safetensors.numpy import save_file

        generator = np.random.default_rng(3)
        models: dict[Side, BaseModel] = {}
        heads: dict[Side, Head] = {}
        for side, (maker, modalities, options) in makers.items():
            (folder / side).mkdir()
            encoders = build_encoders(maker(folder / side), options)
            size = encoders[modalities[0]].dimension
            mean, weight = generator.standard_normal(size) / 9, generator.standard_normal((size, OUTPUTS))
            heads[side] = Head((Linear(mean=mean.astype(np.float32), weight=weight.astype(np.float32)),))
            identities = {modality: identify(encoders[modality]) for modality in modalities}
            models[side] = BaseModel(f"./{side}", options, Base("0" * 16, size), identities)
        config = Config(models, {side: head.settings() for side, head in heads.items()})
        (folder / CONFIG).write_text(json.dumps(config.to_json()), encoding="utf-8")
        save_file({**heads["source"].arrays("source"), **heads["target"].arrays("target")}, folder / WEIGHTS)
        return str(folder)

    return make


def through_head(side: Side, reference: Reference) -> Reference:
    """The unit vectors of a model inside the folder, less the mean, times the weights."""

    def compute(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
        from safetensors.numpy import load_file

        vectors = reference(folder / side, items, role)
        arrays = load_file(folder / WEIGHTS)
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray((units - arrays[f"{side}.0.mean"]) @ arrays[f"{side}.0.weight"])

    compute.__doc__ = f"{reference.__doc__} Then the head (CSA, arXiv 2410.07610, projects the same way)."
    return compute


FILMS = {"window_seconds": WINDOW}
WITH_PICTURES = make_aligned({"source": (make_clip, ("image",), {}), "target": (make_xclip, ("text", "video"), FILMS)})
WITH_SOUNDS = make_aligned(
    {"source": (clap_maker(fused=False), ("audio",), {}), "target": (make_xclip, ("text",), FILMS)}
)


def case(name: str, modality: Modality, make: Any, items: Any, side: Side, reference: Reference, **more: Any) -> Case:
    weight, through = f"{side}.0.weight", through_head(side, reference)
    kept: dict[str, Any] = {"poison": weight, "missing": weight, "half_types": frozenset(), **more}
    return Case(f"aligned-{name}", modality, make, items, through, **kept)


XCLIP_VIDEO = transformers_reference("XCLIPModel", xclip_video)
LONG_FILM = {"long_item": films.longer_than(WINDOW), "splits_long": True}
LONG_SOUND = {"long_item": sounds.longer_than(SOUND_WINDOW), "splits_long": True}
ALIGNED_FAMILIES: list[Case] = [
    case("text", "text", WITH_PICTURES, texts, "target", xclip_texts, long_item=long_text),
    case("image", "image", WITH_PICTURES, pictures.pictures, "source", transformers_images, forms=pictures.forms),
    case("video", "video", WITH_PICTURES, films.films, "target", XCLIP_VIDEO, forms=films.forms, **LONG_FILM),
    case("audio", "audio", WITH_SOUNDS, sounds.sounds, "source", clap_sounds, forms=sounds.forms, **LONG_SOUND),
]
