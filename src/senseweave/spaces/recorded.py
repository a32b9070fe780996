"""What data may choose: an index, an export or a pipeline file names models, and only its reader can allow them.

Whoever writes an index folder, a server's metadata, an export or a YAML pipeline decides the name and the load options
of its spaces. Loading those as they stand would let a stranger run Python files, choose a server and the environment
variable sent to it as a key, start a download, or read a path. So recorded names and options are judged first.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

import platformdirs

from senseweave.display import shorten
from senseweave.encoders.families import BUILT_IN
from senseweave.encoders.registry import is_scheme
from senseweave.encoders.runtime.checkpoint import is_cached
from senseweave.encoders.runtime.disk_cache import chosen_folder
from senseweave.errors import ModelError, TrustError
from senseweave.redaction import REDACTED, is_secret_option, quoted

Kind = Literal["code", "server", "download", "path", "plugin", "option"]
"""What a record may ask for: Python files of a model, a server and its key, a model from a hub, a local path, a model
family of another distribution, an option that is not known to be harmless."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
Trust: TypeAlias = bool | Kind | Collection[Kind] | None
"""What is allowed: kinds, True for all of them, None or False for nothing beyond what is allowed anyway."""

VARIABLE: Final = "SENSEWEAVE_TRUST"
"""Environment variable with kinds that are always allowed, separated by commas; `all` for every kind."""
DATA_VARIABLE: Final = "SENSEWEAVE_DATA"
REMEMBERED: Final = "named-models.txt"

HARMLESS: Final = frozenset(
    {
        "normalize", "dimensions", "max_length", "batch_tokens", "batch_texts", "batch_images", "batch_windows",
        "batch_clips", "batch_seconds", "dtype", "revision", "pooling", "layers", "prompts", "prompt", "language",
        "template", "temperature", "video", "frames", "window_seconds", "segment_seconds", "device", "cache_size",
        "timeout", "max_retries", "layer", "fast_decode", "preparation", "speech", "speech_padding",
        "speech_timestamps", "padding", "text_partner", "backend", "precision",
    }
)  # fmt: skip
"""Options that change what is computed and nothing else; their values are numbers, names of a method, or texts."""
MODELS: Final = frozenset({"text", "image", "audio", "tokenizer", "adapter"})
"""Options that name a further model, after a prefix such as `labels:timm:`."""
COMPOSED: Final = frozenset({"frames", "bridge"})
"""Families whose models are named by the name of another model."""
NESTING: Final = 4
"""A model that is composed of another model may be composed so many times, in its name or in its `options`."""
LONGEST_NAME: Final = 4096
_PREFIX: Final = re.compile(r"(labels:timm:|labels:|caption:|ocr:|transcribe:|ocr$)")
_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")

log = logging.getLogger(__name__)
_allowed: ContextVar[frozenset[Kind]] = ContextVar("senseweave_trust", default=frozenset())


@dataclass(frozen=True)
class Demand:
    """Something that a record asks for and that is not harmless.

    Attributes:
        kind: What is asked for.
        text: What it would do, as an error says it.
        key: By what it is remembered once the user has named it; None if it is never remembered.
        hub_model: The id and revision of a model that need not be downloaded where the local cache has it.
        folder: The folder of the model that asks for it, as an aligned space does; None if the name itself asks.
    """

    kind: Kind
    text: str
    key: str | None = None
    hub_model: tuple[str, str | None] | None = None
    folder: str | None = None

    @property
    def is_met(self) -> bool:
        """Whether there is nothing to ask for, because the local cache holds the model."""
        return self.hub_model is not None and is_cached(*self.hub_model)


@contextmanager
def trust(*kinds: Kind) -> Iterator[None]:
    """Allow what indexes, exports and pipeline files ask for, within a `with` block.

        with sw.trust("server"):
            pipeline = Pipeline.loads(yaml)

    Args:
        *kinds: `code`, `server`, `download`, `path`, `plugin` or `option`; every kind if none is given.

    Raises:
        ValueError: If a kind is unknown.
    """
    with allowing(kinds or True):
        yield


@contextmanager
def allowing(given: Trust) -> Iterator[None]:
    """Allow what an argument `trust=` allows, within a `with` block, besides what is allowed anyway."""
    token = _allowed.set(_allowed.get() | parse_trust(given))
    try:
        yield
    finally:
        _allowed.reset(token)


