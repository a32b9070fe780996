"""The embedded default: four modalities in one text space of 384 dimensions, on weights that come as packages.

Its relatives are `starter:multilingual`, the same over a text space of sixteen languages, and the features of its
networks: `starter:image-features` and `starter:sound-features`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from senseweave.arguments import check_choice
from senseweave.encoders.base import Encoder
from senseweave.encoders.bridges.base import FramesAndSpeech, Labels, Transcribe
from senseweave.encoders.bridges.efficientnet_lite import EfficientNetLite0, imagenet_definitions
from senseweave.encoders.bridges.faster_whisper import EARLIER_SPEECH, FasterWhisper
from senseweave.encoders.bridges.pooled_features import ImageFeatures, SoundFeatures
from senseweave.encoders.bridges.sounds import SoundEventLabels, SpeechAndSounds, hears_speech
from senseweave.encoders.bridges.spoken_language import WHISPER_LANGUAGES
from senseweave.encoders.bridges.whisper_windows import Padding
from senseweave.encoders.bridges.yamnet import Yamnet
from senseweave.encoders.family import Family
from senseweave.encoders.parts.minilm import MiniLM
from senseweave.encoders.parts.starter_weights import (
    EFFICIENTNET_LITE0,
    MINILM,
    UNIVERSAL_SENTENCE,
    WHISPER_BASE,
    WHISPER_TINY,
    YAMNET,
)
from senseweave.encoders.parts.universal_sentence import UniversalSentence
from senseweave.encoders.runtime.checkpoint import Checkpoint
from senseweave.encoders.runtime.devices import is_processor
from senseweave.encoders.runtime.onnx_session import usual_batch_tokens
from senseweave.encoders.runtime.padding import DEFAULT_BATCH_TOKENS
from senseweave.encoders.runtime.pinned_weights import PinnedWeights
from senseweave.errors import ModelError
from senseweave.media import Modality
from senseweave.suggestions import did_you_mean

MAX_LENGTH = 256
"""Tokens; what the model's authors trained and publish all-MiniLM-L6-v2 with (its sentence_bert_config.json)."""
SHORT_BATCH_TOKENS = 384
"""Per batch of the multilingual text encoder, whose states then fit the caches of a CPU."""
WINDOW_SECONDS = 15.0
FEATURES = {"image-features": ("device",), "sound-features": ("device", "window_seconds")}
"""The options of the relatives that are features of one modality."""
RELATIVES = ("multilingual", *FEATURES)


def build(
    name: str = "starter",
    *,
    device: str | None = None,
    max_length: int = MAX_LENGTH,
    batch_tokens: int | None = None,
    window_seconds: float = WINDOW_SECONDS,
    segment_seconds: float = 10.0,
    speech: str | None = None,
    language: str | None = None,
    speech_padding: Padding = "short",
    speech_timestamps: bool = True,
) -> dict[Modality, Encoder]:
    """Build the encoders of the starter, or of a relative.

    Args:
        name: `starter`; `multilingual` for the same over a text space of sixteen languages; `image-features` for the
            1,280 features of its image network, `sound-features` for the 1,024 of its network of sound events.
        device: Where text, images and sounds are computed: the CPU if None, by onnxruntime; any other by torch. Speech
            is recognized on the CPU.
        max_length: Tokens of a text that are read.
        batch_tokens: Tokens per batch of texts, padding included; what suits the text model if None.
        window_seconds: Length of the windows into which longer sound is cut.
        segment_seconds: Length of the segments into which longer video is cut.
        speech: `tiny` for Whisper tiny.en, which knows English, `base` for Whisper base, which knows many languages; if
            None, `base` for `multilingual` and `tiny` for `starter`.
        language: What is spoken, such as `de`, for `base`; told for each recording if None.
        speech_padding: `short` fills windows of speech by a quarter of their length and decodes those again in 30
            seconds whose words are doubtful; `exact` fills all to the 30 seconds of Whisper's authors, which is slower.
        speech_timestamps: Whether Whisper writes its tokens of time, as its authors' `transcribe` does, and so leaves
            out fewer words; False with `speech_padding="exact"` gives the vectors of earlier versions.

    Raises:
        ImportError: If the extra `starter` is not installed; the message holds the install line.
        ModelError: If there is no relative of that name.
        TypeError: If the relative does not have a given option; the message lists those it has.
        ValueError: If an option is none of those it may be, for example `language="german"`.
        WeightsError: If no package, folder or, where that is allowed, author has weights with the pinned checksums.
    """
    if name in FEATURES:
        options = {
            "max_length": max_length,
            "batch_tokens": batch_tokens,
            "window_seconds": window_seconds,
            "segment_seconds": segment_seconds,
            "speech": speech,
            "language": language,
            "speech_padding": speech_padding,
            "speech_timestamps": speech_timestamps,
        }
        _check_features(name, options)
        if name == "image-features":
            return {"image": ImageFeatures(_image_classifier(device))}
        return {"audio": SoundFeatures(_sound_events(device), window_seconds=window_seconds)}
    if name not in ("starter", "multilingual"):
        known = [f"starter:{relative}" for relative in RELATIVES]
        msg = f"there is no 'starter:{name}'; there are 'starter' and {', '.join(map(repr, known))}"
        raise ModelError(msg + did_you_mean(f"starter:{name}", known))
    chosen = speech or ("tiny" if name == "starter" else "base")
    recognizer = _speech_recognizer(chosen, language, speech_padding, speech_timestamps)
    events = _sound_events(device)
    classifier = _image_classifier(device)
    text: Encoder
    if name == "starter":
        text = _minilm(device, max_length, batch_tokens)
    else:
        text = UniversalSentence(
            _weights(UNIVERSAL_SENTENCE), max_length=max_length, batch_tokens=batch_tokens or SHORT_BATCH_TOKENS
        )
    image = Labels(classifier, text, texts=imagenet_definitions)
    transcripts = Transcribe(
        recognizer,
        text,
        window_seconds=window_seconds,
        is_speech=lambda sound: hears_speech(events, events.scores(sound)),
    )
    audio = SpeechAndSounds(transcripts, SoundEventLabels(events, text))
    video = FramesAndSpeech(image, audio, window_seconds=segment_seconds)
    return {"text": text, "image": image, "audio": audio, "video": video}


