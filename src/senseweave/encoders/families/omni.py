"""Models that sentence-transformers loads with several modalities, given decoded inputs and never bare strings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.detection import BY_OTHER_MODULES, Rule, Signs, read_signs
from senseweave.encoders.family import Family
from senseweave.encoders.parts.saved_settings import named_prompts, with_settings
from senseweave.encoders.parts.sentence_folders import files_identity
from senseweave.encoders.parts.sentence_modules import load_modules
from senseweave.encoders.refusals import check_sentence_encoder
from senseweave.encoders.runtime.checkpoint import Checkpoint, resolve
from senseweave.encoders.runtime.torch_runtime import Lazy, Loadable
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.media import MODALITIES, Clip, Modality, Waveform

EXTRA = "text"
FRAMES = 8
WINDOW_SECONDS = 10.0
"""Seconds of a window of video, and of sound where the model's front end names no length of its own."""


class OmniModel(Loadable):
    """A `SentenceTransformer` of several modalities, loaded when it is first used.

    It embeds one input at a time, so that nothing is padded: what sentence-transformers 6.2 pads, it also pools.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str | None = None,
        dtype: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        """Describe the model."""
        self.checkpoint = checkpoint
        self._dtype = dtype

        def load() -> Any:
            model = load_modules(checkpoint, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
            model.truncate_dim = None  # the space cuts dimensions, and may be asked for others
            return model

        self._model: Lazy[Any] = Lazy(load)
        self.parts = (self._model,)

    def __call__(self) -> Any:
        """Return the model in eval mode, loading it if needed."""
        return self._model()

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that the configuration lists, else those of the loaded model."""
        listed = self.checkpoint.json("sentence_bert_config.json").get("modality_config")
        found = set(listed) if isinstance(listed, dict) else {str(modality) for modality in self().modalities}
        return tuple(modality for modality in MODALITIES if modality in found)

    @property
    def front_end(self) -> Any:
        """The feature extractor of the processor, or the processor itself."""
        processor = self()[0].processor
        return getattr(processor, "feature_extractor", processor)

    def embed(self, item: Mapping[str, Any], role: Role) -> np.ndarray:
        """Embed one input that names its modality, shape (dimension,), float32."""
        model = self()
        encode = model.encode_query if role == "query" else model.encode_document
        vector: np.ndarray = encode([dict(item)], show_progress_bar=False, convert_to_numpy=True)[0]
        return np.asarray(vector, np.float32)

    def identity(self) -> dict[str, object]:
        """Return weights, configuration, prompts and number type."""
        prompts, usual = named_prompts(self.checkpoint)
        return {
            "checkpoint": files_identity(self.checkpoint),
            "prompts": prompts,
            "dtype": self._dtype or "float32",
            **({"default_prompt": usual} if usual in prompts else {}),
        }


