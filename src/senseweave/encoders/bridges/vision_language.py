"""Vision-language models, which write about an image what a prompt asks them for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from senseweave.encoders.bridges.greedy import Greedy
from senseweave.encoders.bridges.image_to_text import CAPTION_TOKENS, CAPTIONERS, Captioner, Writer
from senseweave.encoders.parts.backbone import Backbone, model_type, transformers_class
from senseweave.encoders.runtime.checkpoint import Checkpoint, resolve
from senseweave.encoders.runtime.tokenization import require_vocabulary
from senseweave.encoders.runtime.torch_runtime import Lazy, Loadable
from senseweave.errors import ModelError
from senseweave.extras import require

CAPTION_PROMPT = "Describe this image in one sentence."
READING_PROMPT = "Write down the text that stands in this image, and nothing else."


class VisionLanguage(Loadable):
    """An image-text-to-text model of transformers with a chat template, such as SmolVLM, LLaVA or Qwen-VL."""

    def __init__(
        self,
        name: str,
        *,
        prompt: str = CAPTION_PROMPT,
        device: str | None = None,
        dtype: str | None = None,
        revision: str | None = None,
        max_new_tokens: int = CAPTION_TOKENS,
    ) -> None:
        """Describe the model; it is loaded when it is first used.

        Args:
            name: Hub id or local folder, for example `HuggingFaceTB/SmolVLM-256M-Instruct`.
            prompt: The question about every image.
            device: torch device; the best there is if None.
            dtype: `float32`, `bfloat16` or `float16`.
            revision: Of a hub model.
            max_new_tokens: Where an answer ends at the latest.
        """
        self.prompt = prompt
        self.max_new_tokens = max_new_tokens
        self._backbone = Backbone(
            resolve(name, revision=revision), "AutoModelForImageTextToText", extra="image", device=device, dtype=dtype
        )
        self._generate = Greedy(self._backbone, max_new_tokens)
        self._processor: Lazy[Any] = Lazy(lambda: load_chat_processor(self._backbone.checkpoint))
        self.parts = (self._processor, self._backbone)

    @property
    def deterministic(self) -> bool:
        """Whether equal images have equal answers with any number of threads; not in half types."""
        return self._generate.deterministic

    def write(self, image: Any) -> str:
        """Return the model's answer to the prompt about a PIL image."""
        processor = self._processor()
        question = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": self.prompt}]}
        text = processor.apply_chat_template([question], add_generation_prompt=True, tokenize=False)
        inputs = processor(images=[image], text=[text], return_tensors="pt")
        tokens = self._generate(inputs)[inputs["input_ids"].shape[1] :]
        return str(processor.decode(tokens, skip_special_tokens=True)).strip()

    def identity(self) -> Mapping[str, object]:
        """Return model, prompt and length."""
        return {
            "writer": "vision-language",
            "model": self._backbone.identity(),
            "prompt": self.prompt,
            "max_new_tokens": self.max_new_tokens,
        }


def load_chat_processor(checkpoint: Checkpoint) -> Any:
    """Load what prepares images and chats for a model.

    Raises:
        ModelError: If the checkpoint has none, no chat template, or no vocabulary.
    """
    loader = transformers_class("AutoProcessor", checkpoint, "image")
    load = partial(loader.from_pretrained, str(checkpoint.folder), local_files_only=True)
    try:
        try:
            processor = load(backend="pil")
        except ImportError:  # transformers prepares videos with torchvision alone, and then takes it for pictures too
            processor = load()
    except (OSError, ValueError, KeyError) as error:
        msg = f"{checkpoint.name} does not say how images and text must be prepared for it: {error}"
        raise ModelError(msg) from error
    if not getattr(processor, "chat_template", None):
        msg = f"{checkpoint.name} has no chat template, so it takes no prompt about an image"
        raise ModelError(msg)
    require_vocabulary(checkpoint.name, processor.tokenizer)
    return processor


def is_image_text_to_text(kind: str) -> bool:
    """Return whether transformers knows a model type for image-text-to-text."""
    mappings = require("transformers.models.auto.modeling_auto", extra="image")
    return kind in mappings.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES


def find_writer(name: str, *, prompt: str | None, default: str, **options: Any) -> Writer:
    """Return the writer for a model that turns images into text, whether it takes a prompt or not.

    Args:
        name: Hub id or local folder.
        prompt: The question; `default` if None.
        default: The question if `prompt` is None.
        **options: `device` and `dtype`.

    Raises:
        ModelError: If the model writes nothing about images, or takes no prompt and `prompt` is set.
    """
    checkpoint = resolve(name)
    kind = model_type(checkpoint)
    if kind in CAPTIONERS:
        if prompt is not None:
            msg = f"{name} is a {kind!r} model, which takes no prompt; leave prompt={prompt!r} out"
            raise ModelError(msg)
        return Captioner(name, **options)
    if not is_image_text_to_text(kind):
        msg = (
            f"{name} is a {kind!r} model, which does not describe images; expected {', '.join(CAPTIONERS)}, "
            "or a vision-language model that transformers knows for image-text-to-text"
        )
        raise ModelError(msg)
    return VisionLanguage(name, prompt=default if prompt is None else prompt, **options)