def parse_trust(given: Trust) -> frozenset[Kind]:
    """Return what is allowed as a set of kinds.

    Raises:
        ValueError: If a kind is unknown.
    """
    if given is None or given is False:
        return frozenset()
    if given is True:
        return frozenset(KINDS)
    named = [given] if isinstance(given, str) else list(given)
    unknown = [kind for kind in named if kind not in KINDS]
    if unknown:
        msg = f"trust={quoted(unknown[0])} is unknown; expected True or any of {', '.join(KINDS)}"
        raise ValueError(msg)
    return frozenset(named)


def check_recorded(place: str, name: Any, options: Any, given: Trust = None, *, how: str = "") -> list[Demand]:
    """Refuse a recorded space that asks for more than is allowed.

    Always allowed are weights that come with installed packages, models in the local cache of the hub and, as they
    were named, local folders and hub models that a program of this user has passed to `senseweave.load` before.

    Args:
        place: Where the record stands, for the error.
        name: The recorded name of the space.
        options: Its recorded load options.
        given: What the caller allows; `trust` and the environment variable `SENSEWEAVE_TRUST` allow more.
        how: How the caller can allow it, for the error.

    Returns:
        What it asks for, all of it allowed; not what the local cache of the hub has.

    Raises:
        TrustError: If it asks for more; the message says everything that it asks for.
        ValueError: If `given` or the environment variable names an unknown kind.
    """
    asked = [demand for demand in demands(name, options) if not demand.is_met]
    _refuse(place, name, asked, given, how)
    return asked


def check_folders(name: str, options: Mapping[str, Any]) -> None:
    """Refuse a model whose folder asks for other models that are not allowed, as an aligned space may.

    Args:
        name: As the user names it, who thereby allows what the name asks for, but not what its folder asks for.
        options: Load options.

    Raises:
        TrustError: If its folder asks for more than is allowed, see `check_recorded`.
    """
    asked = [demand for demand in demands(name, options) if demand.folder is not None and not demand.is_met]
    if asked:
        _refuse(str(asked[0].folder), name, asked, None, "")


def _refuse(place: str, name: Any, asked: list[Demand], given: Trust, how: str) -> None:
    """Raise TrustError if anything that is asked for is not allowed."""
    allowed = parse_trust(given) | _allowed.get() | _from_environment()
    known = _remembered() if any(demand.key is not None for demand in asked) else frozenset()
    refused = [
        demand
        for demand in asked
        if demand.kind not in allowed and (demand.key is None or _digest(demand.key) not in known)
    ]
    if refused:
        kinds = tuple(dict.fromkeys(demand.kind for demand in refused))
        raise TrustError(place, shorten(str(name), 80), kinds, tuple(demand.text for demand in refused), how)


def demands(name: Any, options: Any, *, depth: int = 0) -> list[Demand]:
    """Return what a recorded space asks for beyond what is harmless, by its name, its options and its folder.

    Args:
        name: The recorded name of the space.
        options: Its recorded load options.
        depth: How many options named `options`, or aligned spaces, these are inside of.
    """
    if options is None:
        options = {}
    if not isinstance(options, Mapping) or depth > NESTING:
        return [Demand("option", f"has the load options {shorten(repr(options), 60)}, expected a mapping")]
    revision = options.get("revision")
    found = _named(name, revision, depth=depth)
    for option, value in options.items():
        found += (
            demands("starter", value, depth=depth + 1)
            if option == "options"
            else _option(option, value, revision, depth)
        )
    return found


def remember(name: str, options: Mapping[str, Any]) -> None:
    """Remember local folders and hub models that a program of this user names, so that its indexes open again."""
    asked = demands(name, options)
    keys = {demand.key for demand in asked if demand.key is not None and demand.folder is None}
    folder = _data_folder()
    new = {_digest(key) for key in keys}
    if folder is None or not new or new <= _written.get(folder, set()):
        return
    _written.setdefault(folder, set()).update(new)
    new -= set(_remembered())
    if not new:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / REMEMBERED, "a", encoding="ascii") as file:
            file.write("".join(f"{digest}\n" for digest in sorted(new)))
    except OSError as error:
        log.info("cannot remember in %s that you named %s: %s", folder, name, error)


_written: dict[Path, set[str]] = {}


