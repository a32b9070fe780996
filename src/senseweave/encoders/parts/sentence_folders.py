"""What a sentence-transformers folder holds: modules, length of vectors, prompts, identity."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from senseweave.encoders.parts.prompts import Prompts, find_prompts
from senseweave.encoders.runtime.checkpoint import HUB_PATTERNS, Checkpoint, hash_file, weight_files

PATTERNS = [*HUB_PATTERNS, "README.md", "*/pytorch_model.bin"]
"""Files of a hub model. Older models keep the weights of their dense layers, and of those alone, in a pickle; it is
read `weights_only`."""
DECIDING = frozenset({".json", ".txt", ".model", ".py", ".spm", ".bpe", ".tiktoken", ".jinja"})
"""Suffixes of the files that decide vectors beside the weights."""
UNDECIDING = frozenset(
    {
        "config_sentence_transformers.json",  # its prompts and dimensions are in the identity by themselves
        "finetuning.json",
        "trainer_state.json",
        "all_results.json",
        "eval_results.json",
        "train_results.json",
        "data_config.json",
        "generation_config.json",
        "requirements.txt",
        "LICENSE.txt",
    }
)
"""Files that lie beside a model and change no vector."""


def read_dimension(checkpoint: Checkpoint) -> int | None:
    """Return the length of a model's vectors from the configuration of its modules; None if it is not there."""
    for folder, kind in reversed(module_folders(checkpoint)):
        config = Checkpoint(checkpoint.name, folder).json("config.json")
        if kind == "Dense" and "out_features" in config:
            return int(config["out_features"])
        if kind == "Pooling":
            width = config.get("embedding_dimension") or config.get("word_embedding_dimension")
            mode = config.get("pooling_mode")
            if mode is None:
                modes = sum(1 for key, value in config.items() if key.startswith("pooling_mode_") and value is True)
            else:
                modes = 1 if isinstance(mode, str) else len(mode)
            return int(width) * max(1, modes) if width else None
        if kind != "Normalize":
            return None
    return None


def module_folders(checkpoint: Checkpoint) -> list[tuple[Path, str]]:
    """Return folder and class name of every module in `modules.json`, in order."""
    modules = checkpoint.json_list("modules.json")
    return [(checkpoint.folder / module.get("path", ""), str(module["type"]).rpartition(".")[2]) for module in modules]


def files_identity(checkpoint: Checkpoint) -> dict[str, object]:
    """Return the SHA-256 of every file that decides vectors: weights, configurations, tokenizers, code.

    All files of the folder and its modules count but those that are known to decide nothing, so that vectors that
    cannot be compared never share a fingerprint.
    """
    folders = {checkpoint.folder, *(folder for folder, _ in module_folders(checkpoint))}
    identity: dict[str, object] = {}
    for folder in sorted(folders):
        weights = weight_files(folder)
        texts = [path for path in folder.glob("*") if path.suffix in DECIDING and path.name not in UNDECIDING]
        for path in (*weights, *sorted(texts)):
            identity[str(path.relative_to(checkpoint.folder))] = hash_file(path)
    return identity


def folder_prompts(checkpoint: Checkpoint, prompts: Mapping[str, str] | None) -> Prompts:
    """Return the prompts of a sentence-transformers folder: `prompts`, else saved in it, else by its names."""
    saved = checkpoint.json("config_sentence_transformers.json")
    card = checkpoint.folder / "README.md"
    routed = any(kind == "Router" for _, kind in module_folders(checkpoint))
    if routed and prompts is None and not any((saved.get("prompts") or {}).values()):
        prompts = {}  # queries and documents take different modules, which separate them without prompts
    aliases = [checkpoint.folder.resolve().name, str(checkpoint.json("config.json").get("_name_or_path") or "")]
    return find_prompts(
        checkpoint.name,
        aliases=[alias for alias in aliases if alias],
        saved=saved.get("prompts"),
        default_name=saved.get("default_prompt_name"),
        card=card.read_text(encoding="utf-8", errors="replace") if card.is_file() else "",
        prompts=prompts,
    )
