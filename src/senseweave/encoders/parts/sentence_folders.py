"""What a sentence-transformers folder holds: modules, length of vectors, prompts, identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from senseweave.encoders.parts.prompts import Prompts, find_prompts
from senseweave.encoders.parts.saved_settings import named_prompts
from senseweave.encoders.runtime.checkpoint import HUB_PATTERNS, Checkpoint
from senseweave.errors import ModelError

PATTERNS = [*HUB_PATTERNS, "README.md", "*/pytorch_model.bin"]
"""Files of a hub model. Older models keep the weights of their dense layers, and of those alone, in a pickle; it is
read `weights_only`."""


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
    """Return folder and class name of every module in `modules.json`, in order.

    Raises:
        ModelError: If one has no type, or a folder that is not a string.
    """
    modules = []
    for module in checkpoint.json_list("modules.json"):
        path, kind = module.get("path", ""), module.get("type")
        if not isinstance(path, str) or not isinstance(kind, str):
            msg = f"{checkpoint.name}: modules.json must hold a path and a type, both strings, for each module"
            raise ModelError(msg)
        modules.append((checkpoint.folder / path, kind.rpartition(".")[2]))
    return modules


def files_identity(checkpoint: Checkpoint) -> dict[str, object]:
    """Return the SHA-256 of every file that decides vectors, in the folder and in those of its modules."""
    folders: list[Path] = []
    for folder, _ in module_folders(checkpoint):
        folders += [folder, *_routes(checkpoint.name, folder)]
    return checkpoint.identity(folders)


def _routes(name: str, folder: Path) -> Iterator[Path]:
    """Yield the folders of the modules inside a Router or the older Asym, and of those inside these."""
    home = Checkpoint(name, folder)
    for file in ("router_config.json", "config.json"):
        types = home.json(file).get("types")
        for inner in types if isinstance(types, dict) else ():
            route = folder / str(inner)
            if route.is_dir() and route != folder:
                yield route
                yield from _routes(name, route)


def folder_prompts(checkpoint: Checkpoint, prompts: Mapping[str, str] | None) -> Prompts:
    """Return the prompts of a sentence-transformers folder: `prompts`, else saved in it, else by its names."""
    saved, usual = named_prompts(checkpoint)
    card = checkpoint.folder / "README.md"
    routed = any(kind == "Router" for _, kind in module_folders(checkpoint))
    if routed and prompts is None and not saved:
        prompts = {}  # queries and documents take different modules, which separate them without prompts
    aliases = [checkpoint.folder.resolve().name, str(checkpoint.json("config.json").get("_name_or_path") or "")]
    return find_prompts(
        checkpoint.name,
        aliases=[alias for alias in aliases if alias],
        saved=saved,
        default_name=usual,
        card=card.read_text(encoding="utf-8", errors="replace") if card.is_file() else "",
        prompts=prompts,
    )
