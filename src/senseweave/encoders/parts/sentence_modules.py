"""Load a sentence-transformers folder offline, and refuse it if any weight is missing."""

from __future__ import annotations

import re
from typing import Any

from senseweave.encoders.parts.saved_settings import named_prompts
from senseweave.encoders.runtime.checkpoint import Checkpoint, quiet_loading, require_whole
from senseweave.encoders.runtime.tokenization import require_vocabulary
from senseweave.encoders.runtime.torch_runtime import pick_device, pick_dtype
from senseweave.errors import ModelError
from senseweave.extras import require


def load_modules(
    checkpoint: Checkpoint,
    *,
    device: str | None = None,
    dtype: str | None = None,
    trust_remote_code: bool = False,
    unused: tuple[str, ...] = ("pooler.",),
    library_class: str = "SentenceTransformer",
) -> Any:
    """Load a model of sentence-transformers from local files, in eval mode.

    sentence-transformers 6.2 only logs the weights that a checkpoint lacks, and starts from random weights; here that
    is an error.

    Args:
        checkpoint: The folder.
        device: torch device; the best available if None.
        dtype: Number type of the weights; float32 if None.
        trust_remote_code: Whether Python files of the checkpoint may be run.
        unused: Prefixes of parameters that no vector depends on, and that may therefore be missing.
        library_class: Name of the library's class.

    Returns:
        The model.

    Raises:
        WeightsError: If the checkpoint lacks weights.
        ModelError: If the folder cannot be loaded, for example because it needs `trust_remote_code`, or a tokenizer has
            no vocabulary.
    """
    named_prompts(checkpoint)  # whose error is clearer than the library's, which takes some of what is wrong
    library = require("sentence_transformers", extra="text", feature=f"loading {checkpoint.name}")
    options: dict[str, Any] = {"dtype": pick_dtype(dtype)}
    modules = checkpoint.json_list("modules.json")
    if checkpoint.is_safe(str(modules[0].get("path", "")) if modules else ""):
        options["use_safetensors"] = True
    try:
        with quiet_loading():
            model = getattr(library, library_class)(
                str(checkpoint.folder),
                device="cpu",  # where `require_loaded` can see which tensors were read
                local_files_only=True,
                trust_remote_code=trust_remote_code,
                model_kwargs=options,
            )
    except ImportError:
        raise
    except Exception as error:  # its modules raise whatever their authors chose
        hint = ""
        if "trust_remote_code" in str(error):
            hint = "; read the checkpoint's Python files, and load it with trust_remote_code=True if you trust them"
        msg = f"{checkpoint.name} cannot be loaded by sentence-transformers: {type(error).__name__}: {error}{hint}"
        raise ModelError(msg) from error
    tokenizer_class = require("transformers", extra="text").PreTrainedTokenizerBase
    for module in list(model.modules())[1:]:  # the model itself has the tokenizer of its first module
        tokenizer = getattr(module, "tokenizer", None)
        reads_text = {"text", "message"} & set(getattr(module, "modality_config", ["text"]))
        if reads_text and isinstance(tokenizer, tokenizer_class):
            require_vocabulary(checkpoint.name, tokenizer)
    if any("pooler_output" in str(getattr(module, "modality_config", "")) for module in model):
        unused = ()
    require_loaded(checkpoint.name, model, unused=unused)
    return model.to(pick_device(device)).eval()


def require_loaded(name: str, model: Any, *, unused: tuple[str, ...] = ()) -> None:
    """Check that every weight of every transformers model inside `model` was read from the checkpoint.

    transformers marks each tensor that it reads or ties, and initializes the others at random
    (`PreTrainedModel._finalize_model_loading`). Moving a model to another device drops the marks of its buffers, so
    this must be called before.

    Args:
        name: Name of the checkpoint, for the error.
        model: A torch module, as it was loaded.
        unused: Prefixes of weights that may be missing.

    Raises:
        WeightsError: If a weight was not read; the message names up to eight.
    """
    transformers = require("transformers", extra="text")
    if isinstance(model, transformers.PreTrainedModel):
        ignored = [re.compile(pattern) for pattern in model._keys_to_ignore_on_load_missing or ()]
        missing = [
            key
            for key, tensor in model.state_dict(keep_vars=True).items()
            if not getattr(tensor, "_is_hf_initialized", False) and not any(pattern.search(key) for pattern in ignored)
        ]
        require_whole(name, {"missing_keys": missing}, unused=unused)
        return
    for part in model.children():
        require_loaded(name, part, unused=unused)