def _minilm(device: str | None, max_length: int, batch_tokens: int | None) -> Encoder:
    weights = MINILM.as_allowed()
    folder = weights.find().folder
    assert folder is not None  # no file of it comes in parts
    checkpoint = Checkpoint(weights.name, folder, pinned=tuple(weights.files.items()))
    if is_processor(device):
        return MiniLM(checkpoint, max_length=max_length, batch_tokens=batch_tokens or usual_batch_tokens())
    from senseweave.encoders.families.contextual import ContextualText  # torch's way, which few take

    tokens = batch_tokens or DEFAULT_BATCH_TOKENS
    return ContextualText(checkpoint, pooling="mean", device=device, max_length=max_length, batch_tokens=tokens)


def _image_classifier(device: str | None) -> EfficientNetLite0:
    return EfficientNetLite0(_weights(EFFICIENTNET_LITE0), device=device)


def _sound_events(device: str | None) -> Yamnet:
    return Yamnet(_weights(YAMNET), device=device)


def _weights(pinned: PinnedWeights) -> PinnedWeights:
    """Return weights that are read when they are first used, having checked that some place has them."""
    allowed = pinned.as_allowed()
    allowed.require()
    return allowed


def _speech_recognizer(speech: str, language: str | None, padding: Padding, timestamps: bool) -> FasterWhisper:
    check_choice("speech", speech, ("tiny", "base"))
    check_choice("speech_padding", padding, get_args(Padding))
    if speech == "base":
        if language is not None and language not in WHISPER_LANGUAGES:
            msg = f"language must be one of Whisper's codes, such as 'de' or 'zh', not {language!r}"
            raise ValueError(msg)
        return FasterWhisper(_weights(WHISPER_BASE), language=language, padding=padding, timestamps=timestamps)
    if language not in (None, "en"):
        msg = f"language={language!r} needs a recognizer of several languages; choose speech='base'"
        raise ValueError(msg)
    return FasterWhisper(_weights(WHISPER_TINY), language="en", padding=padding, timestamps=timestamps)


def _check_features(name: str, options: Mapping[str, object]) -> None:
    """Refuse options that features do not have."""
    defaults = {option: parameter.default for option, parameter in FAMILY.options().items()}
    given = [option for option, value in options.items() if value != defaults[option]]
    unknown = sorted(set(given) - set(FEATURES[name]))
    if unknown:
        msg = f"starter:{name} has no option {', '.join(unknown)}; it has: {', '.join(FEATURES[name])}"
        raise TypeError(msg)


FAMILY = Family(
    scheme="starter",
    build=build,
    modalities=("text", "image", "audio", "video"),
    extra="starter",
    summary=(
        "embedded default: MiniLM text, image labels, speech, 521 sounds, frames of video; 384 dimensions, offline"
    ),
    examples=("starter", "starter:multilingual", "starter:image-features", "starter:sound-features"),
    dimensions=(384, 512, 1280, 1024),
    license="Apache-2.0 and MIT weights from packages",
    earlier_defaults=(EARLIER_SPEECH,),
    folders=False,
)
