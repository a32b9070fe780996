"""Electronic books (EPUB): a page for each chapter, under the title of the book, and the pictures."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import unquote

from senseweave.errors import MediaError
from senseweave.media.documents.base import Part
from senseweave.media.documents.html import html_words
from senseweave.media.documents.packages import Package, open_package, resolve
from senseweave.media.documents.parsed import Builder, ParsedDocument, ParsedReader, check_pages, clean
from senseweave.media.documents.plain import decode_text
from senseweave.media.forms.source import Source

if TYPE_CHECKING:
    from lxml.etree import _Element

KIND: Final = "electronic book (EPUB)"
_FONTS = (b"http://www.idpf.org/2008/embedding", b"http://ns.adobe.com/pdf/enc#RC")
"""Ways to hide fonts, which leave the text as it is."""
_XHTML = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")


class EPUBReader(ParsedReader):
    """Reads electronic books."""

    name = "epub"
    mime_types = ("application/epub+zip",)

    def parse(self, source: Source) -> ParsedDocument:
        """Return the chapters in the order of reading, and the pictures and recordings."""
        with open_package(source, KIND) as package:
            _check_protection(package, source)
            root = next(package.xml("META-INF/container.xml").iter("{*}rootfile")).get("full-path", "")
            book = package.xml(root)
            title = clean(next((element.text or "" for element in book.iter("{*}title")), ""))
            items = {item.get("id", ""): item for item in book.iter("{*}item")}
            spine = [items[each.get("idref", "")] for each in book.iter("{*}itemref") if each.get("idref") in items]
            chapters = [_file(root, item) for item in spine if item.get("media-type") in _XHTML]
            chapters = [name for name in dict.fromkeys(chapters) if name in package]
            if not chapters:
                raise MediaError(source.label, f"is a broken {KIND} (it names no chapters)")
            check_pages(source, len(chapters))
            labels = _labels(package, root, list(items.values()))
            media = [
                _file(root, item)
                for item in items.values()
                if (item.get("media-type") or "").startswith(("image/", "audio/", "video/"))
            ]
            found = ParsedDocument([])
            shown: dict[str, int] = {}
            length = 0
            for number, name in enumerate(chapters, 1):
                markup = decode_text(package.read(name))
                builder = Builder(source, title)
                words = html_words(markup, source.label)
                label = labels.get(name, "")
                if label and not clean(words).startswith(label):
                    builder.heading(label)
                elif label:
                    builder.under(label)
                builder.paragraph(words)
                found.pages.append(builder.page())
                length += len(words)
                source.policy.check_text(source.label, length)
                for file in media:
                    if posixpath.basename(file) in markup:
                        shown.setdefault(file, number)
            kept = [name for name in dict.fromkeys(media) if name in package]
            found.parts = [Part(name, shown.get(name)) for name in kept]
            return found

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open a picture or a recording in a book."""
        with open_package(source, KIND) as package:
            return package.open(name)


def _check_protection(package: Package, source: Source) -> None:
    name = "META-INF/encryption.xml"
    if name in package:
        data = package.read(name)
        if data.count(b"EncryptionMethod") > sum(data.count(way) for way in _FONTS):
            raise MediaError(source.label, f"is an {KIND} with copy protection, which only its shop's readers open")


def _file(root: str, item: _Element) -> str:
    return resolve(root, unquote(item.get("href", "").partition("#")[0]))


def _labels(package: Package, root: str, items: list[_Element]) -> dict[str, str]:
    """Return the titles of chapters in the table of contents, by the file of the chapter."""
    labels: dict[str, str] = {}
    for item in items:
        name = _file(root, item)
        if name not in package:
            continue
        if item.get("media-type") == "application/x-dtbncx+xml":
            for point in package.xml(name).iter("{*}navPoint"):
                target = next((element.get("src", "") for element in point.iter("{*}content")), "")
                words = next((element.text or "" for element in point.iter("{*}text")), "")
                labels.setdefault(resolve(name, unquote(target.partition("#")[0])), clean(words))
        elif "nav" in (item.get("properties") or "").split():
            for link in package.xml(name).iter("{*}a"):
                target = unquote(link.get("href", "").partition("#")[0])
                labels.setdefault(resolve(name, target), clean("".join(str(words) for words in link.itertext())))
    return labels
