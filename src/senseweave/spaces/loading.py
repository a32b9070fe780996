"""Load a space by name: find the family of its model, and keep a single model in memory for equal arguments."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from senseweave.display import shorten
from senseweave.encoders.base import Encoder
from senseweave.encoders.families import BUILT_IN
from senseweave.encoders.family import Family
from senseweave.encoders.registry import build_family, family_for, find_family, is_scheme
from senseweave.encoders.runtime.checkpoint import no_downloads
from senseweave.encoders.runtime.devices import default_devices, device_kind, is_processor, parse_devices
from senseweave.encoders.runtime.half_types import prove_half_types
from senseweave.encoders.runtime.pinned_weights import allow_network
from senseweave.encoders.runtime.torch_runtime import check_device, is_half
from senseweave.errors import StoreError
from senseweave.forking import RLock
from senseweave.media import MediaPolicy, Modality
from senseweave.spaces.devices import Replica
from senseweave.spaces.fast_decoding import decode_smaller
from senseweave.spaces.presets import model_name
from senseweave.spaces.recorded import Trust, allowing, check_folders, check_recorded, remember
from senseweave.spaces.space import Space

S = TypeVar("S")

_live: WeakValueDictionary[str, Space] = WeakValueDictionary()
_lock = RLock()


def load(
    name: str | os.PathLike[str],
    *,
    normalize: bool | None = None,
    dimensions: int | None = None,
    cache_size: int = 4096,
    policy: MediaPolicy | None = None,
    fast_decode: bool = False,
    **options: Any,
) -> Space:
    """Load a space by name.

    Args:
        name: `starter`, a hub id, a local folder, `scheme:name` to choose the family (see `senseweave models`), or a
            preset of one model (see `senseweave info --presets`). The
            space of a folder is named by its absolute path, so that an index or a pickle finds it from anywhere.
        normalize: Whether vectors have length 1. None says yes, but for models that were saved to be compared by
            another similarity than the cosine (`similarity_fn_name`), whose lengths matter.
        dimensions: How many leading dimensions to keep (Matryoshka truncation); None for as many as the model was
            saved to keep (`truncate_dim`), else all.
        cache_size: How many finished vectors to keep; 0 for none.
        policy: What may be read when media come as paths, URLs or bytes. If it allows network, weights of `starter`
            that no package and no folder has are fetched from their authors.
        fast_decode: Whether JPEGs that are large beside what the model sees are decoded at 1/2, 1/4 or 1/8 of their
            size, still at least twice as large as that. Faster for photos, and other vectors, which the fingerprint
            says. Other images are decoded as ever.
        **options: Options of the family, such as `device`, `dtype`, `revision`, `max_length`, `prompts` or `pooling`.
            `device` may name several, as in `["cuda:0", "cuda:1"]`: the model is loaded on each, and they share the
            batches of a call. The vectors are those of one device, and so is the fingerprint.

    Returns:
        The space. Equal arguments return the same space while it is in use anywhere and its files stay as they are.
        Weights are loaded on first use.

    Raises:
        ModelError: If the model does not exist or cannot be loaded.
        ImportError: If an extra is missing; the message holds the install line.
        TypeError: If the family has no such option (the message lists its options), or a value has the wrong type.
        ValueError: If a value is impossible.
        TrustError: If it is an aligned space that stands on a model which only you can allow, see `senseweave.trust`.
    """
    name = os.fspath(name) if isinstance(name, os.PathLike) else name
    if not isinstance(name, str) or not name.strip():
        msg = f"the name of a model must be a string such as 'starter', not {name!r}"
        raise TypeError(msg)
    name = _absolute_name(model_name(name))
    if "device" in options:
        devices = parse_devices(options["device"])
        options["device"] = list(devices) if len(devices) > 1 else next(iter(devices), None)
    shared = {"normalize": normalize, "dimensions": dimensions, "cache_size": cache_size, "policy": policy}
    for option, value in (("fast_decode", fast_decode), ("normalize", normalize)):
        if not isinstance(value, bool) and not (option == "normalize" and value is None):
            msg = f"{option} must be True or False, not {value!r}"
            raise TypeError(msg)
    kept = {**options, **({"fast_decode": True} if fast_decode else {})}
    key = repr((name, sorted(shared.items()), sorted(kept.items())))
    with _lock:
        space = _live.get(key)
        if space is None or space._files.is_outdated():
            family, model = find_family(name, revision=options.get("revision"))
            check_folders(name, options)
            with allow_network(policy is not None and policy.network):
                chosen = _on_each_device(family, options)
                built = [_build(family, model, own, dimensions) for own in chosen]
            for encoders in built if fast_decode else []:
                decode_smaller(name, encoders)
            replicas = [_replica(family, own, encoders) for own, encoders in zip(chosen, built, strict=True)]
            _make_alike(name, replicas)
            space = _space_class(family)(
                name,
                built[0],
                recipe=(load, (name,), {**shared, **kept}),
                replicas=replicas if len(replicas) > 1 else (),
                **shared,  # type: ignore[arg-type]
            )
            if dimensions is not None:
                _ = space.dimension  # an impossible number of dimensions is an error here, not at the first vector
            _live[key] = space
    remember(name, options)  # also of a space that lives: the data folder may be another by now
    return space


def load_from_record(place: str, name: str, options: Mapping[str, Any], trust: Trust = None, *, how: str = "") -> Space:
    """Load a space that an index, an export or a pipeline file names, if what it asks for is allowed.

    Arguments and errors are those of `load_allowed`.
    """
    return load_allowed(load, place, name, options, trust, how=how)


def load_allowed(
    load: Callable[..., S], place: str, name: str, options: Mapping[str, Any], trust: Trust = None, *, how: str = ""
) -> S:
    """Load what data name, if what it asks for is allowed.

    Args:
        load: What loads it, by its name and options.
        place: Where the record stands, for the error.
        name: The recorded name.
        options: The recorded load options.
        trust: What the caller allows beyond what is harmless, see `senseweave.trust`.
        how: How the caller can allow it, for the error.

    Raises:
        TrustError: If it asks for more than that.
        StoreError: If its options are impossible.
        ModelError: If the model does not exist or cannot be loaded.
    """
    asked = check_recorded(place, name, options, trust, how=how)
    with allowing(trust), nullcontext() if any(demand.kind == "download" for demand in asked) else no_downloads():
        try:
            return load(name, **options)
        except (TypeError, ValueError) as error:  # an impossible option is a fault of the record, not of the caller
            msg = f"{place}: the recorded space {shorten(repr(name), 80)} cannot be loaded: {error}"
            raise StoreError(msg) from error


def _on_each_device(family: Family, options: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the options with which a model is built on each of its devices."""
    if "device" not in family.options():
        return [options]
    named = parse_devices(options.get("device"))
    devices = named or default_devices()
    if family.on_processor or len(devices) == 1:
        devices = named[:1]
    kinds = {device_kind(device) for device in devices}
    if len(kinds) > 1 and _may_differ(family, options):
        options = {**options, "backend": "torch"}
    return [{**options, "device": device} for device in devices] or [options]


