"""Where a model's files are, whether they are whole, and what their content is."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from senseweave.errors import ModelError, WeightsError
from senseweave.extras import require
from senseweave.redaction import has_secret

NO_HUB: Final = (
    "and no model hub can be reached; load it once with a network, give a local folder, or use 'starter', whose "
    "weights come as packages"
)
"""What errors say of files that are not here and cannot be downloaded, and what to do."""
WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".onnx")
_SNAPSHOT: Final = re.compile(r"checkpoint-\d+")
_OTHERS: Final = re.compile(r"training_args|optimizer|scheduler|scaler|adapter_model|rng_state(_\d+)?")
DECIDING: Final = frozenset(
    {".json", ".txt", ".model", ".py", ".spm", ".bpe", ".codes", ".vocab", ".tiktoken", ".tokenizer", ".jinja"}
)
"""Suffixes of the files that decide vectors beside the weights."""
UNDECIDING: Final = re.compile(
    r"config_sentence_transformers\.json|finetuning\.json|generation_config\.json|data_config\.json|requirements\.txt|LICENSE\.txt"
    r"|(trainer|training)_\w+\.json|(all|eval|train|test|predict)_results\.(json|txt)"
)
"""Names of files that lie beside a model and change no vector; what is in the first of them is identified by itself."""
SETTINGS: Final = "config_sentence_transformers.json"
"""The first of them: prompts, similarity and dimensions, which are read when a model is loaded."""
HUB_PATTERNS = ["*.safetensors", *sorted(f"*{suffix}" for suffix in DECIDING - {".py"})]
"""What is fetched from a hub: safetensors, configurations and tokenizers, in all folders."""
PICKLE_PATTERNS = ["pytorch_model*.bin", "pytorch_model.bin.index.json"]
"""What is fetched besides of a model that has no safetensors; it is read with `weights_only` alone."""
CODE_PATTERNS = ["*.py"]
"""What is fetched besides where `trust_remote_code` is given."""
CONFIG_PATTERNS = ["*.json", "*/*.json"]
"""Files that are fetched before the weights, to detect the family of a model."""


@dataclass(frozen=True)
class Checkpoint:
    """A local folder that holds a model.

    Attributes:
        name: What the user called it.
        folder: Where its files are.
        revision: The requested hub revision, or None.
        pinned: The files that decide what the model does with their checksums, if they were compared with pinned ones.
    """

    name: str
    folder: Path
    revision: str | None = None
    pinned: tuple[tuple[str, str], ...] = ()

    def json(self, file: str) -> dict[str, Any]:
        """Read a JSON file of the checkpoint, or an empty dict if that file is missing."""
        content = self._read(file)
        if content is None:
            return {}
        if not isinstance(content, dict):
            msg = f"{self.name}: {file} holds a {type(content).__name__}, not an object"
            raise ModelError(msg)
        return content

    def json_list(self, file: str) -> list[dict[str, Any]]:
        """Read a JSON file of the checkpoint that holds a list of objects, or an empty list if that file is missing."""
        content = self._read(file)
        if content is None:
            return []
        if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
            msg = f"{self.name}: {file} is not a list of objects"
            raise ModelError(msg)
        return content

    def _read(self, file: str) -> Any:
        path = self.folder / file
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            msg = f"{self.name}: {file} is not valid JSON ({error})"
            raise ModelError(msg) from error

    @property
    def weights(self) -> tuple[Path, ...]:
        """Weight files in the folder and its direct subfolders, in each safetensors alone where there are any.

        What a trainer left beside a model (`checkpoint-500`, `training_args.bin`) is no part of it.
        """
        folders = [path for path in self.folder.iterdir() if path.is_dir() and not _SNAPSHOT.fullmatch(path.name)]
        return tuple(path for folder in (self.folder, *sorted(folders)) for path in weight_files(folder))

    def is_safe(self, folder: str = "") -> bool:
        """Return whether the weights of the folder, or of a folder in it, are safetensors."""
        return any(path.suffix == ".safetensors" for path in weight_files(self.folder / folder))

    def identity(self, folders: Iterable[Path] = ()) -> dict[str, object]:
        """Return the SHA-256 of every file that decides vectors: weights, configurations, tokenizers, code.

        All files count but those that are known to decide nothing, so that vectors that cannot be compared never share
        a fingerprint.

        Args:
            folders: Folders inside that of the checkpoint that belong to the model.
        """
        if self.pinned:
            return dict(self.pinned)
        identity: dict[str, object] = {}
        for folder in sorted({self.folder, *folders}):
            texts = [path for path in folder.glob("*") if path.suffix in DECIDING]
            kept = sorted(path for path in texts if not UNDECIDING.fullmatch(path.name))
            for path in (*weight_files(folder), *kept):
                identity[str(path.relative_to(self.folder))] = hash_file(path)
        if _seen.get() == "settings":
            identity[SETTINGS] = self.json(SETTINGS)
        return identity


def weight_files(folder: Path) -> list[Path]:
    """Return the weight files of a folder: safetensors alone where there are any, ONNX where there is nothing else."""
    found = sorted(p for p in folder.glob("*") if p.suffix in WEIGHT_SUFFIXES and not _OTHERS.fullmatch(p.stem))
    safe = [path for path in found if path.suffix == ".safetensors"]
    return safe or [path for path in found if path.suffix != ".onnx"] or found


_local_only: ContextVar[bool] = ContextVar("senseweave_local_only", default=False)
Seen = Literal["content", "stat", "settings"]
_seen: ContextVar[Seen] = ContextVar("senseweave_seen", default="content")


def resolve(
    name: str,
    *,
    revision: str | None = None,
    patterns: Iterable[str] = HUB_PATTERNS,
    weights: bool = True,
    code: bool = False,
) -> Checkpoint:
    """Find the folder of a hub id or a local path, downloading it only if a hub can be reached and allows it.

    Args:
        name: A hub id or the path of a folder.
        revision: Branch, tag or commit of a hub model.
        patterns: Which files of a hub model are fetched.
        weights: Whether a folder without weights is an error.
        code: Whether Python files are fetched too, which are run by those alone that trust them.

    Raises:
        ModelError: If there is neither a folder nor a hub model of that name, or the folder holds no weights.
    """
    local = Path(name).expanduser()
    patterns = [*patterns, *(CODE_PATTERNS if code else ())]
    if local.is_dir():
        if revision is not None:
            msg = f"{name} is a local folder, which has no revisions; leave revision={revision!r} out"
            raise ModelError(msg)
        checkpoint = Checkpoint(name, local)
    elif local.exists() or name.startswith((".", "/", "~")):
        state = "is a file" if local.exists() else "does not exist"
        msg = f"{name} {state}; expected a folder with config.json and weights, or a hub id such as 'owner/name'"
        raise ModelError(msg)
    else:
        checkpoint = Checkpoint(name, _download(name, revision, patterns), revision)
        if weights and not checkpoint.weights:
            checkpoint = Checkpoint(name, _download(name, revision, [*patterns, *PICKLE_PATTERNS]), revision)
    if weights and not checkpoint.weights:
        if (checkpoint.folder / "adapter_config.json").is_file():
            msg = f"{name} is an adapter without the weights of its base: load the base with adapter={name!r}"
            raise ModelError(msg)
        msg = f"{name} holds no weights (looked for {', '.join(WEIGHT_SUFFIXES)} in {checkpoint.folder})"
        raise ModelError(msg)
    return checkpoint


@contextmanager
def no_downloads() -> Iterator[None]:
    """Take hub models from the local cache alone, within a `with` block."""
    token = _local_only.set(True)
    try:
        yield
    finally:
        _local_only.reset(token)


def downloads_allowed() -> bool:
    """Return whether this is outside all blocks of `no_downloads`."""
    return not _local_only.get()


def is_cached(name: str, revision: str | None = None) -> bool:
    """Return whether the local cache holds the configuration of a hub model; nothing is fetched."""
    hub = require("huggingface_hub", extra="text", feature="loading a model by its hub id")
    names = ("config.json", "modules.json", "open_clip_config.json")
    return any(isinstance(hub.try_to_load_from_cache(name, file, revision=revision), str) for file in names)


def _download(name: str, revision: str | None, patterns: list[str]) -> Path:
    if has_secret(name):  # the hub's errors repeat it
        msg = f"{name} is a URL with a key or a password; give a hub id, such as 'owner/model', or a local folder"
        raise ModelError(msg)
    hub = require("huggingface_hub", extra="text", feature="loading a model by its hub id")
    errors = require("huggingface_hub.errors", extra="text")
    try:
        local = {"local_files_only": True} if _local_only.get() else {}
        return Path(hub.snapshot_download(name, revision=revision, allow_patterns=patterns, **local))
    except errors.RevisionNotFoundError as error:
        msg = f"{name} has no revision {revision!r}"
        raise ModelError(msg) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        msg = f"there is no model {name!r} on the hub, and no local folder of that name; see `senseweave models`"
        raise ModelError(msg) from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, OSError) as error:
        at = f" at revision {revision!r}" if revision else ""
        msg = f"{name}{at} is neither a local folder nor in the local cache, {NO_HUB}"
        # Three tracebacks of the hub's client say no more than that it was told to stay offline.
        chosen = isinstance(error.__cause__ or error, errors.OfflineModeIsEnabled)
        raise ModelError(msg) from None if chosen else error


def verify_sha256(path: Path, expected: str) -> Path:
    """Return `path` if its content has the pinned checksum.

    Raises:
        WeightsError: If it has another; the file is then not loaded.
    """
    with seeing("content"):
        found = hash_file(path)
    if found != expected:
        msg = (
            f"{path.name} has SHA-256 {found}, but {expected} is pinned; it is damaged or not the file that was tested"
        )
        raise WeightsError(msg)
    return path


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's content, computed once per size and time of change; but see `seeing`."""
    seen = _seen.get()
    if seen == "settings":
        return ""
    stat = os.stat(path)
    if seen == "stat":
        return f"{stat.st_size} bytes at {stat.st_mtime_ns}"
    return _sha256(str(path.resolve()), stat.st_size, stat.st_mtime_ns)


