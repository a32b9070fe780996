"""Hooks of the documentation site: pages that stand elsewhere in the repository, and links between them.

READMEs of the packages, the changelog and the guides for contributors are pages of the site without being copied.
Links are those of the repository: to a page of the site they are kept, to any other file they become its name.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from pygments.formatters import HtmlFormatter

ROOT = Path(__file__).parents[1]
PAGES = {
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security-policy.md",
    "README.md": "index.md",
    **{
        readme.relative_to(ROOT).as_posix(): f"packages/{readme.parent.name}.md"
        for readme in sorted(ROOT.glob("integrations/*/README.md"))
    },
}
"""Files of the repository, and the pages of the site that show them."""
LINK = re.compile(r"\[([^\]]+)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")
OUTSIDE = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=["']?((?:https?:)?//[^"'\s>]+)""")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that stand elsewhere in the repository."""
    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, "pygments.css", content=code_colors()))
    return files


def code_colors() -> str:
    """Return the style sheet of code, for light and for dark pages."""
    light = HtmlFormatter(style="default").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs("[data-bs-theme=dark] .highlight")
    return f"{light}\n{dark}\n"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links between files of the repository into links between pages, or into the name of the file."""
    uri = page.file.src_uri
    source = next((name for name, shown in PAGES.items() if shown == uri), f"docs/{uri}")

    def replaced(link: re.Match[str]) -> str:
        text, target, anchor = link[1], link[2], link[3] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        shown = PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if shown is not None:
            return f"[{text}]({posixpath.relpath(shown, posixpath.dirname(uri) or '.')}{anchor})"
        return text if (ROOT / path).exists() else link[0]

    return LINK.sub(replaced, markdown)


def on_post_build(config: Any) -> None:
    """Check that no page loads anything from another server.

    Raises:
        PluginError: If one does.
    """
    for path in Path(config.site_dir).rglob("*.html"):
        for url in OUTSIDE.findall(path.read_text(encoding="utf-8")):
            msg = f"{path.name} loads {url} from another server; the site must work without a network"
            raise PluginError(msg)