def _replica(family: Family, options: Mapping[str, Any], encoders: Mapping[Modality, Encoder]) -> Replica:
    """Return encoders with their device, and with what checks it where the library that computes there is known."""
    device = options.get("device", "")
    checked = family.scheme in BUILT_IN and device and not is_processor(device)
    return Replica(device, encoders, partial(check_device, device) if checked else None)


def _may_differ(family: Family, options: Mapping[str, Any]) -> bool:
    """Return whether a graph may be taken on one kind of device where torch computes on another."""
    chosen = options.get("backend", "auto") == "auto" and options.get("precision") in (None, "fp32")
    return chosen and "backend" in family.options()


def _make_alike(name: str, replicas: Sequence[Replica]) -> None:
    """Let devices share batches: what is prepared for one computes on each.

    Raises:
        ValueError: If a model is made of other encoders on one device than on another.
    """
    first = replicas[0]
    for other in replicas[1:]:
        if any(type(encoder) is not type(first.encoders[modality]) for modality, encoder in other.encoders.items()):
            msg = (
                f"{name} computes in another way on {other.device!r} than on {first.device!r}, so they cannot share "
                "batches; name devices of one kind"
            )
            raise ValueError(msg)
        for modality, encoder in other.encoders.items():
            encoder.compute_as(first.encoders[modality])


def _build(
    family: Family, model: str, options: Mapping[str, Any], dimensions: int | None
) -> Mapping[Modality, Encoder]:
    """Build the encoders of a model on one device; those in 16 bits are measured before they are used."""
    encoders = build_family(family, model, options, dimensions)
    dtype = "bfloat16" if options.get("precision") == "bf16" else options.get("dtype")
    if dtype is not None and is_half(dtype):
        exact = {**{name: options[name] for name in options if name != "precision"}, "dtype": "float32"}
        prove_half_types(model, encoders, dtype, lambda: build_family(family, model, exact, dimensions))
    return encoders


def _space_class(family: Family) -> type[Space]:
    if family.space is None:
        return Space
    module, _, name = family.space.partition(":")
    space: type[Space] = getattr(importlib.import_module(module), name)
    return space


def _absolute_name(name: str) -> str:
    """Return a name with the path of its local folder or weight file made absolute; any other stays as it is."""
    if name != "starter" and os.path.isdir(name):
        return os.path.abspath(name)
    scheme, _, rest = name.partition(":")
    if not rest or not is_scheme(scheme) or not os.path.exists(rest.rpartition("//")[2]):
        return name
    family = family_for(scheme)
    if (family.folders and os.path.isdir(rest)) or (family.files and os.path.isfile(rest)):
        return f"{scheme}:{os.path.abspath(rest)}"
    architecture, slashes, file = rest.rpartition("//")
    if family.files and slashes and os.path.isfile(file):
        return f"{scheme}:{architecture}//{os.path.abspath(file)}"
    return name
