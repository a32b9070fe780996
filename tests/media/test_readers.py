"""Document readers: other distributions bring theirs through the entry-point group `senseweave.readers`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from senseweave.errors import MediaError
from senseweave.media import Text

READER = '''
"""A reader of 'Recipe 1.0' files, whose pages are separated by lines of dashes."""

from senseweave.media.documents import DocumentReader


class RecipeReader(DocumentReader):
    name = "recipe"
    mime_types = ("application/x-recipe",)

    def recognize(self, file):
        return self.mime_types[0] if file.read(7) == b"RECIPE\\0" else None

    def text(self, source, page):
        pages = self._pages(source)
        return "\\f".join(pages) if page is None else pages[page - 1]

    def pages_with_text(self, source):
        return [bool(page.strip()) for page in self._pages(source)]

    def _pages(self, source):
        return source.read()[7:].decode().split("---")


class PlainReader(DocumentReader):
    name = "text"
    mime_types = ("text/plain",)

    def text(self, source, page):
        return "stolen"


class ClumsyReader(DocumentReader):
    name = "clumsy"
    mime_types = ("application/x-clumsy",)

    def recognize(self, file):
        raise RuntimeError("clumsy")
'''
ENTRY_POINTS = """[senseweave.readers]
broken = recipe_reader:NoSuchReader
clumsy = recipe_reader:ClumsyReader
plain = recipe_reader:PlainReader
recipe = recipe_reader:RecipeReader
"""


@pytest.fixture
def run_with_plugin(tmp_path):
    """Run code in a process that sees a distribution with readers."""
    site = tmp_path / "site"
    info = site / "recipe_reader-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "recipe_reader.py").write_text(READER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: recipe-reader\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)

    def run(code: str) -> tuple[list[str], str]:
        paths = os.pathsep.join([str(site), str(Path(__file__).parents[2] / "src")])
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines(), done.stderr

    return run


def test_a_reader_of_another_distribution_is_used(run_with_plugin, saved):
    path = saved("bread.bin", b"RECIPE\0flour---   ---water")
    printed, _ = run_with_plugin(f"""
from senseweave.media import Text, collect, split
whole = Text.open({str(path)!r})
print(whole.mime_type, repr(whole.decode()), [part.page for part in split(whole)])
for media in collect({str(path)!r}):
    print(media.modality, media.page, media.decode())
""")
    assert printed == ["application/x-recipe 'flour\\x0c   \\x0cwater' [1, 3]", "text 1 flour", "text 3 water"]


def test_without_its_reader_the_file_is_of_no_known_kind(saved):
    with pytest.raises(MediaError, match="of an unknown type, not text"):
        Text.open(saved("bread.bin", b"RECIPE\0flour")).decode()


def test_readers_that_fail_or_take_a_built_in_name_are_logged_and_left_out(run_with_plugin, saved):
    path = saved("note.txt", b"milk")
    printed, logged = run_with_plugin(f"""
from senseweave.media import Text
print(Text.open({str(path)!r}).decode())
""")
    assert printed == ["milk"]
    assert "document reader 'broken' (recipe_reader:NoSuchReader) cannot be loaded" in logged
    assert "a reader named 'text' is registered" in logged
    assert "document reader 'clumsy' failed" in logged


def test_a_page_cannot_be_drawn_where_the_reader_draws_none(run_with_plugin, saved):
    path = saved("bread.bin", b"RECIPE\0flour")
    printed, _ = run_with_plugin(f"""
from senseweave.errors import MediaError
from senseweave.media import Image
try:
    Image({str(path)!r}).decode()
except MediaError as error:
    print(error.reason)
""")
    assert printed == ["is application/x-recipe, not an image"]
