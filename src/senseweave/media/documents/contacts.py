"""Address books (VCF): a page for each contact, with its photo."""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from senseweave.media.documents.base import Part
from senseweave.media.documents.parsed import Builder, ParsedDocument, ParsedReader, check_pages, clean, open_packed
from senseweave.media.documents.plain import decode_declared, read_text
from senseweave.media.forms.source import Source

LABELS: Final = {
    "nickname": "Nickname",
    "org": "Organization",
    "title": "Title",
    "role": "Role",
    "tel": "Telephone",
    "email": "Email",
    "adr": "Address",
    "bday": "Birthday",
    "anniversary": "Anniversary",
    "url": "Web page",
    "categories": "Categories",
    "note": "Note",
}
"""Fields that are shown, in this order, by what they are called; the name stands above them."""
_FILES = ("photo", "logo", "sound")
_CHARSET = re.compile(r"CHARSET=\"?([A-Z0-9_-]{2,30})")


class Field(NamedTuple):
    """A line of a contact: its name in small letters, its parameters in capitals, and its value."""

    name: str
    parameters: str
    value: str


class ContactsReader(ParsedReader):
    """Reads vCard files."""

    name = "contacts"
    mime_types = ("text/vcard",)

    def parse(self, source: Source) -> ParsedDocument:
        """Return the contacts and their photos."""
        found = ParsedDocument([])
        for number, fields in enumerate(_contacts(source), 1):
            check_pages(source, number)
            builder = Builder(source)
            builder.heading(_name(fields))
            values = [(label, field) for name, label in LABELS.items() for field in fields if field.name == name]
            builder.paragraph("\n".join(f"{label}: {_words(field)}" for label, field in values if _words(field)))
            found.pages.append(builder.page())
            for field in fields:
                if (data := _data(field)) is not None:
                    found.parts.append(Part(f"{number}/{field.name}", number))
                    found.packed.setdefault(found.parts[-1].name, data)
        return found

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open a photo, a logo or a sound."""
        return open_packed(source, self.parse, name)


def _contacts(source: Source) -> Iterator[list[Field]]:
    """Yield the fields of each contact."""
    text = read_text(source).replace("\r\n", "\n").replace("\r", "\n")
    lines = re.sub(r"\n[ \t]", "", text).split("\n")
    fields: list[Field] = []
    at = 0
    while at < len(lines):
        key, colon, value = lines[at].partition(":")
        at += 1
        name, _, parameters = key.strip().upper().partition(";")
        quoted = "QUOTED-PRINTABLE" in parameters
        while quoted and value.endswith("=") and at < len(lines):
            value = value[:-1] + lines[at]
            at += 1
        if quoted:
            charset = _CHARSET.search(parameters)
            data = quopri.decodestring(value.encode("utf-8", "surrogateescape"))
            value = decode_declared(data, charset[1] if charset is not None else None)
        name = name.rpartition(".")[2].lower()
        if name == "begin":
            fields = []
        elif name == "end":
            yield fields
            fields = []
        elif colon:
            fields.append(Field(name, parameters, value))


def _name(fields: list[Field]) -> str:
    whole = next((_words(field) for field in fields if field.name == "fn"), "")
    if whole:
        return whole
    parts = next((field.value for field in fields if field.name == "n"), "").split(";")
    return clean(" ".join([*parts[3:4], *parts[1:3], *parts[:1]]))


def _words(field: Field) -> str:
    """Return the value of a field as words: its parts with commas between them."""
    value = re.sub(r"\\[nN]", "\n", field.value)
    parts = [clean(re.sub(r"\\(.)", r"\1", part)) for part in re.split(r"(?<!\\);", value)]
    value = ", ".join(part for part in parts if part)
    return value.removeprefix("tel:").removeprefix("mailto:")


def _data(field: Field) -> str | None:
    """Return the base64 of a file in a contact; None for another field, or a link."""
    if field.name not in _FILES:
        return None
    if field.value.startswith("data:"):
        return field.value.partition(",")[2]
    return field.value if "BASE64" in field.parameters or "ENCODING=B" in field.parameters else None
