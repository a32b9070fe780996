"""The code blocks of the README and of the pages for users run as they stand, in a folder of a user's own files."""

import pkgutil
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOTTED = re.compile(
    r"(?<![\w./-])(?:senseweave|langchain_senseweave|llama_index\.(?:embeddings|retrievers)\.senseweave"
    r"|haystack_integrations\.\w+)(?:\.\w+)+"
)
ROOMS = "media|encoders|spaces|retrieval|evaluation|training|scale|serving|interop|explore"
IN_A_ROOM = re.compile(rf"`((?:{ROOMS})(?:\.\w+)+)")
PAGES = sorted((ROOT / "docs").rglob("*.md"))
TAUGHT = [page for page in PAGES if page.parent.name in ("guides", "migration")]
"""Pages on which every block of Python is a step of one program."""
PROSE = [*ROOT.glob("*.md"), *PAGES, *(ROOT / "integrations").glob("*/README.md")]
SOURCES = [*(ROOT / "src").rglob("*.py"), *(ROOT / "integrations").rglob("*senseweave*/**/*.py")]
README_BLOCKS = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))


@pytest.fixture
def users_folder(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch, own_chroma: None) -> Path:
    """A working directory with the files that the README names."""
    shutil.copytree(corpus / "texts", tmp_path / "notes")
    shutil.copy(corpus / "images" / "photo-01.jpg", tmp_path / "photo.jpg")
    shutil.copy(corpus / "audio" / "recording-07.mp3", tmp_path / "talk.mp3")
    shutil.copy(corpus / "video" / "video-02.mp4", tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readme_has_an_example_for_the_core_and_for_each_framework() -> None:
    text = "\n".join(README_BLOCKS)
    for name in (
        "senseweave as sw",
        "langchain_senseweave",
        "llama_index.embeddings.senseweave",
        "haystack_integrations",
    ):
        assert name in text


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(README_BLOCKS)))
def test_a_code_block_of_the_readme_runs_twice_and_finds_the_cat(
    number: int, users_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = compile(README_BLOCKS[number], f"README.md, block {number + 1}", "exec")
    printed = []
    for _ in range(2):
        exec(code, {"__name__": "__readme__"})
        printed.append(capsys.readouterr().out)
        hits = [line for line in printed[-1].splitlines() if re.search("photo.jpg|notes|talk.mp3", line)]
        if '"a cat", k=' in README_BLOCKS[number]:
            assert "photo.jpg" in "\n".join(hits[:2]), printed
        if "words=True" in README_BLOCKS[number]:
            assert re.search(r"washing-machine\.md \(.*'E18'.*\)$", printed[-1], re.MULTILINE), printed
        if "OfflineChat" in README_BLOCKS[number]:
            assert "dance" in printed[-1]
            assert re.fullmatch(r"source 1: audio .*talk.mp3 0.0", hits[0])
    if "OfflineChat" in README_BLOCKS[number]:
        assert printed[0] == printed[1]  # what the first run kept is there, once


def test_the_code_of_the_architecture_page_runs(users_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {"__name__": "__architecture__"}
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for number, block in enumerate(BLOCK.findall(text), start=1):
        exec(compile(block, f"docs/architecture.md, block {number}", "exec"), names)
    printed = capsys.readouterr().out
    assert "audio audio/mpeg (0.0, 5.0)" in printed
    assert "'speaker': 'Ann'" in printed
    assert "['a text of several words']" in printed


@pytest.mark.slow
@pytest.mark.parametrize("page", TAUGHT, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_the_code_of_a_page_for_users_runs_and_finds_the_cat(
    page: Path, users_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    names: dict[str, object] = {"__name__": "__page__"}
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"{page.relative_to(ROOT)}, block {number}", "exec"), names)
    printed = capsys.readouterr().out
    if page.parent.name == "migration":
        assert "photo.jpg" in printed, printed
    if page.stem in ("langchain", "llama-index", "haystack") and page.parent.name == "guides":
        assert "dance" in printed, printed
        assert re.search(r"^source 1: audio .*talk.mp3 0.0$", printed, re.MULTILINE), printed


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", *[str(p.relative_to(ROOT)) for p in PAGES]])
def test_links_to_files_of_the_repository_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{document} links to {target}"


ELSEWHERE = {"haystack_integrations.components.embedders.sentence_transformers"}
"""Modules of other distributions, not installed here, that a page for those who come from them names."""


def resolves(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except (AttributeError, ImportError):
        return False
    return True


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_dotted_name_of_a_document_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    names = set(DOTTED.findall(text)) | {f"senseweave.{name}" for name in IN_A_ROOM.findall(text)}
    assert {name for name in names if not resolves(name)} <= entry_point_groups() | ELSEWHERE


def test_every_dotted_name_in_a_docstring_or_comment_is_there() -> None:
    groups = entry_point_groups()
    for path in SOURCES:
        for name in re.findall(rf"`+({DOTTED.pattern})", path.read_text(encoding="utf-8")):
            assert name in groups or resolves(name), f"{path.relative_to(ROOT)} names {name}"


def entry_point_groups() -> set[str]:
    """Names in quotes that `entry_points` is asked for: those of plug-ins, which are no modules."""
    quoted = re.compile(r'"(senseweave\.[a-z_]+)"')
    source = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    return {name for text in source if "entry_points" in text for name in quoted.findall(text)}
