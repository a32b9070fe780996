"""Rich text (RTF): its words and its pictures."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from senseweave.errors import MediaError
from senseweave.extras import require_reader
from senseweave.media.documents.base import Part, no_part
from senseweave.media.documents.parsed import Builder, ParsedDocument, ParsedReader
from senseweave.media.forms.source import Source

KIND: Final = "rich text (RTF)"
_PICTURE = re.compile(rb"\{(?:\\\*)?\\pict\b")
_FORMATS = {
    b"\\pngblip": ".png",
    b"\\jpegblip": ".jpg",
    b"\\emfblip": ".emf",
    b"\\wmetafile": ".wmf",
}
_AGAIN = re.compile(rb"\{\\nonshppict\s*$")
"""Stands before a picture that older programs show in place of another."""
_ASIDE = re.compile(rb"\{\s*(?:\\\*\s*)?\\(?:footnote|annotation|header[lrf]?|footer[lrf]?)(?![a-z]) ?")
"""Begins text beside the body, which striprtf leaves out."""
_BINARY = re.compile(rb"\\bin(\d{1,9}) ?")


class RTFReader(ParsedReader):
    """Reads rich text with striprtf."""

    name = "rtf"
    mime_types = ("application/rtf",)
    paged = False

    def parse(self, source: Source) -> ParsedDocument:
        """Return the words, and the pictures."""
        source.policy.check_bytes(source.label, source.size)
        data = source.read()
        builder = Builder(source)
        _add_words(rtf_words(data, source), builder)
        names = [Part(f"picture-{number}{suffix}") for number, (suffix, _) in enumerate(_pictures(data), 1)]
        source.policy.check_parts(source.label, len(names))
        return ParsedDocument([builder.page()], names)

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open a picture."""
        for number, (suffix, group) in enumerate(_pictures(source.read()), 1):
            if f"picture-{number}{suffix}" == name:
                return io.BytesIO(_picture(group))
        raise no_part(source, name)


def rtf_words(data: bytes, source: Source) -> str:
    """Return the words of rich text.

    Raises:
        MediaError: If it is broken.
        PolicyError: If it is larger than the policy allows, its pictures apart.
    """
    library = require_reader("striprtf.striprtf", extra="documents", feature=f"reading {KIND}", source=source.label)
    bare = _ASIDE.sub(rb"{\\line ", b"".join(_without_pictures(data)))
    source.policy.check_text(source.label, len(bare))
    try:
        words: str = library.rtf_to_text(bare.decode("latin-1"), encoding="cp1252", errors="replace")
    except Exception as error:  # striprtf raises whatever a broken mark leads to
        raise MediaError(source.label, f"is broken {KIND} ({error or type(error).__name__})") from error
    return re.sub(r"\n{3,}", "\n\n", words).strip()


def _add_words(words: str, builder: Builder) -> None:
    """Add words to a page; rows, whose cells striprtf ends with `|`, as tables."""
    for is_row, group in itertools.groupby(words.split("\n"), lambda line: line.endswith("|")):
        lines = list(group)
        if is_row:
            builder.table([line[:-1].split("|") for line in lines])
        else:
            builder.paragraph("\n".join(lines))


def _groups(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each picture begins and ends."""
    at = 0
    while found := _PICTURE.search(data, at):
        depth, at = 0, found.start()
        while at < len(data):
            closing, opening = data.find(b"}", at), data.find(b"{", at)
            if binary := _BINARY.search(data, at, min(x for x in (closing, opening, len(data)) if x >= 0)):
                at = binary.end() + int(binary[1])
                continue
            if closing < 0:
                at = len(data)
            elif 0 <= opening < closing:
                depth, at = depth + 1, opening + 1
            else:
                depth, at = depth - 1, closing + 1
                if depth == 0:
                    break
        yield found.start(), min(at, len(data))


def _without_pictures(data: bytes) -> Iterator[bytes]:
    kept = 0
    for start, end in _groups(data):
        yield data[kept:start]
        kept = end
    yield data[kept:]


def _pictures(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the suffix and the group of each picture of a kind that has a name."""
    for start, end in _groups(data):
        if _AGAIN.search(data[max(0, start - 32) : start]):
            continue
        group = data[start:end]
        suffix = next((suffix for mark, suffix in _FORMATS.items() if mark in group[:2000]), None)
        if suffix is not None:
            yield suffix, group


def _picture(group: bytes) -> bytes:
    """Return the bytes of a picture, which rich text keeps as they are or in hexadecimal digits."""
    if binary := _BINARY.search(group[:2000]):
        return group[binary.end() : binary.end() + int(binary[1])]
    digits = re.sub(rb"\s", b"", re.sub(rb"\{[^{}]*\}|\\[a-z*]+-?\d* ?", b"", group[1:-1]))
    digits = re.match(rb"[0-9A-Fa-f]*", digits)[0]  # type: ignore[index]
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))
