"""A transformer over patches of a spectrogram whose attention knows gated relative positions: that of BEATs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from senseweave.errors import ModelError, WeightsError
from senseweave.extras import require

EXTRA = "audio-models"
ACTIVATIONS: Final = {"gelu": "none", "gelu_accurate": "tanh", "gelu_fast": "tanh"}
"""How torch approximates each activation that a checkpoint may name."""
POSITIONS = "encoder.pos_conv.0"
SHARED = ".self_attn.relative_attention_bias.weight"
"""The table of relative positions; every layer has that of the first."""
GATES = 8
"""Numbers from which the two gates of a head are summed, four for each (unilm/beats/backbone.py, `grep_linear`)."""


@dataclass(frozen=True)
class Settings:
    """What a checkpoint says of its transformer beside the shapes of its tensors.

    Attributes:
        layers: How many there are.
        heads: Of attention.
        normalize_first: Whether layers normalize what they read rather than what they give.
        residual: Factor of what goes around a layer (Wang et al. 2022, arXiv 2203.00555, DeepNorm).
        farthest: The relative position from which on all share the last bucket.
        activation: Name of the activation.
    """

    layers: int
    heads: int
    normalize_first: bool
    residual: float
    farthest: int
    activation: str

    @classmethod
    def read(cls, said: Mapping[str, Any], tensors: Mapping[str, Any], name: str) -> Settings:
        """Read the authors' settings.

        Args:
            said: The settings by the authors' names; those left out are the defaults of their code.
            tensors: Those of the checkpoint.
            name: What errors call it.

        Raises:
            ModelError: If the activation is not known here.
            WeightsError: If the tensors are those of another number of layers or heads.
        """
        activation = str(said.get("activation_fn", "gelu"))
        if activation not in ACTIVATIONS:
            msg = f"{name} has the activation {activation!r}; expected one of {', '.join(ACTIVATIONS)}"
            raise ModelError(msg)
        layers, heads = int(said.get("encoder_layers", 12)), int(said.get("encoder_attention_heads", 12))
        held = {int(found[1]) for key in tensors if (found := re.match(r"encoder\.layers\.(\d+)\.", key))}
        if held != set(range(layers)):
            msg = f"{name} says that it has {layers} layers, and holds the weights of {len(held)}"
            raise WeightsError(msg)
        width = int(tensors["encoder.layer_norm.weight"].shape[0])
        table = tensors.get(f"encoder.layers.0{SHARED}")
        if width % heads or (table is not None and table.shape[1] != heads):
            msg = f"{name} says that it has {heads} heads, which its weights do not fit"
            raise WeightsError(msg)
        return cls(
            layers=layers,
            heads=heads,
            normalize_first=bool(said.get("layer_norm_first", False)),
            residual=(2 * layers) ** 0.25 if said.get("deep_norm", False) else 1.0,
            farthest=int(said.get("max_distance", 1280)),
            activation=activation,
        )

    def rename(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Return tensors as the network of `build_network` names them.

        The convolution over positions, which is saved as lengths and directions, becomes its product; the table of
        relative positions is kept once.
        """
        pairs = (
            (".weight_g", ".weight_v"),
            (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
        )
        kept = {
            key: tensor
            for key, tensor in tensors.items()
            if not key.endswith(SHARED) or key.startswith("encoder.layers.0.")
        }
        for length, direction in pairs:
            if POSITIONS + length in kept and POSITIONS + direction in kept:
                lengths, directions = kept.pop(POSITIONS + length).float(), kept.pop(POSITIONS + direction).float()
                norms = directions.square().sum(dim=(0, 1), keepdim=True).sqrt()
                kept[f"{POSITIONS}.weight"] = directions * (lengths / norms)
        return kept


def build_network(tensors: Mapping[str, Any], settings: Settings) -> Any:
    """Return an empty network of the widths that a checkpoint has, with the names that `Settings.rename` gives."""
    nn = require("torch", extra=EXTRA).nn
    embedded, _, *patch = tensors["patch_embedding.weight"].shape
    width = int(tensors["encoder.layer_norm.weight"].shape[0])
    hidden = int(tensors["encoder.layers.0.fc1.weight"].shape[0])
    biased = "patch_embedding.bias" in tensors
    network = nn.ModuleDict(
        {
            "patch_embedding": nn.Conv2d(1, embedded, tuple(patch), stride=tuple(patch), bias=biased),
            "layer_norm": nn.LayerNorm(embedded),
        }
    )
    if embedded != width:
        network["post_extract_proj"] = nn.Linear(embedded, width)

    def layer(number: int) -> Any:
        name = f"encoder.layers.{number}.self_attn"
        attention = {
            projection: nn.Linear(width, width, bias=f"{name}.{projection}.bias" in tensors)
            for projection in ("q_proj", "k_proj", "v_proj", "out_proj")
        }
        table = tensors.get(f"encoder.layers.{number}{SHARED}")
        if table is not None and number == 0:
            attention["relative_attention_bias"] = nn.Embedding(*table.shape)
        held = nn.ModuleDict(attention)
        if f"{name}.grep_linear.weight" in tensors:
            held["grep_linear"] = nn.Linear(width // settings.heads, GATES)
            held.grep_a = nn.Parameter(require("torch", extra=EXTRA).ones(1, settings.heads, 1, 1))
        return nn.ModuleDict(
            {
                "self_attn": held,
                "self_attn_layer_norm": nn.LayerNorm(width),
                "fc1": nn.Linear(width, hidden),
                "fc2": nn.Linear(hidden, width),
                "final_layer_norm": nn.LayerNorm(width),
            }
        )

    network["encoder"] = nn.ModuleDict(
        {
            "pos_conv": nn.ModuleList([_positions(tensors, width)]),
            "layer_norm": nn.LayerNorm(width),
            "layers": nn.ModuleList(layer(number) for number in range(settings.layers)),
        }
    )
    return network


def _positions(tensors: Mapping[str, Any], width: int) -> Any:
    """Return the empty convolution over positions, whose kernel is as wide as in the checkpoint."""
    nn = require("torch", extra=EXTRA).nn
    names = (f"{POSITIONS}.{name}" for name in ("weight_v", "parametrizations.weight.original1", "weight"))
    shape = next((tensors[name].shape for name in names if name in tensors), None)
    if shape is None:
        msg = f"the checkpoint is incomplete: it lacks {POSITIONS}.weight_v"
        raise WeightsError(msg)
    return nn.Conv1d(width, width, shape[2], padding=shape[2] // 2, groups=width // shape[1])


def encode_patches(network: Any, banks: Any, settings: Settings) -> Any:
    """Return the last states of the patches of filter banks.

    Args:
        network: Filled, as `build_network` makes it.
        banks: Shape (n, frames, bands), whole patches.
        settings: Those of the checkpoint.

    Returns:
        Shape (n, patches, width); patches of one time follow each other by band.
    """
    functional = require("torch", extra=EXTRA).nn.functional
    patches = network["patch_embedding"](banks[:, None]).flatten(2).transpose(1, 2)
    states = network["layer_norm"](patches)
    if "post_extract_proj" in network:
        states = network["post_extract_proj"](states)
    encoder = network["encoder"]
    places = encoder["pos_conv"][0](states.transpose(1, 2))[..., : states.shape[1]]
    states = states + functional.gelu(places).transpose(1, 2)
    if not settings.normalize_first:
        states = encoder["layer_norm"](states)
    first = encoder["layers"][0]["self_attn"]
    table = None
    if "relative_attention_bias" in first:
        places = buckets(states.shape[1], first["relative_attention_bias"].num_embeddings, settings.farthest)
        table = first["relative_attention_bias"](places.to(states.device)).permute(2, 0, 1)[None]
    for layer in encoder["layers"]:
        states = _run_layer(layer, states, table, settings)
    return encoder["layer_norm"](states) if settings.normalize_first else states


def buckets(length: int, count: int, farthest: int) -> Any:
    """Return the bucket of each relative position, shape (length, length), the query's axis first.

    Half of the buckets are for what comes after. Of each half, the first half are for a distance each, and the others
    grow with the logarithm of the distance (Raffel et al. 2020, arXiv 1910.10683, section 2.1).
    """
    torch = require("torch", extra=EXTRA)
    at = torch.arange(length)
    offset = at[None] - at[:, None]
    half = count // 2
    exact = half // 2
    distance = offset.abs()
    grown = torch.log(distance.float().clamp(min=1) / exact) / math.log(farthest / exact) * (half - exact)
    far = (exact + grown.long()).clamp(max=half - 1)
    return torch.where(distance < exact, distance, far) + half * (offset > 0)


def _run_layer(layer: Any, states: Any, table: Any, settings: Settings) -> Any:
    """Compute attention and the two linear layers, each with a way around it."""
    attention_norm, last_norm = layer["self_attn_layer_norm"], layer["final_layer_norm"]
    if settings.normalize_first:
        states = states + _attend(layer["self_attn"], attention_norm(states), table, settings.heads)
        return states + _mix(layer, last_norm(states), settings)
    attended = _attend(layer["self_attn"], states, table, settings.heads)
    states = attention_norm(settings.residual * states + attended)
    return last_norm(settings.residual * states + _mix(layer, states, settings))


def _mix(layer: Any, states: Any, settings: Settings) -> Any:
    """Compute the two linear layers of a layer."""
    gelu = require("torch", extra=EXTRA).nn.functional.gelu
    return layer["fc2"](gelu(layer["fc1"](states), approximate=ACTIVATIONS[settings.activation]))


def _attend(attention: Any, states: Any, table: Any, heads: int) -> Any:
    """Return what each patch takes from all; its query gates the table of relative positions.

    The gates are those of Chi et al. 2021 (arXiv 2106.16138, section 3.2), as WavLM has them.
    """
    functional = require("torch", extra=EXTRA).nn.functional

    def split(projection: str) -> Any:
        return attention[projection](states).unflatten(2, (heads, -1)).transpose(1, 2)

    query, bias = split("q_proj"), table
    if table is not None and "grep_linear" in attention:
        update, reset = attention["grep_linear"](query).unflatten(3, (2, -1)).sum(dim=4).sigmoid().chunk(2, dim=3)
        bias = (update * (reset * attention.grep_a - 1) + 2) * table
    mixed = functional.scaled_dot_product_attention(query, split("k_proj"), split("v_proj"), attn_mask=bias)
    return attention["out_proj"](mixed.transpose(1, 2).flatten(2))
