"""Speech encoders: Whisper's and Moonshine's, wav2vec 2.0, HuBERT, WavLM and their kin, averaged over true frames."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from senseweave.arguments import check_choice
from senseweave.display import printable
from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.detection import Rule, has_model_type
from senseweave.encoders.family import Family
from senseweave.encoders.parts.backbone import Backbone, class_for, feature_extractor, model_type
from senseweave.encoders.parts.spectrogram import FRAME, SHIFT
from senseweave.encoders.runtime.checkpoint import resolve
from senseweave.encoders.runtime.networks import choose_ways
from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.extras import require
from senseweave.media import Modality, Waveform

CLASSES = {
    "whisper": "WhisperModel",
    "wav2vec2": "Wav2Vec2Model",
    "wav2vec2-conformer": "Wav2Vec2ConformerModel",
    "hubert": "HubertModel",
    "wavlm": "WavLMModel",
    "unispeech": "UniSpeechModel",
    "unispeech-sat": "UniSpeechSatModel",
    "data2vec-audio": "Data2VecAudioModel",
    "sew": "SEWModel",
    "sew-d": "SEWDModel",
    "moonshine": "MoonshineModel",
    "wav2vec2-bert": "Wav2Vec2BertModel",
}
ENCODER_AND_DECODER = ("whisper", "moonshine")
"""Model types whose encoder is used, and whose decoder may be missing."""
MOONSHINE_KERNELS, MOONSHINE_STRIDES = (127, 7, 3), (64, 3, 2)
"""Of Moonshine's convolutions, which its configuration does not name (Jeffries et al. 2024, arXiv 2410.15608)."""
WAVEFORM_WINDOW = 15.0
"""Seconds; models on waveforms were trained on crops of at most 250,000 samples, 15.6 s (Baevski et al. 2020, arXiv
2006.11477, section 4.2), and attention over longer clips costs their square."""
BATCH_SECONDS = 60.0
"""Seconds of sound per batch."""
SAMPLE_SECONDS = 2.0
"""Length of the noise on which ways to compute are compared."""
Padding = Literal["exact", "none"]


