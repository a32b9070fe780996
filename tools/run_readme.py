"""Run the blocks of the README twice, as a reader runs them: with installed packages, on files of the reader's own.

Usage: python tools/run_readme.py [FOLDER], in an environment that holds the packages.

Without a folder, files of the sample corpus lie where the README's blocks look for them. Each block is a program of
its own; its second run must find what the first has kept.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)


def blocks() -> list[tuple[str, str]]:
    """Return the README's blocks of Python, each with the title of its section."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    titles = [(match.start(), match[1]) for match in SECTION.finditer(text)]
    return [
        (next(title for start, title in reversed(titles) if start < match.start()), match[1])
        for match in BLOCK.finditer(text)
    ]


def lay_out(folder: Path) -> None:
    """Put files of the sample corpus where the README's blocks look for them."""
    corpus = ROOT / "examples" / "data"
    shutil.copytree(corpus / "texts", folder / "notes")
    shutil.copy(corpus / "images" / "photo-01.jpg", folder / "photo.jpg")
    shutil.copy(corpus / "audio" / "recording-07.mp3", folder / "talk.mp3")
    shutil.copy(corpus / "video" / "video-02.mp4", folder / "clip.mp4")


def run_block(title: str, code: str, folder: Path) -> str:
    """Run a block as a program in a folder and return what it printed; one that fails ends this program."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"HF_HUB_OFFLINE": "1", "ANONYMIZED_TELEMETRY": "False", "HAYSTACK_TELEMETRY_ENABLED": "False"}
    begun = time.monotonic()
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    print(f"== {title}: {time.monotonic() - begun:.0f} s\n{done.stdout}", flush=True)
    if done.returncode:
        sys.exit(f"a block of {title!r} failed:\n{done.stderr[-4000:]}")
    return done.stdout


def main() -> None:
    """Run every block twice."""
    with tempfile.TemporaryDirectory(prefix="senseweave-readme-", ignore_cleanup_errors=True) as temporary:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary)
        if len(sys.argv) == 1:
            lay_out(folder)
        for title, code in blocks():
            first, second = (run_block(title, code, folder) for _ in range(2))
            answers = [re.findall(r"^source \d+: .*$", printed, re.MULTILINE) for printed in (first, second)]
            if answers[0] != answers[1]:
                sys.exit(f"the second run of {title!r} found other sources than the first")


if __name__ == "__main__":
    main()
