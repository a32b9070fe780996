"""Bridges of images, sounds and videos into a text space: by labels, captions, OCR or transcripts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from senseweave.arguments import check_choice
from senseweave.encoders.base import Encoder
from senseweave.encoders.bridges.base import Labels, Transcribe
from senseweave.encoders.bridges.classifiers import ImageClassifier, SoundClassifier, SoundLabels, TimmClassifier
from senseweave.encoders.bridges.faster_whisper import EARLIER_SPEECH, FasterWhisper
from senseweave.encoders.bridges.image_to_text import OCR, Caption, RapidOcr
from senseweave.encoders.bridges.vision_language import CAPTION_PROMPT, READING_PROMPT, find_writer
from senseweave.encoders.bridges.whisper_windows import Padding
from senseweave.encoders.family import Family
from senseweave.encoders.parts.frames import FRAMES, WINDOW_SECONDS, FrameVideo
from senseweave.encoders.registry import build_encoders
from senseweave.errors import ModelError
from senseweave.media import Modality

IMAGE_BRIDGES = "labels:MODEL, labels:timm:MODEL, caption:MODEL, ocr or ocr:MODEL"
AUDIO_BRIDGES = "labels:MODEL or transcribe:FOLDER"


def build(
    name: str,
    *,
    image: str | None = None,
    audio: str | None = None,
    video: bool = False,
    frames: int = FRAMES,
    window_seconds: float = WINDOW_SECONDS,
    template: str = "{}",
    temperature: float = 1.0,
    prompt: str | None = None,
    language: str | None = None,
    speech_padding: Padding = "short",
    speech_timestamps: bool = True,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> dict[Modality, Encoder]:
    """Bridge images, sounds and videos into the space of a text model.

    Args:
        name: The text model, as `senseweave.load` takes it.
        image: `labels:MODEL` (an image classifier of transformers), `labels:timm:MODEL` (of timm), `caption:MODEL`
            (an image-to-text or vision-language model of transformers), `ocr` (RapidOCR) or `ocr:MODEL` (TrOCR, for
            single lines, or a vision-language model).
        audio: `labels:MODEL` (an audio classifier of transformers) or `transcribe:FOLDER` (Whisper for faster-whisper).
        video: Whether to embed videos by their frames, through the image bridge.
        frames: Frames per segment of a video.
        window_seconds: Longer video is cut into segments of this length.
        template: What a class name is put into before it is embedded.
        temperature: Divides a classifier's logits.
        prompt: The question to a vision-language model about an image; for a description, or the text in it, if None.
        language: What is spoken, such as `de`, for Whisper models of several languages; detected if None.
        speech_padding: `short` fills windows of speech by a quarter of their length and decodes those again in 30
            seconds whose words are doubtful; `exact` fills all to the 30 seconds of Whisper's authors, which is slower.
        speech_timestamps: Whether Whisper writes its tokens of time, as its authors' `transcribe` does, and so leaves
            out fewer words; False with `speech_padding="exact"` gives the vectors of earlier versions.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        revision: Of a text model on a hub.
        options: Further options of the text model's family.

    Raises:
        ModelError: If a bridge or a model is unknown, or the text model embeds no text.
        ValueError: If an option is given that no bridge here heeds.
    """
    given = {"device": device, "dtype": dtype, "revision": revision}
    chosen = {option: value for option, value in given.items() if value is not None}
    text = build_encoders(name, {**chosen, **(options or {})}).get("text")
    if text is None:
        msg = f"{name} does not embed text, so no other modality can be bridged into its space"
        raise ModelError(msg)
    if prompt is not None and not str(image).startswith(("caption:", "ocr:")):
        msg = f"prompt={prompt!r} needs a model that writes about images; choose it with image='caption:MODEL'"
        raise ValueError(msg)
    if language is not None and not str(audio).startswith("transcribe:"):
        msg = f"language={language!r} needs a speech recognizer; choose it with audio='transcribe:FOLDER'"
        raise ValueError(msg)
    check_choice("speech_padding", speech_padding, get_args(Padding))
    models = {"device": device, "dtype": dtype}
    spoken = {"language": language, "padding": speech_padding, "timestamps": speech_timestamps}
    encoders: dict[Modality, Encoder] = {"text": text}
    if image is not None:
        encoders["image"] = _image_bridge(image, text, models, template, temperature, prompt)
    if audio is not None:
        encoders["audio"] = _audio_bridge(audio, text, models, template, temperature, spoken)
    if video:
        if image is None:
            msg = f"video needs an image bridge for its frames; choose it with image= ({IMAGE_BRIDGES})"
            raise ModelError(msg)
        encoders["video"] = FrameVideo(encoders["image"], frames=frames, window_seconds=window_seconds)
    return encoders


FAMILY = Family(
    scheme="bridge",
    build=build,
    modalities=("text", "image", "audio", "video"),
    extra="image",
    summary="a text model, and images, sounds and videos in its space by labels, captions, OCR or recognized speech",
    examples=("bridge:sentence-transformers/all-MiniLM-L6-v2",),
    dimensions=(384,),
    license="by models",
    earlier_defaults=(EARLIER_SPEECH,),
)


def _image_bridge(
    named: str, text: Encoder, models: Mapping[str, Any], template: str, temperature: float, prompt: str | None
) -> Encoder:
    kind, _, model = named.partition(":")
    if kind == "labels" and model:
        timm = model.startswith("timm:")
        classifier = TimmClassifier(model.removeprefix("timm:"), **models) if timm else ImageClassifier(model, **models)
        return Labels(classifier, text, template=template, temperature=temperature)
    if kind == "caption" and model:
        return Caption(find_writer(model, prompt=prompt, default=CAPTION_PROMPT, **models), text)
    if kind == "ocr":
        reader = find_writer(model, prompt=prompt, default=READING_PROMPT, **models) if model else RapidOcr()
        return OCR(reader, text)
    msg = f"image={named!r} is not a known bridge; expected {IMAGE_BRIDGES}"
    raise ModelError(msg)


def _audio_bridge(
    named: str,
    text: Encoder,
    models: Mapping[str, Any],
    template: str,
    temperature: float,
    spoken: Mapping[str, Any],
) -> Encoder:
    kind, _, model = named.partition(":")
    if kind == "labels" and model:
        return SoundLabels(SoundClassifier(model, **models), text, template=template, temperature=temperature)
    if kind == "transcribe" and model:
        folder = Path(model).expanduser()
        if not (folder / "model.bin").is_file():
            msg = f"{model} is not a folder with a Whisper model for faster-whisper (model.bin)"
            raise ModelError(msg)
        return Transcribe(FasterWhisper(folder, **spoken), text)
    msg = f"audio={named!r} is not a known bridge; expected {AUDIO_BRIDGES}"
    raise ModelError(msg)
