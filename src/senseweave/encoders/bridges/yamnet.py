"""YAMNet: which of AudioSet's 521 kinds of sound are heard in a recording."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from senseweave.encoders.parts.starter_weights import YAMNET
from senseweave.encoders.parts.yamnet_graph import SAMPLING_RATE, YamnetGraph
from senseweave.encoders.parts.yamnet_torch import YamnetTorch
from senseweave.encoders.runtime.devices import is_processor
from senseweave.encoders.runtime.pinned_weights import FoundWeights, PinnedWeights
from senseweave.encoders.runtime.tensor_files import MappedTensors
from senseweave.encoders.runtime.torch_runtime import Lazy, Loadable
from senseweave.media import Waveform

WEIGHTS, USUAL_SCORES = YAMNET.files
"""The network, and the mean score of each kind over recordings of many kinds."""


class Network(Protocol):
    """What computes features: a graph on the CPU, or torch on another device."""

    def features(self, samples: np.ndarray) -> np.ndarray:
        """Compute the features of each patch of samples, shape (n,); returns shape (patches, 1024), float32."""

    def load(self) -> None:
        """Make ready to compute."""

    def describe_backend(self) -> dict[str, object]:
        """Return what computes, as plain values for `Space.info`."""


class Yamnet(Loadable):
    """Scores of 521 kinds of sound, and 1,024 features, for every 0.48 s of a recording.

    The front end and the network are those of tensorflow/models, research/audioset/yamnet. A recording is padded with
    silence to whole patches, so that its end is heard.
    """

    sampling_rate = SAMPLING_RATE

    def __init__(self, weights: PinnedWeights = YAMNET, *, device: str | None = None) -> None:
        """Describe the network; its weights are checked and read on first use."""
        self.weights = weights
        self._device = device
        self._found: Lazy[FoundWeights] = Lazy(weights.find)
        self._tensors: Lazy[MappedTensors] = Lazy(lambda: MappedTensors(self._found().path(WEIGHTS)))
        self._header: Lazy[tuple[str, ...]] = Lazy(self._read_labels)
        self._classifier: Lazy[tuple[np.ndarray, np.ndarray]] = Lazy(self._read_classifier)
        self._network: Lazy[Network] = Lazy(self._load)
        self._information: Lazy[np.ndarray] = Lazy(self._read_information)
        self.parts = (self._found, self._tensors, self._header, self._information, self._classifier, self._network)

    @property
    def labels(self) -> Sequence[str]:
        """The names of the kinds in the order of the scores."""
        return self._header()

    def places(self, names: Sequence[str]) -> list[int]:
        """Return where kinds stand in the scores.

        Raises:
            ValueError: If there is no kind of that name.
        """
        labels = list(self.labels)
        return [labels.index(name) for name in names]

    @property
    def information(self) -> np.ndarray:
        """What a kind says of a recording, log(1 / usual score), shape (521,), float32."""
        return self._information()

    def scores(self, sound: Waveform) -> np.ndarray:
        """Return how sure the network is of each kind, from 0 to 1, shape (patches, 521), float32."""
        weight, bias = self._classifier()
        logits = self.features(sound) @ weight.T + bias
        scores: np.ndarray = 0.5 + 0.5 * np.tanh(0.5 * logits)  # the sigmoid, which does not overflow so
        return scores

    def features(self, sound: Waveform) -> np.ndarray:
        """Return the features before the classifier, shape (patches, 1024), float32."""
        return self._network().features(sound.samples)

    def describe_backend(self) -> dict[str, object]:
        """Return what computes, as plain values for `Space.info`."""
        return self._network().describe_backend()

    def load(self) -> None:
        """Read labels and weights, and open the network."""
        super().load()
        self._network().load()

    def identity(self) -> Mapping[str, object]:
        """Checksums of the weights and of the usual scores."""
        return {**self.network_identity(), "usual scores": self.weights.files[USUAL_SCORES]}

    def network_identity(self) -> Mapping[str, object]:
        """Checksum of the weights, which decide scores and features."""
        return {"sounds": "yamnet", "sha256": self.weights.sha256}

    def _read_labels(self) -> tuple[str, ...]:
        return tuple(json.loads(self._tensors().metadata["labels"]))

    def _read_information(self) -> np.ndarray:
        usual = json.loads(self._found().read(USUAL_SCORES))
        return -np.log(np.array([usual[label] for label in self.labels], np.float32))

    def _read_classifier(self) -> tuple[np.ndarray, np.ndarray]:
        weight, bias = (self._tensors()[f"classifier.{part}"].astype(np.float32) for part in ("weight", "bias"))
        return weight, bias

    def _load(self) -> Network:
        tensors = self._tensors()
        return YamnetGraph(tensors) if is_processor(self._device) else YamnetTorch(tensors, self._device)