class SpeechEncoder(Encoder):
    """What Whisper and the models on waveforms share: layers, and the mean over frames."""

    modality: ClassVar[Modality] = "audio"

    def __init__(
        self, backbone: Backbone, *, layers: Sequence[int] = (-1,), batch_seconds: float = BATCH_SECONDS
    ) -> None:
        """Describe the encoder.

        Args:
            backbone: The model, or the encoder of it.
            layers: Hidden layers whose states are averaged before pooling; -1 is the model's output,
                0 the input of the first layer.
            batch_seconds: Seconds of sound per batch.
        """
        self.backbone = backbone
        self.layers = tuple(layers)
        self._batch_seconds = batch_seconds
        self._extractor: Lazy[Any] = Lazy(lambda: feature_extractor(backbone.checkpoint, backbone.extra))
        self.parts = (self._extractor, backbone)

    @property
    def dimension(self) -> int:
        """The encoder's width, or that of the adapter behind its last layer."""
        config = self.backbone.config
        adapted = getattr(config, "add_adapter", False) and self.layers == (-1,)
        return int(config.output_hidden_size if adapted else config.hidden_size)

    @property
    def decode_options(self) -> Mapping[str, object]:
        """The sampling rate that the model was trained on."""
        return {"sampling_rate": self.sampling_rate}

    @property
    def sampling_rate(self) -> int:
        """The sampling rate of the model's feature extractor, in Hz."""
        return int(self._extractor().sampling_rate)

    @property
    def batch_budget(self) -> int:
        """The number of samples in a batch."""
        return round(self._batch_seconds * self.sampling_rate)

    @abstractmethod
    def states(self, model: Any, inputs: Any, layers: bool) -> Any:
        """Run the model; return its output with `last_hidden_state`, and with `hidden_states` if `layers`."""

    @abstractmethod
    def frames(self, samples: int) -> int | None:
        """Return the number of leading output frames of sound, which padding follows; None for all frames."""

    def load(self) -> None:
        """Load the model, and find out how it computes fastest."""
        super().load()
        self._choose_ways()

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors of windows of one shape."""
        self._choose_ways()
        return Encoded(self.compute(batch))

    def without_padding(self) -> SpeechEncoder:
        """Return the encoder by which samples pass the same layers in the shortest time."""
        return self

    def _choose_ways(self) -> None:
        shortest = self.without_padding()

        def sample() -> list[Prepared]:
            noise = np.random.default_rng(0).normal(0, 0.1, round(SAMPLE_SECONDS * self.sampling_rate))
            return shortest.prepare([Waveform(noise.astype(np.float32), self.sampling_rate)], "document")

        choose_ways(self.backbone.checkpoint.name, self.backbone(), sample, shortest.compute)

    def compute(self, batch: Sequence[Prepared]) -> np.ndarray:
        """Run the model and average the states of true frames, in float32."""
        torch = require("torch", extra=self.backbone.extra)
        inputs = self.backbone.to_device(torch.from_numpy(np.stack([item.data for item in batch])))
        with self.backbone.inference():
            output = self.states(self.backbone(), inputs, self.layers != (-1,))
            # The last layer's states are followed by a norm in some models, which only `last_hidden_state` has seen.
            chosen = [output.last_hidden_state if n == -1 else self._layer(output, n) for n in self.layers]
            states = torch.stack([layer.float() for layer in chosen]).mean(dim=0)
            rows = [row[: self.frames(item.cost)].mean(dim=0) for row, item in zip(states, batch, strict=True)]
        vectors: np.ndarray = torch.stack(rows).cpu().numpy()
        return vectors

    def _layer(self, output: Any, number: int) -> Any:
        states = output.hidden_states
        if not -len(states) <= number < len(states):
            msg = f"{printable(self.backbone.checkpoint.name)} has layers 0 to {len(states) - 1}, not {number}"
            raise ValueError(msg)
        return states[number]

    def identity(self) -> Mapping[str, object]:
        """Return model, layers and window."""
        return {
            "family": "speech",
            "model": self.backbone.identity(),
            "layers": self.layers,
            "window_seconds": self.window_seconds,
        }


class WhisperEncoder(SpeechEncoder):
    """Whisper's encoder: sound is padded to 30 s, as it was trained, and the padding is left out of the mean.

    Without padding only equal lengths share a batch, and the vectors are others.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        layers: Sequence[int] = (-1,),
        batch_seconds: float = BATCH_SECONDS,
        padding: Padding = "exact",
    ) -> None:
        """Describe the encoder; `padding` is `exact` for 30 seconds or `none`."""
        super().__init__(backbone, layers=layers, batch_seconds=batch_seconds)
        self.padding = padding

    @property
    def window_seconds(self) -> float:
        """The window that the encoder was trained on, 30 seconds."""
        extractor = self._extractor()
        return float(extractor.n_samples / extractor.sampling_rate)

    def prepare(self, items: Sequence[Waveform], role: Role) -> list[Prepared]:
        """Compute log-mel spectrograms, shape (mel bands, 3000), or without padding (mel bands, 2 * frames)."""
        extractor = self._extractor()
        prepared = []
        for sound in items:
            samples = sound.samples[: extractor.n_samples]  # a window may be a sample longer, by rounding
            length, bucket = len(samples), None
            if self.padding == "none":
                bucket = self.frames(length)
                samples = np.pad(samples, (0, 2 * bucket * int(extractor.hop_length) - length))
            features = extractor(
                samples,
                sampling_rate=sound.sampling_rate,
                padding="max_length" if bucket is None else False,
                return_tensors="np",
            )
            prepared.append(Prepared(features["input_features"][0], cost=length, bucket=bucket))
        return prepared

    def without_padding(self) -> WhisperEncoder:
        """Return the encoder that computes what is there alone."""
        return WhisperEncoder(self.backbone, layers=self.layers, padding="none")

    def states(self, model: Any, inputs: Any, layers: bool) -> Any:
        """Run the encoder."""
        if self.padding == "none":
            return _run_whisper(model, inputs)
        return model(inputs, output_hidden_states=layers)

    def frames(self, samples: int) -> int:
        """Return the frames that begin within the sound, halved by the second convolution (at least 1)."""
        return (-(-samples // int(self._extractor().hop_length)) - 1) // 2 + 1

    def identity(self) -> Mapping[str, object]:
        """Return model, layers, window, and the padding unless it is that of Whisper's authors."""
        return {**super().identity(), **({"padding": self.padding} if self.padding != "exact" else {})}


def _run_whisper(model: Any, spectrograms: Any) -> Any:
    """Run Whisper's encoder of transformers on spectrograms of any length, which its `forward` refuses.

    Args:
        model: `WhisperEncoder` of transformers.
        spectrograms: Shape (n, mel bands, frames).
    """
    gelu = require("torch", extra="audio-models").nn.functional.gelu
    states = gelu(model.conv2(gelu(model.conv1(spectrograms)))).transpose(1, 2)
    states = states + model.embed_positions.weight[: states.shape[1]]
    hidden = [states]
    for layer in model.layers:
        output = layer(states, None)
        states = output[0] if isinstance(output, tuple) else output
        hidden.append(states)
    return SimpleNamespace(last_hidden_state=model.layer_norm(states), hidden_states=hidden)


class WaveformEncoder(SpeechEncoder):
    """Models that read samples. Only equal lengths share a batch, so that there is no padding.

    Models with a group norm (wav2vec2-base) were trained without a mask and change with padding, whatever the mask.
    """

    window_seconds: float

    def __init__(
        self,
        backbone: Backbone,
        *,
        layers: Sequence[int] = (-1,),
        window_seconds: float = WAVEFORM_WINDOW,
        batch_seconds: float = BATCH_SECONDS,
    ) -> None:
        """Describe the encoder; longer sound is cut into windows of `window_seconds`."""
        super().__init__(backbone, layers=layers, batch_seconds=batch_seconds)
        self.window_seconds = window_seconds

    def prepare(self, items: Sequence[Waveform], role: Role) -> list[Prepared]:
        """Standardize each clip by itself where the model asks for it; pad what is shorter than a frame to a frame."""
        extractor, least = self._extractor(), self.least_samples
        prepared = []
        for sound in items:
            samples = np.pad(sound.samples, (0, max(0, least - len(sound.samples))))
            inputs = extractor(samples, sampling_rate=sound.sampling_rate, padding=False, return_tensors="np")
            prepared.append(Prepared(inputs["input_values"][0], cost=len(samples), bucket=len(samples)))
        return prepared

    @property
    def least_samples(self) -> int:
        """The samples that one frame sees."""
        config = self.backbone.config
        kernels = getattr(config, "conv_kernel", MOONSHINE_KERNELS)
        squeeze = getattr(config, "squeeze_factor", 1)  # SEW averages this many frames
        strides = getattr(config, "conv_stride", MOONSHINE_STRIDES)
        return receptive_field([*kernels, squeeze], [*strides, squeeze])

    def states(self, model: Any, inputs: Any, layers: bool) -> Any:
        """Run the model without a mask."""
        return model(inputs, output_hidden_states=layers)

    def frames(self, samples: int) -> None:
        """Return None: there is no padding, so all frames are true."""


class SpectralEncoder(WaveformEncoder):
    """Wav2Vec2-BERT, which reads frames of mel filter banks. Only equal lengths share a batch, so that none is padded.

    Its extractor stacks two frames into one; the frame that an odd number leaves over has no partner, and is dropped
    (facebookresearch/seamless_communication, as transformers does under its mask).
    """

    def prepare(self, items: Sequence[Waveform], role: Role) -> list[Prepared]:
        """Compute filter banks, shape (frames, bands); pad what is shorter than two of its frames to two."""
        extractor = self._extractor()
        least = FRAME + SHIFT
        prepared = []
        for sound in items:
            samples = np.pad(sound.samples, (0, max(0, least - len(sound.samples))))
            inputs = extractor(samples, sampling_rate=sound.sampling_rate, return_tensors="np")
            banks = inputs["input_features"][0][: int(inputs["attention_mask"][0].sum())]
            prepared.append(Prepared(banks, cost=len(samples), bucket=banks.shape))
        return prepared


def receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Return the number of samples that an output frame sees; fewer give no frame at all."""
    field = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        field = (field - 1) * stride + kernel
    return field


def build(
    name: str,
    *,
    layers: Sequence[int] = (-1,),
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    window_seconds: float | None = None,
    batch_seconds: float = BATCH_SECONDS,
    padding: Padding = "exact",
) -> dict[Modality, Encoder]:
    """Build the audio encoder of a speech checkpoint; it needs a feature extractor but no tokenizer.

    Args:
        name: Hub id or local folder, for example `openai/whisper-base` or `microsoft/wavlm-base-plus`.
        layers: Hidden layers whose states are averaged; the last if not given. Middle layers often serve better for
            speaker and sound, later layers for words (Pasad et al. 2021, arXiv 2107.04734).
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        revision: Of a hub model.
        window_seconds: Longer sound is cut into windows of this length; 15 s if None, and always 30 s for Whisper.
        batch_seconds: Seconds of sound per batch.
        padding: `exact` fills Whisper's windows to 30 seconds, as its authors do; `none` computes what is there, which
            is several times faster for short clips and gives other vectors.

    Raises:
        ValueError: If `window_seconds` of Whisper is not the window that it was trained on, or `padding` is unknown or
            given for another model than Whisper.
    """
    check_choice("padding", padding, get_args(Padding))
    checkpoint = resolve(name, revision=revision)
    class_name = class_for(checkpoint, CLASSES, "speech")
    kind = model_type(checkpoint)
    encoder_alone = kind in ENCODER_AND_DECODER
    backbone = Backbone(
        checkpoint,
        class_name,
        extra="audio-models",
        device=device,
        dtype=dtype,
        # Fine-tuned checkpoints leave out the vector of masked frames, which only training uses.
        unused=("decoder.",) if encoder_alone else ("masked_spec_embed",),
        part=(lambda model: model.encoder) if encoder_alone else None,
    )
    if kind == "whisper":
        whisper = WhisperEncoder(backbone, layers=layers, batch_seconds=batch_seconds, padding=padding)
        if window_seconds is not None and window_seconds != whisper.window_seconds:
            msg = f"Whisper reads windows of {whisper.window_seconds:g} s and no others; leave window_seconds out"
            raise ValueError(msg)
        return {"audio": whisper}
    if padding != "exact":
        msg = f"padding={padding!r} is for Whisper; {printable(name)} ({kind}) is never padded, leave it out"
        raise ValueError(msg)
    reads = SpectralEncoder if kind == "wav2vec2-bert" else WaveformEncoder
    seconds = WAVEFORM_WINDOW if window_seconds is None else window_seconds
    return {"audio": reads(backbone, layers=layers, window_seconds=seconds, batch_seconds=batch_seconds)}


FAMILY = Family(
    scheme="speech",
    build=build,
    modalities=("audio",),
    extra="audio-models",
    summary="speech encoders: Whisper's, Moonshine's, wav2vec 2.0, HuBERT, WavLM and kin, over true frames, any layer",
    examples=("openai/whisper-base", "microsoft/wavlm-base-plus", "facebook/hubert-base-ls960"),
    dimensions=(512, 768, 768),
    license="by model; MIT for Whisper and WavLM, Apache-2.0 for wav2vec 2.0 and HuBERT",
    rules=(Rule(has_model_type(*CLASSES)),),
)
