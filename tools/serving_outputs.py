"""Run the calls of docs/serving.md against a server, and put what they print below them.

Usage: python tools/serving_outputs.py [--write], in an environment with senseweave and the clients that the page names.

The index is made as the page makes it, of files of the sample corpus. Each block of shell or Python that a block of
JSON or text follows is run; without `--write` the page with today's outputs is printed. Long values are cut with `...`,
and what a machine calls its folders is left out. A test runs the same and compares all but the numbers.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from newcomer import text_pdf
from run_readme import lay_out

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "serving.md"
BODY = r"(?:(?!^```).)*"
PAIR = re.compile(
    rf"^```(?P<kind>bash|python)\n(?P<code>{BODY})^```\n+```(?P<form>json|text)\n(?P<printed>{BODY})^```$", re.M | re.S
)
ADDRESS: Final = "8765"
"""Port on the page, which the script replaces by a free one."""
HOME: Final = "/home/me"
WIDTH: Final = 118
CHARACTERS: Final = 72
ENTRIES: Final = 2
NUMBERS: Final = 3


def make_page(text: str) -> str:
    """Return a page with what its calls print today."""
    with tempfile.TemporaryDirectory(prefix="senseweave-serving-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary).resolve()
        lay_out(folder)
        shutil.copytree(ROOT / "examples" / "data" / "images", folder / "photos")
        (folder / "insurance.pdf").write_bytes(text_pdf("The insurance for the bicycle costs forty euros a year."))
        with serving(folder) as port:

            def printed(match: re.Match[str]) -> str:
                said = run(match["kind"], match["code"].replace(ADDRESS, port), folder)
                said = said.replace(str(folder), HOME).replace(f":{port}", f":{ADDRESS}")
                shown = laid_out(shortened(json.loads(said))) if match["form"] == "json" else said.strip()
                begin, end = (place - match.start() for place in match.span("printed"))
                return f"{match[0][:begin]}{shown}\n{match[0][end:]}"

            return PAIR.sub(printed, text)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Make the page's index in a folder, serve it until the block ends, and give the server's port."""
    command = [sys.executable, "-m", "senseweave"]
    paths = ["notes/", "photos/", "talk.mp3"]
    subprocess.run([*command, "index", *paths, "--into", "my-index"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    server = subprocess.Popen(
        [*command, "serve", "my-index", "--port", "0"], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)", server.stdout.readline())
        if found is None:
            sys.exit("the server did not say where it listens")
        yield found[1]
    finally:
        server.terminate()
        server.wait(60)


def run(kind: str, code: str, folder: Path) -> str:
    """Return what a block of the page prints; one that fails ends this program."""
    program = ["bash", "-euo", "pipefail"] if kind == "bash" else [sys.executable, "-W", "ignore"]
    environment = os.environ | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
    done = subprocess.run(
        [*program, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{code}\nfailed:\n{done.stderr[-4000:]}")
    return done.stdout


def shortened(value: Any) -> Any:
    """Return a value of JSON with long texts and lists cut."""
    if isinstance(value, str):
        return value if len(value) <= CHARACTERS else f"{value[:CHARACTERS]}..."
    if isinstance(value, dict):
        return {name: shortened(part) for name, part in value.items()}
    if not isinstance(value, list):
        return round(value, 4) if isinstance(value, float) else value
    most = NUMBERS if value and all(isinstance(part, (int, float)) for part in value) else ENTRIES
    left = len(value) - most
    return [shortened(part) for part in value[:most]] + ([f"... {left} more"] if left > 0 else [])


def laid_out(value: Any, indent: int = 0) -> str:
    """Return JSON with what fits into a line in one line."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= WIDTH or not isinstance(value, (dict, list)):
        return line
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f"{pad}{json.dumps(name)}: {laid_out(part, indent + 2)}" for name, part in value.items()]
        return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(f"{pad}{laid_out(part, indent + 2)}" for part in value) + "\n" + " " * indent + "]"


def main() -> None:
    """Print the page with today's outputs, or write it."""
    page = make_page(PAGE.read_text(encoding="utf-8"))
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page, encoding="utf-8")
    else:
        print(page)


if __name__ == "__main__":
    main()
