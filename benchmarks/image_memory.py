"""Memory that large photographs take, and whether memory grows with many batches: `python benchmarks/image_memory.py`.

The first table embeds photographs of 12 and of 50 megapixels with an encoder that only shrinks them, each row in a
process of its own: what is printed beside the peak is what the process held before. The second table embeds texts of
many lengths, and pictures, by small transformers with random weights, and prints resident memory as it goes: it must
level off.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WORDS = 400


def resident(field: str = "VmRSS") -> float:
    """Return resident memory of this process in megabytes; `VmHWM` for its peak."""
    # Not getrusage: its maximum is inherited from the process that started this process.
    return int(Path("/proc/self/status").read_text().partition(f"{field}:")[2].split()[0]) / 1024


def photos(answer: Any, width: int, height: int, count: int, threads: int) -> None:
    """Embed photographs of one size, and send the memory before and at the peak."""
    from senseweave.spaces import engine
    from senseweave.testing import toy_space

    engine.DECODE_THREADS = threads
    data = one_photo(width, height)
    space = toy_space(modalities=("image",))
    space.embed_image([data])
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident()
    space.embed_image([data + bytes([number]) for number in range(count)])
    answer.put((before, resident("VmHWM")))


def texts(answer: Any, count: int) -> None:
    """Embed texts of 1 to 400 words in calls of 100, and send resident memory on the way."""
    import senseweave as sw

    with tempfile.TemporaryDirectory() as folder:
        space = sw.load(f"contextual:{bert(Path(folder))}", pooling="mean", device="cpu", cache_size=0)
        chance = random.Random(0)
        seen = []
        for number in range(0, count, 100):
            space.embed_text([f"{number + i} " + "rain " * chance.randint(1, WORDS) for i in range(100)])
            if (number + 100) % (count // 5) == 0:
                seen.append(resident())
        answer.put(seen)


def pictures(answer: Any, count: int) -> None:
    """Embed pictures of many sizes in calls of 1 to 40, and send resident memory on the way."""
    import senseweave as sw

    with tempfile.TemporaryDirectory() as folder:
        space = sw.load(f"image:{vit(Path(folder))}", device="cpu", cache_size=0)
        chance = np.random.default_rng(0)
        seen, done = [], 0
        while done < count:
            some = int(chance.integers(1, 41))
            space.embed_image([noise(chance) for _ in range(some)])
            if done * 5 // count != (done + some) * 5 // count:
                seen.append(resident())
            done += some
        answer.put(seen)


def noise(chance: np.random.Generator) -> np.ndarray:
    """Return a picture of noise."""
    return chance.integers(0, 256, (*chance.integers(40, 700, 2), 3), dtype=np.uint8)


def bert(folder: Path) -> str:
    """Save a BERT of two layers."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "rain", *map(str, range(10))]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    wrapped.save_pretrained(folder)
    config = transformers.BertConfig(vocab_size=32, hidden_size=128, num_hidden_layers=2, num_attention_heads=4)
    transformers.BertModel(config).save_pretrained(folder)
    return str(folder)


def vit(folder: Path) -> str:
    """Save a ViT of two layers."""
    import transformers

    config = transformers.ViTConfig(hidden_size=128, num_hidden_layers=2, num_attention_heads=4, intermediate_size=256)
    transformers.ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    transformers.ViTImageProcessorPil().save_pretrained(folder)
    return str(folder)


def one_photo(width: int, height: int) -> bytes:
    """Return a JPEG; bytes after its end make others of it."""
    from PIL import Image

    rng = np.random.default_rng(0)
    ground = rng.integers(0, 256, (height // 50, width // 50, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(ground).resize((width, height)).save(file, "JPEG", quality=85)
    return file.getvalue()


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--texts", type=int, default=5000)
    parser.add_argument("--pictures", type=int, default=1000)
    options = parser.parse_args()
    print("| photographs | decoding threads | MB before | MB at the peak |\n| --- | --- | --- | --- |")
    for width, height in ((4000, 3000), (8660, 5774)):
        for threads in (1, 2, 4, 8):
            before, peak = in_process(photos, width, height, options.photos, threads)
            title = f"{options.photos} of {width * height / 1e6:.0f} megapixels"
            print(f"| {title} | {threads} | {before:.0f} | {peak:.0f} |", flush=True)
    print("\n| inputs | MB after each fifth |\n| --- | --- |")
    for name, work, count in (("texts", texts, options.texts), ("pictures", pictures, options.pictures)):
        seen = in_process(work, count)
        print(f"| {count} {name} of many sizes | {', '.join(f'{megabytes:.0f}' for megabytes in seen)} |", flush=True)


def in_process(work: Callable[..., None], *arguments: Any) -> Any:
    """Run in a new process and return what it sends."""
    spawn = multiprocessing.get_context("spawn")
    answer = spawn.Queue()
    process = spawn.Process(target=work, args=(answer, *arguments))
    process.start()
    sent = answer.get()
    process.join()
    return sent


if __name__ == "__main__":
    main()
