"""Web pages saved to disk: the words that a reader sees."""

from __future__ import annotations

import bisect
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from senseweave.extras import require_reader
from senseweave.media.documents.base import Context, DocumentReader, reject_page
from senseweave.media.documents.parsed import clean, heading_path
from senseweave.media.documents.plain import read_text
from senseweave.media.forms.source import Source

MAX_NESTED_TABLES: Final = 8
"""Tables in tables whose headers are looked for: the words of the outermost are read once for each level."""
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_UNSEEN = ["[hidden]", "iframe", "input", "math", "noscript", "object", "svg", "template"]
"""CSS selectors of what a browser does not show as words."""


class HTMLReader(DocumentReader):
    """Reads HTML: its title, and the words of its body with a line per block."""

    name = "html"
    mime_types = ("text/html",)

    def text(self, source: Source, page: int | None) -> str:
        """Return the words of the page."""
        reject_page(source, page)
        return html_words(read_text(source), source.label)

    def contexts(self, source: Source, page: int | None) -> Sequence[Context]:
        """Return the headings and the headers of tables."""
        html = read_text(source)
        return html_contexts(html, html_words(html, source.label), source.label)


def html_contexts(html: str, words: str, source: str) -> list[Context]:
    """Return the headings and the headers of tables of a web page, found again as lines of its words.

    Args:
        html: The page.
        words: What `html_words` returned for it, or a text that contains that.
        source: Name for messages.
    """
    body = _parse(html, source).body
    lines: dict[str, list[int]] = {}
    position = 0
    for line in words.split("\n"):
        lines.setdefault(line, []).append(position)
        position += len(line) + 1

    def place(line: str, after: int) -> int | None:
        places = lines.get(line, [])
        at = bisect.bisect_left(places, after)
        return places[at] if at < len(places) else None

    contexts: list[Context] = []
    path: list[tuple[int, str]] = []
    at = 0
    for element in _titled(body) if body is not None else ():
        above = heading_path([title for _, title in path])
        if element.tag == "table":
            rows = [
                clean(" ".join(cell.text for cell in _outermost(row, ("th", "td"))))
                for row in _outermost(element, ("tr",))
            ]
            rows = [row for row in rows if row]
            header = place(rows[0], at) if len(rows) > 2 else None
            last = place(rows[-1], header) if header is not None else None
            if header is not None and last is not None:
                contexts.append(Context(header, above, f"{above}\n{rows[0]}" if above else rows[0]))
                at = last + len(rows[-1]) + 1
                contexts.append(Context(at, above, above))
            continue
        title, level = clean(element.text), int(element.tag[1])
        start = place(title, at) if title else None
        if start is not None:
            path = [known for known in path if known[0] < level]
            above = heading_path([known for _, known in path])
            path.append((level, title))
            contexts.append(Context(start, above, heading_path([known for _, known in path])))
            at = start
    return contexts


def _titled(body: Any) -> Iterator[Any]:
    """Yield the headings and tables of a page, in order.

    The collections of `query_selector_all` and `child_nodes` take as long as all of them for each (resiliparse 2.0).
    """
    waiting = [(body, 0)]
    while waiting:
        element, depth = waiting.pop()
        if element.tag in _HEADINGS or element.tag == "table":
            yield element
        depth += element.tag == "table"
        if depth < MAX_NESTED_TABLES:
            waiting += [(child, depth) for child in reversed(_children(element))]


def _children(element: Any) -> list[Any]:
    found = []
    child = element.first_child
    while child is not None:
        found.append(child)
        child = child.next
    return found


def _outermost(element: Any, tags: Collection[str]) -> list[Any]:
    """Return the elements below one that have some tags, in order, without those inside each other or inner tables."""
    found = []
    waiting = [*reversed(_children(element))]
    while waiting:
        each = waiting.pop()
        if each.tag in tags:
            found.append(each)
        elif each.tag != "table":
            waiting += reversed(_children(each))
    return found


def html_words(html: str, source: str) -> str:
    """Return the title and the visible words of a web page, a line per block.

    Args:
        html: The page.
        source: Name for messages.

    Raises:
        MissingReaderError: If resiliparse is not installed.
    """
    extractor = require_reader(
        "resiliparse.extract.html2text", extra="documents", feature="reading HTML", source=source
    )
    tree = _parse(html, source)
    # Without `form_fields` the words of labels and buttons would be left out with the fields.
    body = extractor.extract_plain_text(
        tree, form_fields=True, links=False, alt_texts=False, list_bullets=False, skip_elements=_UNSEEN
    )
    lines = (re.sub(r"[ \t\r\f\v\xa0]+", " ", line).strip() for line in f"{tree.title or ''}\n{body}".split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _parse(html: str, source: str) -> Any:
    parser = require_reader("resiliparse.parse.html", extra="documents", feature="reading HTML", source=source)
    whole = _closed(html)
    return parser.HTMLTree.parse(whole.encode("utf-8", "replace").decode("utf-8"))  # it takes no lone surrogates


def _closed(html: str) -> str:
    """Return a page without the tags of hidden elements that never end, in which all that follows would be hidden."""
    for name in ("svg", "math", "object", "template", "noscript", "iframe"):
        opening, closing = (re.compile(rf"<{slash}{name}\b[^<>]*>", re.IGNORECASE) for slash in ("", "/"))
        begun = [tag for tag in opening.findall(html) if not tag.endswith("/>")]
        if len(begun) > len(closing.findall(html)):
            html = closing.sub(" ", opening.sub(" ", html))
    return html
