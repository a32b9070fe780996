"""The example of docs/media.md runs as it stands."""

import re
import shutil
from pathlib import Path


def test_the_example_runs(corpus, tmp_path, monkeypatch, capsys, make):
    text = Path(__file__).parents[2].joinpath("docs", "media.md").read_text(encoding="utf-8")
    (tmp_path / "photo.jpg").write_bytes(make.image(make.picture(), "JPEG"))
    (tmp_path / "talk.mp3").write_bytes(make.sound(make.tone(12), kind="MP3"))
    (tmp_path / "clip.mp4").write_bytes(make.container("mp4", frames=make.frames(range(30))))
    shutil.copytree(corpus / "texts", tmp_path / "notes")
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/media.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "Text('notes/cats.md')" in printed
    assert "Audio('talk.mp3', span=(0, 12))" in printed
