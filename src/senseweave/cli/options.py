"""Options that several commands share, and the checks of what is given for them."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from senseweave.errors import SenseweaveError
from senseweave.redaction import without_secrets
from senseweave.suggestions import did_you_mean

if TYPE_CHECKING:
    from senseweave.media import Modality
    from senseweave.media.forms.source import Pages
    from senseweave.media.kinds.picture_text import Ocr
    from senseweave.retrieval import Index
    from senseweave.spaces.recorded import Kind
    from senseweave.spaces.space import Space
    from senseweave.spaces.sparse_space import SparseSpace

N = TypeVar("N", int, float)
EMPTY = 1
"""Exit code for an empty index, and for a command that found nothing to do."""
MODALITIES: tuple[Modality, ...] = ("text", "image", "audio", "video")
"""As in `senseweave.media`, without its imports: completion in a shell has to be quick."""

IndexPlace = Annotated[
    str,
    typer.Argument(
        help="Folder of an index created by `senseweave index`, or an address: http://HOST:PORT (Chroma), "
        "qdrant+http://HOST:6333, postgresql://USER@HOST/DATABASE.",
        metavar="INDEX",
    ),
]
IntoPlace = Annotated[
    str,
    typer.Option("--into", help="Folder of the index, created if it does not exist; or an address, as for `search`."),
]
Trusted = Annotated[
    list[str] | None,
    typer.Option(
        "--trust",
        help="Let the index choose this: code, server, download, path, plugin or option; may be repeated.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        help="Only records with this metadata: author=Ann, year>=2020, tag!=draft, name=[...] for one of several, or a "
        "JSON filter; may be repeated.",
    ),
]
OnlyModalities = Annotated[
    list[str] | None,
    typer.Option("--modality", help="Only this modality; may be repeated.", autocompletion=lambda: list(MODALITIES)),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="Where models compute: cpu, cuda, cuda:1 or mps; or several, as cuda:0,cuda:1. "
        "[default: the best there is]",
    ),
]
NamedSpaces = Annotated[
    list[str] | None,
    typer.Option("--space", help="Model of the index, named by you; may be repeated. [default: as recorded]"),
]
ModelOptions = Annotated[
    list[str] | None,
    typer.Option("--option", help="Option of the model, such as backend=onnx or max_length=256; may be repeated."),
]
OnlyPaths = Annotated[bool, typer.Option("--paths", help="Print the paths of files, one a line, and nothing else.")]
EndWithNull = Annotated[
    bool, typer.Option("-0", "--null", help="Like --paths, each ended by a NUL byte, for `xargs -0`.")
]


@contextmanager
def open_index(place: str, **options: Any) -> Iterator[Index]:
    """Open an index for the duration of a block; if there is none, say how to create it on the command line.

    Args:
        place: A folder, or the address of a store.
        options: As `Index.open` takes them.
    """
    from senseweave.retrieval import Index

    with opened_place(place) as opened:
        is_folder = isinstance(opened, Path)
        with Index.open(existing_index(place) if is_folder else opened, **options) as index:
            yield index


def is_being_written(place: str) -> bool:
    """Return whether another process is writing to an index in a folder at this moment."""
    from senseweave.retrieval.stores.addresses import is_address
    from senseweave.retrieval.stores.lock import FolderLock

    return not is_address(place) and FolderLock(Path(place)).busy()


@contextmanager
def opened_place(place: str) -> Iterator[Any]:
    """Give a folder as a path, and the store at an address for the duration of a block."""
    from senseweave.retrieval.stores.addresses import is_address
    from senseweave.stores import connect

    if is_address(place):
        with closing(connect(place)) as store:
            yield store
    else:
        yield Path(place)


def existing_index(given: str) -> Path:
    """Return the folder of an index, absolute.

    Raises:
        SenseweaveError: If it is not a folder, or there is no index; the message says how to create one on the command
            line.
    """
    from senseweave.retrieval.integrity.database import DATABASE
    from senseweave.retrieval.integrity.swap import finish_swap
    from senseweave.retrieval.stores.addresses import is_address

    if is_address(given):
        msg = f"{without_secrets(given)}: is the address of a server; this command needs the folder of an index"
        raise SenseweaveError(msg)
    place, folder = Path(os.path.abspath(given)), Path(given)
    finish_swap(place)
    if not (place / DATABASE).is_file():
        state = "is a file" if folder.is_file() else "there is no index here" if folder.exists() else "no such folder"
        msg = f"{folder}: {state}; create an index with: senseweave index FILES --into FOLDER"
        raise SenseweaveError(msg)
    return place


def load_space(name: str, options: list[str] | None) -> Space | SparseSpace:
    """Load a space, or a sparse space, with options as the command line gives them.

    Args:
        name: As for `senseweave.load` and `senseweave.load_sparse`.
        options: Names with values, `backend=onnx`; a value that is JSON is read as JSON, any other is a text.

    Raises:
        SenseweaveError: If the model has no such option, or a value is impossible.
    """
    from senseweave.retrieval.index_spaces import load_any

    parsed: dict[str, Any] = {}
    for entry in options or ():
        option, equals, value = entry.partition("=")
        if not equals or not option:
            msg = f"--option expects NAME=VALUE, such as backend=onnx, not {entry!r}"
            raise SenseweaveError(msg)
        try:
            parsed[option] = json.loads(value)
        except ValueError:
            parsed[option] = value
    try:
        return load_any(name, **parsed)
    except (TypeError, ValueError) as error:
        if isinstance(error, SenseweaveError):
            raise
        raise SenseweaveError(str(error)) from None


def trusted_kinds(names: list[str] | None) -> Collection[Kind]:
    """Return what an index may ask for.

    Raises:
        SenseweaveError: If a name is not a kind.
    """
    from senseweave.spaces.recorded import parse_trust

    try:
        return parse_trust(names)  # type: ignore[arg-type]
    except ValueError as error:
        raise SenseweaveError(str(error)) from None


def chosen_ocr(name: str) -> Ocr:
    """Return which pictures are read.

    Raises:
        SenseweaveError: If the name is none of the choices.
    """
    from senseweave.media.kinds.picture_text import PictureReading

    try:
        return PictureReading(name).ocr  # type: ignore[arg-type]
    except ValueError as error:
        raise SenseweaveError(str(error)) from None


def chosen_pages(name: str) -> Pages:
    """Return what is kept of pages.

    Raises:
        SenseweaveError: If the name is none of the choices.
    """
    from senseweave.arguments import check_choice
    from senseweave.media.forms.source import PAGES

    try:
        check_choice("pages", name, PAGES)
    except ValueError as error:
        raise SenseweaveError(str(error)) from None
    return name  # type: ignore[return-value]


def chosen_modalities(names: list[str] | None) -> set[Modality] | None:
    """Return modalities by name.

    Raises:
        SenseweaveError: If a name is not a modality.
    """
    return {chosen_modality(name) for name in names or ()} or None


def chosen_modality(name: str) -> Modality:
    """Return a modality by name.

    Raises:
        SenseweaveError: If it is not a modality.
    """
    for modality in MODALITIES:
        if modality == name:
            return modality
    msg = f"{name!r} is not a modality; the modalities are {', '.join(MODALITIES)}"
    raise SenseweaveError(msg + did_you_mean(name, MODALITIES))


def numbers_by_modality(option: str, entries: list[str] | None, number: type[N]) -> dict[str, N] | None:
    """Return the numbers that an option gives to modalities, or None if it is not given.

    Args:
        option: Its name, for errors.
        entries: As given on the command line, `image=2`.
        number: `int` or `float`.

    Raises:
        SenseweaveError: If an entry is no modality with such a number, or a modality is given twice.
    """
    numbers: dict[str, N] = {}
    for entry in entries or ():
        name, _, value = entry.partition("=")
        try:
            parsed = number(value)
        except ValueError:
            kind = "whole number" if number is int else "number"
            msg = f"{option} expects a modality with a {kind}, such as image=2, not {entry!r}"
            raise SenseweaveError(msg) from None
        modality = chosen_modality(name)
        if modality in numbers:
            msg = f"{option} is given twice for {modality}"
            raise SenseweaveError(msg)
        numbers[modality] = parsed
    return numbers or None


def choose_device(device: str | None) -> None:
    """Let every model that this process loads compute on a device, or on several; None leaves the choice as it is.

    Raises:
        SenseweaveError: If a list of devices names none, or one twice.
    """
    if device is not None:
        from senseweave.encoders.runtime.devices import DEVICE_VARIABLE, parse_devices

        try:
            parse_devices(device, name="--device")
        except ValueError as error:
            raise SenseweaveError(str(error)) from None
        os.environ[DEVICE_VARIABLE] = device
