"""The starter and its relatives need neither torch nor what builds on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]

BLOCK = """
import sys, warnings
warnings.simplefilter("ignore")
BLOCKED = {"torch", "torchvision", "torchaudio", "timm", "transformers", "sentence_transformers"}

sys.modules.update(dict.fromkeys(BLOCKED))  # an import of them fails as that of what is not installed
import senseweave as sw
"""


def run(code: str, *arguments: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + code, *map(str, arguments)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_every_modality_is_embedded_indexed_and_found(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("SENSEWEAVE_CACHE", str(tmp_path / "cache"))  # the vectors of class names are computed too
    code = """
corpus, folder = sys.argv[1:]
from pathlib import Path
first = lambda kind, suffix: str(sorted((Path(corpus) / kind).glob(f"*{suffix}"))[0])
image, sound, video = first("images", ".jpg"), first("audio", ".ogg"), first("video", ".mp4")
space = sw.load("starter")
for name, given in {"text": "a cat", "image": image, "audio": sound, "video": video}.items():
    assert getattr(space, f"embed_{name}")([given]).shape == (1, 384), name
index = sw.Index(folder, spaces=["starter"])
report = index.add([sw.Text("a cat sleeps"), image, sound, video])
assert not report.failed, report.failed
assert {hit.modality for hit in index.search("a cat", k=10)} == {"text", "image", "audio", "video"}
print(sorted(BLOCKED & {name.partition(".")[0] for name, module in sys.modules.items() if module}))
"""
    assert run(code, corpus, tmp_path / "index").strip() == "[]"


def test_the_features_of_its_networks_are_computed(corpus):
    code = """
from pathlib import Path
corpus = Path(sys.argv[1])
image, sound = sorted((corpus / "images").glob("*.jpg"))[0], sorted((corpus / "audio").glob("*.ogg"))[0]
print(sw.load("starter:image-features").embed_image([image]).shape)
print(sw.load("starter:sound-features").embed_audio([sound]).shape)
"""
    assert run(code, corpus).split("\n")[:2] == ["(1, 1280)", "(1, 1024)"]


def test_the_multilingual_relative_embeds(corpus):
    pytest.importorskip("sentencepiece")
    code = """
from pathlib import Path
image = sorted((Path(sys.argv[1]) / "images").glob("*.jpg"))[0]
space = sw.load("starter:multilingual")
print(space.embed_text(["eine Katze"]).shape, space.embed_image([image]).shape)
"""
    assert run(code, corpus).strip() == "(1, 512) (1, 512)"


@pytest.mark.parametrize(("name", "call"), [
    ("starter", 'embed_text(["a"])'),
    ("starter:image-features", "embed_image([sys.argv[1]])"),
    ("starter:sound-features", "embed_audio([sys.argv[2]])"),
])  # fmt: skip
def test_another_device_names_the_extra_that_brings_torch(corpus, name, call):
    code = f"""
try:
    sw.load({name!r}, device="cuda").{call}
except ImportError as error:
    print(error)
"""
    image, sound = sorted((corpus / "images").glob("*.jpg"))[0], sorted((corpus / "audio").glob("*.ogg"))[0]
    assert 'pip install "senseweave[' in run(code, image, sound)
