"""Write a map as one page that holds all it needs: its script, its style, places, texts and previews."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, TypedDict

import numpy as np

from senseweave.display import printable
from senseweave.notebook import escape


class Column(TypedDict):
    """What points can be colored by.

    Attributes:
        title: Its name.
        names: Of the groups.
        codes: The position of each point's group in `names`, or -1 for none.
    """

    title: str
    names: list[str]
    codes: list[int]


def write_page(
    title: str,
    places: np.ndarray,
    columns: Sequence[Column],
    titles: Sequence[str],
    texts: Sequence[str],
    previews: Mapping[int, str],
    summary: str,
) -> str:
    """Return the page.

    It loads nothing and runs nothing but its own script: its Content-Security-Policy allows that script and style by
    their hashes, and pictures and sounds that are in the page. What comes from documents is JSON without any `<`, and
    the script shows it as text.

    Args:
        title: Of the page.
        places: From -1 to 1, shape (n, 2).
        columns: What points can be colored by, the first at the start.
        titles: Name of each point.
        texts: Text of each point.
        previews: Data URIs by position.
        summary: A sentence on what is shown.
    """
    data: dict[str, Any] = {
        "count": len(places),
        "places": base64.b64encode(np.ascontiguousarray(places, dtype="<f4").tobytes()).decode("ascii"),
        "columns": [{**column, "names": [printable(name) for name in column["names"]]} for column in columns],
        "titles": [printable(name) for name in titles],
        "texts": [printable(text, keep="\n") for text in texts],
        "previews": previews,
        "summary": summary,
    }
    style, script = (files(__package__).joinpath(name).read_text(encoding="utf-8") for name in ("map.css", "map.js"))
    values = {
        "title": escape(title),
        "style": style,
        "script": script,
        "style_hash": _hash(style),
        "script_hash": _hash(script),
        "data": json_in_html(data),
    }
    page = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    parts = page.split("{{")  # in one pass: what is filled in is not searched for names again
    return parts[0] + "".join(values[name] + rest for name, rest in (part.split("}}", 1) for part in parts[1:]))


def json_in_html(value: Any) -> str:
    """Return JSON that cannot end the element that it stands in, nor open a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _hash(text: str) -> str:
    """Return the source expression of CSP for an inline script or style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"