@contextmanager
def seeing(what: Seen) -> Iterator[None]:
    """Choose what identities hold of files, within a `with` block.

    Args:
        what: `content` for checksums, `stat` for size and time of change in their place, which takes no reading, or
            `settings` for what `SETTINGS` says and nothing else.
    """
    token = _seen.set(what)
    try:
        yield
    finally:
        _seen.reset(token)


@lru_cache(maxsize=1024)
def _sha256(path: str, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def from_pretrained(cls: Any, checkpoint: Checkpoint, *, unused: tuple[str, ...] = (), **options: Any) -> Any:
    """Load a transformers model in eval mode, and refuse it if any weight that matters is missing.

    Args:
        cls: A transformers model class, or an Auto class.
        checkpoint: Where its files are.
        unused: Prefixes of parameters that the encoder does not use, and which may therefore be missing.
        **options: Passed to `cls.from_pretrained`, for example `dtype` or `config`.

    Raises:
        WeightsError: If the checkpoint leaves parameters uninitialized or holds them in other shapes.
        ModelError: If it cannot be read as this kind of model.
    """
    safe_only = checkpoint.is_safe()
    try:
        with quiet_loading():
            model, info = cls.from_pretrained(
                str(checkpoint.folder),
                output_loading_info=True,
                local_files_only=True,
                use_safetensors=True if safe_only else None,
                **options,
            )
    except ImportError:
        raise
    except Exception as error:  # each format and model has errors of its own
        msg = f"{checkpoint.name} cannot be loaded as {cls.__name__}: {type(error).__name__}: {error}"
        raise ModelError(msg) from error
    require_whole(checkpoint.name, info, unused=unused)
    return model.eval()


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Keep transformers' progress bars off while a model loads, and put the setting back."""
    logging = require("transformers.utils.logging", extra="text")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def require_whole(name: str, info: Mapping[str, Any], *, unused: tuple[str, ...] = ()) -> None:
    """Raise `WeightsError` naming each weight that `info` reports as missing or misshapen."""
    missing = sorted(key for key in info.get("missing_keys", ()) if not key.startswith(unused or ("\0",)))
    misshapen = sorted(str(key[0] if isinstance(key, tuple) else key) for key in info.get("mismatched_keys", ()))
    if missing or misshapen:
        listed = ", ".join((missing + misshapen)[:8])
        more = f" and {len(missing) + len(misshapen) - 8} more" if len(missing) + len(misshapen) > 8 else ""
        why = "it is a checkpoint of another model, or incomplete"
        msg = f"{name} leaves weights of the encoder uninitialized: {listed}{more}; {why}"
        raise WeightsError(msg)