def _named(name: Any, revision: Any, *, depth: int = 0) -> list[Demand]:
    if depth > NESTING or not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        return [Demand("option", f"names its model by {shorten(repr(name), 60)}")]
    scheme, colon, rest = name.partition(":")
    if colon and is_scheme(scheme):
        if scheme not in BUILT_IN:
            return [Demand("plugin", f"loads a model by the plug-in {scheme!r}")]
        if scheme in COMPOSED:
            return _named(rest, revision, depth=depth + 1)
        if scheme == "openai":
            return [Demand("server", f"sends what it embeds to a server (model {shorten(repr(rest), 60)})")]
        if scheme == "starter" or (scheme, rest) == ("speaker", "resemblyzer"):
            return []
    elif name == "starter":
        return []
    else:
        rest = name
    written = shorten(repr(rest), 100)
    if not _HUB_ID.fullmatch(rest) or os.path.exists(rest):
        own = Demand("path", f"reads a model from the path {written}", f"path {os.path.abspath(rest)}")
        return [own, *_in_folder(rest, depth)]
    hub_id = f"timm/{rest}" if scheme == "timm" and "/" not in rest else rest
    plain_revision = revision if isinstance(revision, str) else None
    at = f" at revision {shorten(repr(revision), 40)}" if revision else ""
    key = f"download {scheme} {rest} {revision}"
    return [Demand("download", f"downloads the model {written}{at}", key, (hub_id, plain_revision))]


def _in_folder(path: str, depth: int) -> list[Demand]:
    """Return what the models ask for that an aligned space stands on; nothing for any other folder."""
    from senseweave.encoders.families.aligned import recorded_models  # not needed for what has a name

    try:
        models = recorded_models(Path(path).expanduser())
    except (ModelError, OSError, ValueError, RuntimeError):  # a damaged folder or an impossible path: loading says so
        return []
    if not models:
        return []
    asked = [demand for name, options in models for demand in demands(name, options, depth=depth + 1)]
    root = os.path.realpath(os.path.expanduser(path))
    # A model inside the folder is as trusted as the folder itself.
    inside = {f"path {name}" for name, _ in models if os.path.isabs(name) and name.startswith(root + os.sep)}
    return [replace(demand, folder=demand.folder or path) for demand in asked if demand.key not in inside]


def _option(option: Any, value: Any, revision: Any, depth: int) -> list[Demand]:
    if value is None:
        return []
    written = shorten(repr(value), 100)
    if option == "trust_remote_code":
        return [Demand("code", "runs Python files of the model (trust_remote_code)")] if value else []
    if option == "base_url":
        return [Demand("server", f"sends what it embeds to the server {written}")]
    if option == "key_variable":
        return [Demand("server", f"sends the environment variable {written} as a key")]
    if option in MODELS and isinstance(value, str):
        prefix = _PREFIX.match(value)
        model = value[prefix.end() :] if prefix else value
        timm = value.startswith("labels:timm:") and "/" not in model
        return _named(f"timm:{model}" if timm else model, revision, depth=depth) if model else []
    if option in HARMLESS and _is_plain(value):
        return []
    shown = REDACTED if is_secret_option(str(option)) else written
    return [Demand("option", f"sets the option {shorten(str(option), 40)}={shown}")]


def _is_plain(value: Any) -> bool:
    """Return whether a value is a number, a text, or a flat collection of them."""
    if isinstance(value, Mapping):
        return all(isinstance(part, str) for pair in value.items() for part in pair)
    if isinstance(value, (list, tuple)):
        return all(isinstance(part, (str, int, float)) for part in value)
    return isinstance(value, (str, int, float, bool))


def _from_environment() -> frozenset[Kind]:
    named = [kind.strip() for kind in os.environ.get(VARIABLE, "").split(",") if kind.strip()]
    return parse_trust(True if named == ["all"] else named)  # type: ignore[arg-type]


def _data_folder() -> Path | None:
    """Return `$SENSEWEAVE_DATA`, else `senseweave` in the platform's user data folder; None if turned off."""
    return chosen_folder(DATA_VARIABLE, platformdirs.user_data_path("senseweave", appauthor=False))


def _remembered() -> Collection[str]:
    folder = _data_folder()
    try:
        return set((folder / REMEMBERED).read_text(encoding="ascii").split()) if folder is not None else set()
    except (OSError, UnicodeDecodeError):
        return set()


def _digest(key: str) -> str:
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()