class OmniEncoder(Encoder):
    """One modality of a model that sentence-transformers loads."""

    modality: ClassVar[Modality]

    def __init__(self, model: OmniModel) -> None:
        """Describe the encoder."""
        self.model = model
        self.parts = (model,)

    @property
    def dimension(self) -> int:
        """The length of the vectors that all modalities share."""
        return int(self.model().get_embedding_dimension())

    @property
    def reads_role(self) -> bool:
        """Return True: prompts, and routes of a Router, may be for media too."""
        return True

    def prepare(self, items: Sequence[Any], role: Role) -> list[Prepared]:
        """Pass the items on; the model's own processor prepares them in `forward`."""
        return [Prepared((self.as_input(item), role)) for item in items]

    def as_input(self, item: Any) -> dict[str, Any]:
        """Return an item as sentence-transformers takes it, under the name of its modality."""
        return {self.modality: item}

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Embed the items one at a time."""
        return Encoded(np.stack([self.model.embed(*item.data) for item in batch]))

    def identity(self) -> Mapping[str, object]:
        """Return model, modality and window."""
        options = dict(self.decode_options)
        return {"family": "omni", "modality": self.modality, "model": self.model.identity(), "decode": options}


class OmniText(OmniEncoder):
    """Texts, each marked as text, so that a string that names a file or a URL is never opened."""

    modality: ClassVar[Modality] = "text"

    @property
    def max_length(self) -> int | None:
        """The number of tokens that are read; None if the model names no limit."""
        limit = getattr(self.model()[0], "max_seq_length", None)
        return int(limit) if limit else None

    def prepare(self, items: Sequence[str], role: Role) -> list[Prepared]:
        """Count the tokens that truncation will remove."""
        tokenizer, limit = self.model()[0].tokenizer, self.max_length
        prepared = super().prepare(items, role)
        for item, text in zip(prepared, items, strict=True):
            if limit is not None and callable(tokenizer):
                item.dropped = max(0, len(tokenizer(text, truncation=False, verbose=False)["input_ids"]) - limit)
        return prepared


class OmniImage(OmniEncoder):
    """Images, as PIL images."""

    modality: ClassVar[Modality] = "image"


class OmniAudio(OmniEncoder):
    """Sounds, at the rate and in windows of the length that the model's front end names."""

    modality: ClassVar[Modality] = "audio"

    @property
    def decode_options(self) -> Mapping[str, object]:
        """The sampling rate of the front end."""
        return {"sampling_rate": int(self.model.front_end.sampling_rate)}

    @property
    def window_seconds(self) -> float:
        """The seconds that the front end reads, if it has a limit."""
        front_end = self.model.front_end
        samples = getattr(front_end, "nb_max_samples", None) or getattr(front_end, "n_samples", None)
        return float(samples / front_end.sampling_rate) if samples else WINDOW_SECONDS

    def as_input(self, item: Waveform) -> dict[str, Any]:
        """Return the samples with their rate."""
        return {"audio": {"array": item.samples, "sampling_rate": item.sampling_rate}}


class OmniVideo(OmniEncoder):
    """Videos, as frames that are already sampled."""

    modality: ClassVar[Modality] = "video"
    decode_options: Mapping[str, object] = {"frames": FRAMES}
    window_seconds = WINDOW_SECONDS

    def as_input(self, item: Clip) -> dict[str, Any]:
        """Return the frames, shape (frames, channels, height, width)."""
        return {"video": np.ascontiguousarray(item.frames.transpose(0, 3, 1, 2))}


ENCODERS: dict[Modality, type[OmniEncoder]] = {
    "text": OmniText,
    "image": OmniImage,
    "audio": OmniAudio,
    "video": OmniVideo,
}


def build(
    name: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> dict[Modality, Encoder]:
    """Build an encoder for every modality of a model that sentence-transformers loads, over one model in memory.

    Args:
        name: Hub id or local folder with a modules.json.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        revision: Of a hub model.
        trust_remote_code: Whether Python files of the checkpoint may be run.

    Raises:
        ModelError: If the model has none of the four modalities, or makes no single vectors.
    """
    require("sentence_transformers", extra=EXTRA, feature=f"loading {name}")
    checkpoint = resolve(name, revision=revision, code=trust_remote_code)
    check_sentence_encoder(read_signs(name, checkpoint.folder), named=True)
    model = OmniModel(checkpoint, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
    encoders: dict[Modality, Encoder] = {modality: ENCODERS[modality](model) for modality in model.modalities}
    if not encoders:
        msg = f"{name} embeds none of {', '.join(MODALITIES)}"
        raise ModelError(msg)
    return with_settings(encoders, checkpoint)


def _has_further_layers(signs: Signs) -> bool:
    """Return whether a sentence-transformers folder has layers beyond the transformer and its normalization."""
    return bool(signs.modules) and not set(signs.modules) <= {"Transformer", "Normalize"}


FAMILY = Family(
    scheme="omni",
    build=build,
    modalities=("text", "image", "audio", "video"),
    extra="text",
    summary="models that sentence-transformers loads with several modalities, given decoded inputs and never strings",
    examples=("omni:path/to/model",),
    dimensions=(None,),
    license="by model",
    rules=(Rule(_has_further_layers, BY_OTHER_MODULES),),
)
