"""Models whose weights `senseweave.finetune` changes, as sentence-transformers opens, computes and saves them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from senseweave.encoders.base import Role
from senseweave.encoders.parts.heads import unit
from senseweave.encoders.parts.prompts import Prompts
from senseweave.encoders.parts.sentence_folders import PATTERNS, folder_prompts
from senseweave.encoders.parts.sentence_modules import load_modules
from senseweave.encoders.parts.starter_weights import MINILM
from senseweave.encoders.registry import find_family
from senseweave.encoders.runtime.checkpoint import Checkpoint, quiet_loading, resolve
from senseweave.encoders.runtime.torch_runtime import pick_device
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.media import Media, Text
from senseweave.spaces import Space

BATCH: Final = 32
EQUAL: Final = 0.999
"""Least cosine of a model's own vector and its space's: what is trained must be what is later loaded. Rounding costs
1e-6, and another pooling, prompt or preparation of pictures far more than 0.001."""
LORA: Final[Mapping[str, Any]] = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.05, "target_modules": "all-linear"}
"""Rank and scale of the LoRA paper's ablations (arXiv 2106.09685, tables 6 and 18), on every linear layer as its
successors do (QLoRA, arXiv 2305.14314, figure 2)."""


class TrainableModel:
    """A model of sentence-transformers with the prompts that the space of the same name puts before texts."""

    def __init__(self, checkpoint: Checkpoint, modules: Any, prompts: Prompts) -> None:
        """Hold a loaded model.

        Args:
            checkpoint: Where it was loaded from.
            modules: The `SentenceTransformer`.
            prompts: Its prompts by role.
        """
        self.checkpoint = checkpoint
        self.modules = modules
        self.prompts = prompts
        self.adapted = False
        self.name = checkpoint.name

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities that it embeds."""
        return tuple(str(modality) for modality in self.modules.modalities)

    @property
    def dimension(self) -> int:
        """The length of its vectors."""
        return int(self.modules.get_embedding_dimension() or self.vectors([Text("length")], "document").shape[1])

    def read(self, media: Media) -> Any:
        """Return an item as `preprocess` takes it: decoded."""
        return media.decode()

    def preprocess(self, items: Sequence[Any], role: Role) -> dict[str, Any]:
        """Return the tensors of one batch of strings or pictures; a string is a text whatever it looks like."""
        prompt = self.prompts.get(role) if items and isinstance(items[0], str) else ""
        first = self.modules[0]
        if not hasattr(first, "modality_config") and not hasattr(first, "sub_modules"):  # StaticEmbedding, by words
            plain: dict[str, Any] = self.modules.preprocess([prompt + item for item in items])
            return plain
        marked = [{"text" if isinstance(item, str) else "image": item} for item in items]
        features: dict[str, Any] = self.modules.preprocess(marked, prompt=prompt or None, task=role)
        return features

    def vectors(self, media: Sequence[Media], role: Role) -> np.ndarray:
        """Return unit vectors of media in evaluation mode, shape (n, dimension), float32."""
        torch = require("torch", extra="training")
        training = self.modules.training
        self.modules.eval()
        rows: list[np.ndarray] = []
        with torch.inference_mode():
            for start in range(0, len(media), BATCH):
                features = self.preprocess([self.read(item) for item in media[start : start + BATCH]], role)
                moved = {
                    name: value.to(self.modules.device) if isinstance(value, torch.Tensor) else value
                    for name, value in features.items()
                }
                rows.append(self.modules(moved)["sentence_embedding"].float().cpu().numpy())
        self.modules.train(training)
        return unit(np.concatenate(rows))

    def add_lora(self, seed: int) -> None:
        """Freeze the weights and train low-rank matrices beside those of every linear layer (arXiv 2106.09685)."""
        peft = require("peft", extra="training", feature="training an adapter")
        torch = require("torch", extra="training")
        torch.manual_seed(seed)
        self.modules.add_adapter(peft.LoraConfig(**LORA))
        self.adapted = True

    def merge(self) -> None:
        """Add trained low-rank matrices to the weights, after which the model is an ordinary one."""
        if not self.adapted:
            return
        layers = require("peft.tuners.tuners_utils", extra="training").BaseTunerLayer
        for name, module in list(self.modules.named_modules()):
            if isinstance(module, layers):
                module.merge(safe_merge=True)
                parent, _, child = name.rpartition(".")
                setattr(self.modules.get_submodule(parent), child, module.get_base_layer())
        for module in self.modules.modules():
            if getattr(module, "_hf_peft_config_loaded", False):
                module._hf_peft_config_loaded = False
                if hasattr(module, "peft_config"):
                    del module.peft_config
        self.adapted = False

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model as sentence-transformers does, its prompts included: safetensors and JSON alone."""
        saved = {"query": self.prompts.query, "document": self.prompts.document}
        self.modules.prompts = saved if any(saved.values()) else {}
        with quiet_loading():
            self.modules.save_pretrained(str(folder), create_model_card=False)


def open_trainable(name: str, *, device: str | None = None) -> TrainableModel:
    """Open a model to change its weights.

    Args:
        name: Hub id or local folder, or `starter` for the text model of the embedded default.
        device: torch device; the best available if None.

    Raises:
        ModelError: If sentence-transformers cannot open it whole, or the name chooses a family of its own.
    """
    checkpoint = _checkpoint(name)
    modules = load_modules(checkpoint, device=pick_device(device))
    modules.float()
    return TrainableModel(checkpoint, modules, folder_prompts(checkpoint, None))


def check_same_vectors(model: TrainableModel, space: Space, media: Sequence[Media]) -> None:
    """Check that the model computes what the space of its name computes.

    Raises:
        ModelError: If it does not, since training would then improve another model than the one that is loaded.
    """
    for modality in {item.modality for item in media}:
        sample = [item for item in media if item.modality == modality][:8]
        own = model.vectors(sample, "document")
        wanted = unit(space.embed(sample, role="document"))
        cosine = float((own * wanted).sum(axis=1).min()) if own.shape == wanted.shape else 0.0
        if cosine < EQUAL:
            msg = (
                f"{model.checkpoint.name}: sentence-transformers computes other vectors of {modality} than the space "
                f"of this name (cosine {cosine:.3f}), so what is trained is not what would be loaded; "
                "train a head over it instead (adapter='head')"
            )
            raise ModelError(msg)


def _checkpoint(name: str) -> Checkpoint:
    if name == "starter":
        weights = MINILM.as_allowed()
        folder = weights.find().folder
        assert folder is not None  # no file of it comes in parts
        return Checkpoint(weights.name, folder, pinned=tuple(weights.files.items()))
    _, model = find_family(name)
    if model != name:
        msg = (
            f"{name}: weights are trained as sentence-transformers opens a hub id or a folder, which is named without "
            "a family before it; any other space is trained by a head over it (adapter='head')"
        )
        raise ModelError(msg)
    return resolve(name, patterns=PATTERNS)
