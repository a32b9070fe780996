"""Vector graphics (SVG): the words in them, and the drawing as an image."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from senseweave.errors import MediaError, NoContentError, PolicyError
from senseweave.extras import require_reader
from senseweave.media.documents.base import no_part
from senseweave.media.documents.packages import parse_xml
from senseweave.media.documents.parsed import Builder, ParsedDocument, ParsedReader, clean
from senseweave.media.forms.source import Source

if TYPE_CHECKING:
    from lxml.etree import _Element
    from PIL.Image import Image

KIND: Final = "drawing (SVG)"
LONGEST_SIDE: Final = 1024
"""Pixels of the longer side of the image; a drawing has no size of its own."""
MAX_DRAWN: Final = 200_000
"""Elements that are drawn, counting what is used many times as often; `<use>` within `<use>` grows without end."""
MAX_FILTERS: Final = 200
"""Filters that are drawn, each of which may take all pixels."""
MEMORY: Final = 2 * 1024**3
"""Bytes of addresses of the process that draws."""
TIMEOUT: Final = 20.0
_PROGRAM: Final = f"""
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except ImportError:
    pass
import resvg_py
drawn = resvg_py.svg_to_bytes(svg_string=sys.stdin.buffer.read().decode(), background="#ffffff")
sys.stdout.buffer.write(bytes(drawn))
"""
_LENGTH = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(?:px|pt|mm|cm|in|pc)?\s*$")
_WORDS = ("title", "desc", "text")
_DECLARED = re.compile(rb"""<!ENTITY\s+([A-Za-z_][\w.-]{0,99})\s+("[^"'&<%]{0,999}"|'[^"'&<%]{0,999}')\s*>""")
_NAMED = re.compile(rb"&([A-Za-z_][\w.-]{0,99});")
_REFERENCE = re.compile(r"url\(\s*['\"]?#([^)'\"]+)['\"]?\s*\)")


class SVGReader(ParsedReader):
    """Reads SVG with lxml, and draws it with resvg, which is given nothing that leads to another file."""

    name = "svg"
    mime_types = ("image/svg+xml",)
    draws_pages = True

    def parse(self, source: Source) -> ParsedDocument:
        """Return the words of a drawing as its only page."""
        root = _root(source)
        if len(root) == 0:
            raise NoContentError(source.label, "is image/svg+xml that draws nothing")
        builder = Builder(source)
        for element in root.iter(*(f"{{*}}{name}" for name in _WORDS)):
            builder.paragraph(clean(" ".join(str(words) for words in element.itertext())))
        return ParsedDocument([builder.page()])

    def page_image(self, source: Source, page: int | None) -> Image:
        """Draw it on white, its longer side 1,024 pixels long."""
        if page not in (None, 1):
            raise MediaError(source.label, f"has no page {page}; it has 1")
        from PIL import Image as PILImage

        require_reader("resvg_py", extra="documents", feature=f"reading a {KIND}", source=source.label)
        etree: Any = require_reader("lxml.etree", extra="documents", feature=f"reading a {KIND}", source=source.label)
        root = _root(source)
        _check_drawn(root, source)
        _cut_links(root)
        width, height = _set_size(root)
        source.policy.check_pixels(source.label, width, height)
        try:
            drawn = _draw(etree.tostring(root), source)
            return PILImage.open(io.BytesIO(drawn), formats=["PNG"]).convert("RGB")
        except OSError as error:
            raise MediaError(source.label, f"is a broken {KIND} ({error})") from error

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Raise MediaError: what a drawing embeds is drawn with it."""
        raise no_part(source, name)


def _root(source: Source) -> _Element:
    source.policy.check_text(source.label, source.size)
    return parse_xml(_without_names(source.read(), source), source, KIND)


def _without_names(data: bytes, source: Source) -> bytes:
    """Return a drawing with the words that entities stand for in place of them, where those are words alone.

    Illustrator declares the addresses of its namespaces and its styles so. An entity of any other kind stays, and the
    drawing is refused.

    Raises:
        PolicyError: If this would make it longer than the policy allows.
    """
    values: dict[bytes, bytes] = {}

    def keep(declared: re.Match[bytes]) -> bytes:
        values.setdefault(declared[1], declared[2][1:-1])
        return b""

    bare = _DECLARED.sub(keep, data)
    if not values:
        return data
    source.policy.check_text(source.label, len(bare) + bare.count(b"&") * max(map(len, values.values())))
    return _NAMED.sub(lambda named: values.get(named[1], named[0]), bare)


def _cut_links(root: _Element) -> None:
    """Remove references to anything outside the drawing."""
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            if str(name).rpartition("}")[2] in ("href", "src") and not str(value).strip().startswith(("#", "data:")):
                del element.attrib[name]


def _set_size(root: _Element) -> tuple[int, int]:
    """Give a drawing the size of its image, and return it."""
    stated = [_LENGTH.match(root.get(name, "")) for name in ("width", "height")]
    box = re.split(r"[\s,]+", root.get("viewBox", "").strip())
    width = height = 1.0
    if all(stated):
        width, height = (float(number[1]) for number in stated if number is not None)
    elif len(box) == 4:
        with contextlib.suppress(ValueError):
            width, height = float(box[2]), float(box[3])
    if not (0 < width < 1e9 and 0 < height < 1e9):
        width = height = 1.0
    if len(box) != 4:
        root.set("viewBox", f"0 0 {width:g} {height:g}")
    scale = LONGEST_SIDE / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    root.set("width", str(size[0]))
    root.set("height", str(size[1]))
    return size


def _draw(data: bytes, source: Source) -> bytes:
    """Return a drawing as PNG, drawn by a process of its own: resvg ends its process where memory runs out.

    Raises:
        MediaError: If it cannot be drawn, or not in time.
    """
    timeout = min(TIMEOUT, source.policy.decode_timeout)
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-I", "-c", _PROGRAM], input=data, capture_output=True, check=False, timeout=timeout
        )
    except subprocess.TimeoutExpired as error:
        raise MediaError(source.label, f"is a {KIND} that takes over {timeout:g} seconds to draw") from error
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise MediaError(source.label, f"is a broken {KIND} ({last[:200]})")
    return done.stdout


def _check_drawn(root: _Element, source: Source) -> None:
    """Check how many elements are drawn, with all that they refer to.

    Raises:
        PolicyError: If they are too many.
    """
    named: dict[str, _Element] = {}
    filters = 0
    for element in root.iter():
        if isinstance(element.tag, str):
            named.setdefault(element.get("id", ""), element)
            filters += element.get("filter") is not None or "filter:" in element.get("style", "")
    costs: dict[_Element, int] = {}
    waiting = [(root, False)]
    open_now: set[_Element] = set()
    while waiting:
        element, is_done = waiting.pop()
        needed = [child for child in element if isinstance(child.tag, str)]
        needed += [named[name] for name in _references(element) if name in named]
        if is_done:
            open_now.discard(element)
            costs[element] = 1 + sum(costs.get(each, 0) for each in needed)
        elif element not in costs and element not in open_now:
            open_now.add(element)
            waiting += [(element, True), *((each, False) for each in needed if each not in costs)]
    if costs[root] > MAX_DRAWN or filters > MAX_FILTERS:
        limit = f"at most {MAX_DRAWN:,} elements and {MAX_FILTERS} filters are drawn"
        raise PolicyError(source.label, f"is a {KIND} of {costs[root]:,} elements and {filters:,} filters; {limit}")


def _references(element: _Element) -> list[str]:
    found = []
    for name, value in element.attrib.items():
        if str(name).rpartition("}")[2] == "href" and str(value).startswith("#"):
            found.append(str(value)[1:])
        elif "url(" in str(value):
            found += _REFERENCE.findall(str(value))
    return found
