"""Backends and precisions of CLIP B/32 against transformers: pictures and captions in bulk, one of each.

Run `python benchmarks/image_backends.py`, on a machine that does nothing else, with `--threads 1` and with all cores.
The model has random weights, which say nothing of what a precision costs; the gates are those of `backends.py`, and so
are the rounds. Pictures are JPEGs of 640 x 480 pixels, decoded and prepared by each side. Graphs are made before, and
are not timed.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measuring
import numpy as np
from backends import Embed, open_sides, report
from images import BATCH, by_pillow, photograph
from query_latency import time_queries

REFERENCE = "transformers"
PICTURES, QUICK_PICTURES = 32, 16
CAPTIONS, QUICK_CAPTIONS = 200, 100
ALONE, QUICK_ALONE = 30, 10
CAPTION = "a photo of a small dog and an old red house by the quiet sea under white clouds in the evening light"
WORDS = CAPTION.split()


def main() -> None:
    """Compare all sides that this machine has."""
    options = measuring.arguments(__doc__, rounds=5).parse_args()
    warnings.simplefilter("ignore")
    measuring.set_threads(options.threads)
    import torch

    torch.set_num_threads(options.threads)
    photos = [photograph(640, 480, seed) for seed in range(QUICK_PICTURES if options.quick else PICTURES)]
    captions = [caption(number) for number in range(QUICK_CAPTIONS if options.quick else CAPTIONS)]
    alone = QUICK_ALONE if options.quick else ALONE
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SENSEWEAVE_CACHE"] = str(Path(folder) / "cache")
        name, by_image, by_text = clip(Path(folder))
        works: tuple[tuple[str, str, Embed, list[Any]], ...] = (
            ("picture", "embed_image", by_image, photos),
            ("caption", "embed_text", by_text, captions),
        )
        for what, method, reference, items in works:
            sides, gates = open_sides(name, method, items, reference(items))
            both = {REFERENCE: reference, **sides}
            calls = {side: (lambda embed=embed, items=items: embed(items)) for side, embed in both.items()}
            rounds, loads = measuring.take_rounds(calls, options, unit=f"{what}s/s", items=len(items))
            report(f"CLIP B/32, {what}s in bulk", f"{what}s/s", rounds, loads, gates, options, REFERENCE)
            each = {
                side: time_queries(lambda item, embed=embed: embed([item])[0], items[:alone], 50)
                for side, embed in both.items()
            }
            rounds, loads = measuring.take_rounds(each, options, unit="ms", returns_figure=True)
            report(f"CLIP B/32, one {what}, p50", "ms", rounds, loads, gates, options, REFERENCE)


def clip(folder: Path) -> tuple[str, Embed, Embed]:
    """Make CLIP B/32 with random weights; return its name, and its vectors by transformers of files and of texts."""
    import tokenizers
    import torch
    import transformers

    torch.manual_seed(0)
    saved = folder / "clip"
    words = sorted(set(WORDS))
    vocabulary = {token: number for number, token in enumerate(["<|startoftext|>", "<|endoftext|>", *words])}
    library = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<|endoftext|>"))
    library.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    library.post_processor = tokenizers.processors.TemplateProcessing(
        single="<|startoftext|> $A <|endoftext|>", special_tokens=[("<|startoftext|>", 0), ("<|endoftext|>", 1)]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=library, eos_token="<|endoftext|>", pad_token="<|endoftext|>", model_max_length=77
    )
    text = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    model = transformers.CLIPModel(transformers.CLIPConfig(text_config=text)).eval()
    model.save_pretrained(saved)
    tokenizer.save_pretrained(saved)
    transformers.CLIPImageProcessorPil().save_pretrained(saved)
    processor = transformers.AutoImageProcessor.from_pretrained(saved, backend="pil")

    def in_batches(compute: Callable[[list[Any]], Any], items: list[Any]) -> np.ndarray:
        with torch.inference_mode():
            rows = [compute(items[at : at + BATCH]).pooler_output for at in range(0, len(items), BATCH)]
        vectors: np.ndarray = torch.nn.functional.normalize(torch.cat(rows), dim=-1).numpy()
        return vectors

    def by_image(photos: list[Any]) -> np.ndarray:
        def compute(batch: list[Any]) -> Any:
            return model.get_image_features(**processor(images=list(map(by_pillow, batch)), return_tensors="pt"))

        return in_batches(compute, photos)

    def by_text(texts: list[Any]) -> np.ndarray:
        def compute(batch: list[Any]) -> Any:
            tokens = tokenizer(batch, padding=True, return_tensors="pt")
            return model.get_text_features(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])

        return in_batches(compute, texts)

    return f"clip:{saved}", by_image, by_text


def caption(number: int) -> str:
    """Return some 5 to 20 words."""
    rng = np.random.default_rng(number)
    return " ".join(rng.choice(WORDS, rng.integers(5, 20)))


if __name__ == "__main__":
    main()
