"""`senseweave align` fits, reports, saves and draws, and its exit code says whether it helped."""

import json
from pathlib import Path

import command_line
import pytest
from PIL import Image, ImageDraw

pytestmark = pytest.mark.slow

COLORS = ("red", "green", "blue", "orange", "purple", "black", "brown", "pink", "gold", "gray", "cyan", "navy")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of plain pictures with a table of captions, one row of which names no file."""
    folder = tmp_path_factory.mktemp("pictures")
    rows = ["image,caption"]
    for color in COLORS:
        for shape in ("circle", "square", "bar"):
            picture = Image.new("RGB", (64, 64), "white")
            draw = ImageDraw.Draw(picture)
            if shape == "circle":
                draw.ellipse((10, 10, 54, 54), fill=color)
            else:
                draw.rectangle((10, 10, 54, 54) if shape == "square" else (28, 2, 36, 62), fill=color)
            picture.save(folder / f"{color}-{shape}.png")
            rows.append(f"{color}-{shape}.png,a {color} {shape}")
    rows.append("missing.png,a picture that is not there")
    (folder / "pairs.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


def test_it_reports_saves_and_draws(pictures: Path, tmp_path: Path) -> None:
    models = ("--source", "starter:image-features", "--target", "starter")
    done = command_line.piped(
        "align", pictures / "pairs.csv", *models, "--method", "ridge", "--out", tmp_path / "space"
    )
    assert done.returncode in (0, 1), done.stderr
    assert "recall@10" in done.stdout
    assert "recall@10 by number of pairs" in done.stdout
    assert "1 pairs were left out" in done.stdout
    assert "missing.png (item 37 of 37)" in done.stdout
    assert (done.returncode == 0) == ("by ridge, 36 pairs: better" in done.stdout)
    assert (tmp_path / "space" / "learning-curve.png").read_bytes().startswith(b"\x89PNG")
    report = json.loads((tmp_path / "space" / "report.json").read_text(encoding="utf-8"))
    assert report["method"] == "ridge"
    again = command_line.piped(
        "align", pictures / "pairs.csv", *models, "--method", "ridge", "--out", tmp_path / "space", "--json"
    )
    assert json.loads(again.stdout)["scores"] == report["scores"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--column", "image"), "--column is given 1 times; give it twice"),
        (("--modality", "image", "--modality", "smell"), "'smell' is not a modality"),
        (("--method", "magic"), "method must be one of auto"),
        (("--source", "nowhere", "--out", "{pictures}"), "holds something else (black-bar.png"),
        (("--source", "nowhere", "--out", "{pictures}/pairs.csv/x"), "pairs.csv is a file"),
        (("--column", "picture", "--column", "caption"), "there is no column 'picture'"),
    ],
)
def test_wrong_usage_is_an_error_of_one_line(
    pictures: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = command_line.piped(
        "align", pictures / "pairs.csv", "--source", "starter:image-features", "--target", "starter",
        "--out", tmp_path / "space", *(argument.format(pictures=pictures) for argument in arguments),
    )  # fmt: skip
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("error:") == 1
    assert not (tmp_path / "space").exists()
