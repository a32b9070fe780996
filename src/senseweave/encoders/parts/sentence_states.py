"""A loaded sentence-transformers model: how it wants its text, and whether its token states can be computed apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from senseweave.encoders.base import Role
from senseweave.encoders.parts.graph_text import text_inputs
from senseweave.encoders.runtime.backends.base import Items, TextBackend
from senseweave.encoders.runtime.backends.choosing import choose_backend, log_padding
from senseweave.encoders.runtime.backends.export import Pipeline
from senseweave.encoders.runtime.backends.torch_packed import Packed
from senseweave.encoders.runtime.padding import restore_attention
from senseweave.encoders.runtime.tokenization import Tokenizer, fixed_length, least, position_limit
from senseweave.encoders.runtime.torch_runtime import to_device
from senseweave.errors import ModelError
from senseweave.extras import require

PACKED_MODULES = frozenset({"Pooling", "Dense", "Normalize", "LayerNorm"})
"""Modules that may follow a packed transformer: they compute from token states and their mask alone."""


class LoadedModules:
    """A loaded model, and how it wants its text."""

    def __init__(self, name: str, model: Any, *, pack: bool = True) -> None:
        if "text" not in model.modalities and "message" not in model.modalities:
            embeds = ", ".join(map(str, model.modalities))
            msg = f"{name} is a checkpoint of another family: it embeds {embeds}, not text"
            raise ModelError(msg)
        transformer = require("sentence_transformers.base.modules", extra="text").Transformer
        first = model[0]
        self.name = name
        self.model = model
        self.first = first
        for module in model.modules():
            # Padding on the left, as some models were saved, would move the positions and the first token of a text.
            if type(module) is transformer and hasattr(getattr(module, "tokenizer", None), "padding_side"):
                module.tokenizer.padding_side = "right"
        tokenizer = getattr(first, "tokenizer", None)
        self.tokenizer = Tokenizer(tokenizer) if hasattr(tokenizer, "pad_token_id") else None
        plain = type(first) is transformer and set(first.modality_config) == {"text"} and not first.query_expansion
        self.processing: dict[str, Any] = getattr(first, "processing_kwargs", None) or {}
        plain = plain and not self.processing
        self.routed = hasattr(first, "sub_modules")
        switching = [restore_attention(module) for module in model.modules()]
        self.switches = any(switching)
        self.length = fixed_length(self._config())
        self.by_text = self.tokenizer is not None and not plain
        """Whether the model's own `preprocess` must see the text: chat templates, routers, own ways to tokenize."""
        self.reason = self._why_not_states(plain)
        """Why token states cannot be computed without the first module, or None."""
        self.backend = self._packed_backend() if pack else None
        """Computes token states instead of the first module, where that is faster and proven equal."""
        self.skips_prompt = any(getattr(module, "include_prompt", True) is False for module in model)

    def limit(self, max_length: int | None, role: Role | None = None) -> int | None:
        """Return the number of tokens of a text of `role` that are read."""
        saved = getattr(self.first, f"{role}_length", None) if role else None
        own = self.processing.get("text", {}).get("max_length")
        return least(own or max_length or saved or self.model.max_seq_length, position_limit(self._config()))

    def prompt_length(self, prompt: str) -> int:
        """Return the number of tokens of the prompt that pooling leaves out, without the special token at the end."""
        assert self.tokenizer is not None
        ids = self.tokenizer.prepare([prompt], None)[0].data["input_ids"]
        return len(ids) - (ids[-1] in self.tokenizer.tokenizer.all_special_ids)

    def packed_features(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return token states as the module after the transformer takes them: padded, with their mask."""
        torch = require("torch", extra="text")
        assert self.backend is not None
        states, lengths = self.backend.states(items, (-1,))
        padded = torch.nn.utils.rnn.pad_sequence(states.split(lengths), batch_first=True)
        counts = torch.tensor(lengths, device=states.device)
        mask = (torch.arange(padded.shape[1], device=states.device) < counts[:, None]).long()
        return {"token_embeddings": padded, "attention_mask": mask, "modality": "text"}

    def _why_not_states(self, plain: bool) -> str | None:
        if not plain or self.tokenizer is None:
            return "its first module takes more than plain text"
        method = self.first.modality_config["text"]
        if method.get("method") != "forward" or method.get("method_output_name") != "last_hidden_state":
            return "its first module returns something other than token states"
        others = {type(module).__name__ for module in list(self.model)[1:]} - PACKED_MODULES
        if others:
            return f"packing is not known to work with its modules {', '.join(sorted(others))}"
        return None

    def _packed_backend(self) -> TextBackend | None:
        if self.reason is not None or self.tokenizer is None:
            log_padding(self.name, str(self.reason))
            return None
        backend = choose_backend(self.name, self.first.auto_model, self.tokenizer)
        return backend if isinstance(backend, Packed) else None

    def pipeline(self) -> Pipeline:
        """Return the modules as one, see `SentenceText.pipeline`."""
        reason = self.reason
        if reason is None and (self.switches or self.length is not None):
            reason = "its attention depends on the length of the text"
        if reason is None and self.skips_prompt:
            reason = "its pooling leaves the prompt out"
        if reason is not None or self.tokenizer is None:
            msg = f"{self.name} cannot be a graph: {reason}; use backend='torch'"
            raise ModelError(msg)
        model, tokenizer = self.model, self.tokenizer

        def reference(items: Items) -> np.ndarray:
            torch = require("torch", extra="text")
            with torch.inference_mode():
                features = tokenizer.pad(items, model.device)
                vectors: np.ndarray = model({**features, "modality": "text"})["sentence_embedding"].numpy()
            return vectors

        limits = least(model.max_seq_length), position_limit(self._config())
        inputs = text_inputs(self.name, tokenizer.tokenizer, tokenizer.prepare, *limits)
        return Pipeline(self.name, _joined(model), inputs, reference)

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = getattr(getattr(self.first, "config", None), "to_dict", dict)()
        return config

    def preprocess(self, texts: Sequence[str], prompt: str, task: str, max_length: int | None) -> dict[str, Any]:
        """Let the model tokenize, each text marked as text."""
        torch = require("torch", extra="text")
        if max_length is not None:
            self.model.max_seq_length = max_length
        routes = getattr(self.first, "sub_modules", None)  # of a Router
        taker = routes[task][0] if routes is not None and task in routes else self.first
        marked = hasattr(taker, "modality_config")
        inputs = [{"text": text} for text in texts] if marked else [prompt + text for text in texts]
        options: dict[str, Any] = {"prompt": prompt or None} if marked else {}
        if routes is not None:
            options |= {"task": task, "modality": "text"}  # without which a Router guesses what a string is
        elif marked:
            options["task"] = task
        preprocess = getattr(self.first, "preprocess", None) or self.first.tokenize
        features = preprocess(inputs, **options)
        return {
            name: to_device(value, self.model.device) if isinstance(value, torch.Tensor) else value
            for name, value in features.items()
        }


def _joined(model: Any) -> Any:
    """Return the modules of a sentence-transformers model as one module, from padded ids and their mask to vectors."""
    torch = require("torch", extra="text")

    class Joined(torch.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.transformer = model[0].auto_model
            self.others = torch.nn.ModuleList(list(model)[1:])

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            states = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            features = {"token_embeddings": states, "attention_mask": attention_mask, "modality": "text"}
            for module in self.others:
                features = module(features)
            return features["sentence_embedding"]

    return Joined().eval()
