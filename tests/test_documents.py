"""The code blocks of the README run as they stand, in order, in a folder of a user's own files."""

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
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


@pytest.mark.parametrize("number", range(len(README_BLOCKS)))
def test_a_code_block_of_the_readme_runs_and_finds_the_cat(
    number: int, users_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = compile(README_BLOCKS[number], f"README.md, block {number + 1}", "exec")
    exec(code, {"__name__": "__readme__"})
    printed = capsys.readouterr().out
    if '"a cat", k=' in README_BLOCKS[number] or '"a cat")' in README_BLOCKS[number]:
        hits = [line for line in printed.splitlines() if "photo.jpg" in line or "notes" in line or "talk.mp3" in line]
        assert hits, printed
        assert "photo.jpg" in "\n".join(hits[:2]), printed


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", *[f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")]]
)
def test_links_to_files_of_the_repository_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{document} links to {target}"
