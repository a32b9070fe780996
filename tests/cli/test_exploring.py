"""`duplicates`, `clusters` and `map`, in a pipe."""

import json
import re
import shutil
from pathlib import Path

import pytest
from command_line import piped
from PIL import Image

pytestmark = pytest.mark.slow


@pytest.fixture
def with_copies(corpus: Path, tmp_path: Path) -> Path:
    """A folder with `files/`, a photograph and a smaller copy of it, and the index of them in `index/`."""
    files = tmp_path / "files"
    files.mkdir()
    shutil.copy(corpus / "images" / "photo-02.jpg", files)
    with Image.open(files / "photo-02.jpg") as photo:
        photo.convert("RGB").resize((photo.width // 2, photo.height // 2)).save(files / "smaller.jpg", quality=60)
    done = piped("index", "files", "--into", "index", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_duplicates_are_listed_with_the_best_first_and_deleted_only_when_told_to(with_copies: Path) -> None:
    found = json.loads(piped("duplicates", "index", "--json", folder=with_copies).stdout)
    (group,) = found["groups"]
    assert Path(group["best"]["source"]).name == "photo-02.jpg"
    assert [Path(copy["source"]).name for copy in group["others"]] == ["smaller.jpg"]
    assert (found["deleted"], found["size"]) == (0, 2)
    assert "1 group of duplicates with 1 copy besides" in piped("duplicates", "index", folder=with_copies).stdout
    done = piped("duplicates", "index", "--modality", "image", "--delete", folder=with_copies)
    assert f"image, near: keep {Path('files') / 'photo-02.jpg'}" in done.stdout
    assert "1 records deleted; index holds 1 records" in done.stdout
    assert "0 groups of duplicates" in piped("duplicates", "index", folder=with_copies).stdout
    assert (with_copies / "files" / "smaller.jpg").exists()


def test_a_map_is_a_page_or_a_picture(home: Path, tmp_path: Path) -> None:
    page = piped("map", home / "index", tmp_path / "all.html", "--json")
    made = json.loads(page.stdout)
    assert made["points"] > 3
    assert set(made["mixing"]) == {"vectors", "balanced", "map"}
    assert "Content-Security-Policy" in (tmp_path / "all.html").read_text(encoding="utf-8")
    picture = piped("map", home / "index", tmp_path / "all.png", "--color", "cluster")
    assert "contents drawn in" in picture.stdout
    with Image.open(tmp_path / "all.png") as image:
        assert image.format == "PNG"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("map", "INDEX", "map.pdf"), "end its name in .html or .png"),
        (("map", "INDEX", "nowhere/map.html"), "there is no folder nowhere"),
        (("map", "INDEX", "--color", "smell"), "color must be one of modality, cluster"),
        (("duplicates", "INDEX", "--threshold", "7"), "threshold must be a number above 0"),
        (("clusters", "INDEX", "--space", "other"), "the index has no space 'other'"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments: tuple[str, ...], message: str, home: Path, tmp_path: Path) -> None:
    done = piped(*(home / "index" if name == "INDEX" else name for name in arguments), folder=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_clusters_and_outliers_are_listed(home: Path) -> None:
    found = json.loads(piped("clusters", home / "index", "--min-size", "2", "--outliers", "1", "--json").stdout)
    assert len(found["outliers"]) == 1
    assert sum(cluster["size"] for cluster in found["clusters"]) + len(found["rest"]) >= 4
    shown = piped("clusters", home / "index", "--min-size", "2", "--outliers", "1").stdout
    assert "far from everything" in shown
    assert "contents that belong to none" in shown


def test_segments_of_one_video_are_told_apart_by_their_spans(corpus: Path, tmp_path: Path) -> None:
    shutil.copy(corpus / "video" / "video-02.mp4", tmp_path)
    piped("index", "video-02.mp4", "--into", "index", folder=tmp_path)
    listed = piped("clusters", "index", "--outliers", "2", folder=tmp_path).stdout
    far = re.findall(r"^far from everything \(.*\): video-02.mp4  (\d:[\d.]+)", listed, re.MULTILINE)
    assert sorted(far) == ["0:00.0", "0:02.0"]
