"""Presets: models for a need, by one name, for those who can reach a model hub or have the models in its cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from senseweave.errors import ModelError

if TYPE_CHECKING:
    from senseweave.spaces.space import Space

OPEN_CLIP_RESULTS: Final = "docs/openclip_retrieval_results.csv of github.com/mlfoundations/open_clip, text to image"
MTEB_RESULTS: Final = "results of github.com/embeddings-benchmark/mteb"


@dataclass(frozen=True)
class PresetModel:
    """A model of a preset, with what others have published of it.

    Attributes:
        name: As `senseweave.load` takes it.
        repository: Its id on the Hugging Face hub.
        license: Of the weights, by the model card.
        gigabytes: Of weights in float32: 4 bytes for each parameter, computed and not measured.
        score: Published, not reproduced here; None if none is known that compares.
        source: Where the score is published.
    """

    name: str
    repository: str
    license: str
    gigabytes: float
    score: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Preset:
    """Models that are ranked together in an index.

    Attributes:
        name: As `Index(spaces=...)` takes it.
        need: What it is for.
        models: The models, one space each.
    """

    name: str
    need: str
    models: tuple[PresetModel, ...]

    @property
    def spaces(self) -> tuple[str, ...]:
        """The names of the models."""
        return tuple(model.name for model in self.models)

    def describe(self) -> dict[str, Any]:
        """Return the preset as plain values."""
        return asdict(self)


SMALL_CLIP: Final = PresetModel(
    "open_clip:ViT-B-32/laion2b_s34b_b79k",
    "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    "MIT",
    0.6,
    "recall@1 Flickr30k .668, COCO .393",
    OPEN_CLIP_RESULTS,
)
SIGLIP: Final = PresetModel(
    "open_clip:ViT-B-16-SigLIP/webli",
    "timm/ViT-B-16-SigLIP",
    "Apache-2.0",
    0.8,
    "recall@1 Flickr30k .747, COCO .478",
    OPEN_CLIP_RESULTS,
)
CLAP: Final = PresetModel(
    "laion/larger_clap_general",
    "laion/larger_clap_general",
    "Apache-2.0",
    0.8,
    "AudioCaps recall@1 .280, recall@10 .704",
    MTEB_RESULTS,
)
BGE_SMALL: Final = PresetModel("BAAI/bge-small-en-v1.5", "BAAI/bge-small-en-v1.5", "MIT", 0.1)
BGE_M3: Final = PresetModel("BAAI/bge-m3", "BAAI/bge-m3", "MIT", 2.3)

PRESETS: Final = (
    Preset("photos", "photographs and drawings by English words", (SIGLIP,)),
    Preset("sound", "sounds and music by English words", (CLAP,)),
    Preset("documents", "English text, and the pages and pictures of documents", (BGE_SMALL, SMALL_CLIP)),
    Preset("multilingual", "text in over a hundred languages, across languages", (BGE_M3,)),
    Preset("everything", "text in many languages, pictures, and sounds, ranked together", (BGE_M3, SIGLIP, CLAP)),
)


def find_preset(name: str) -> Preset | None:
    """Return the preset of a name, or None if there is none; a local folder of that name is given as `./name`."""
    return next((preset for preset in PRESETS if preset.name == name), None)


def model_name(name: str) -> str:
    """Return the name of the model of a preset that has one model; any other name as it is.

    Raises:
        ModelError: If the preset has several models, which are no single space.
    """
    preset = find_preset(name)
    if preset is None:
        return name
    if len(preset.models) > 1:
        listed = " and ".join(map(repr, preset.spaces))
        msg = (
            f"{name!r} is a preset of several models, for senseweave.Index(..., spaces={name!r}); load {listed} singly"
        )
        raise ModelError(msg)
    return preset.spaces[0]


def load_preset(preset: Preset, load: Callable[[str], Space]) -> list[Space]:
    """Load the spaces of a preset.

    Args:
        preset: The preset.
        load: Loads a space by the name of its model, and checks that its weights are there.

    Raises:
        ModelError: If a model cannot be loaded; the message names the repositories of all.
    """
    try:
        return [load(name) for name in preset.spaces]
    except ModelError as error:
        repositories = ", ".join(model.repository for model in preset.models)
        msg = f"the preset {preset.name!r} needs these repositories of the Hugging Face hub: {repositories}; {error}"
        raise ModelError(msg) from error
