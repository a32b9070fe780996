"""Two models in one space: what is fitted, measured, saved and loaded, and what a folder may ask for."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import senseweave as sw
from senseweave.encoders.families.aligned import CONFIG, WEIGHTS, Config, identify
from senseweave.encoders.parts.heads import unit
from senseweave.errors import ModelError, TrustError, UnsupportedModalityError, WeightsError
from senseweave.media import MODALITIES
from senseweave.spaces import recorded
from senseweave.spaces.recorded import demands
from senseweave.testing.toys import toy_space

WORDS = [
    f"{first}{second}"
    for first in ("river", "stone", "cloud", "lamp", "pepper")
    for second in ("bed", "way", "side", "wood", "light", "land")
]


def sentences(count: int, seed: int = 0) -> list[str]:
    generator = np.random.default_rng(seed)
    return list(dict.fromkeys(" ".join(generator.choice(WORDS, 6)) for _ in range(count)))


def twins(count: int = 120, seed: int = 0) -> list[tuple[str, str]]:
    """Pairs of equal words, which two toy models turn differently: a rotation aligns them."""
    return [(text, f"{text} ") for text in sentences(count, seed)]


@pytest.fixture(scope="module")
def aligned() -> sw.Alignment:
    return sw.align(toy_space(0, ["text"]), toy_space(1), twins(), seconds=0)


def test_held_out_pairs_find_each_other_where_the_models_alone_do_not(aligned: sw.Alignment) -> None:
    report = aligned.report
    assert report.verdict == "better"
    assert set(report.baselines) == {"chance", "no alignment"}
    for direction, scores in report.scores.items():
        assert scores["recall@1"].mean > 0.9
        assert report.baselines["no alignment"][direction]["recall@1"].mean < 0.2
    assert report.pairs == 120
    assert report.training + report.held_out + len(report.leaks) == report.pairs
    assert 0.15 < report.held_out / report.pairs <= 0.25


def test_the_space_maps_what_pairs_have_not_shown(aligned: sw.Alignment) -> None:
    new = sentences(40, seed=9)
    ours = aligned.space.embed_text(new)
    theirs = aligned.heads.target.apply(toy_space(1).embed_text(new))
    assert ((ours @ theirs.T).argmax(axis=1) == np.arange(len(new))).mean() > 0.9


def test_the_source_embeds_what_both_embed_unless_the_pairs_name_it_as_the_target() -> None:
    both = sw.align(toy_space(0), toy_space(1), noise(30), method="procrustes")
    assert both.space.modalities == MODALITIES
    sides = {side: set(both.config.models[side].encoders) for side in both.config.models}
    assert sides == {"source": {"image", "audio", "video"}, "target": {"text"}}
    heads = {modality: both.space.encoders[modality].head for modality in MODALITIES}  # type: ignore[attr-defined]
    assert heads["image"] == both.heads.source
    assert heads["text"] == both.heads.target


def test_a_model_that_embeds_both_sides_is_measured_as_the_bridge() -> None:
    pairs = noise(40)
    report = sw.align(toy_space(0, ["image"]), toy_space(1), pairs, method="ridge").report
    assert set(report.baselines) == {"chance", "no alignment", "bridge"}
    assert report.verdict != "better"  # the pictures are noise
    assert sw.align(toy_space(0, ["image"]), toy_space(1, ["text"]), pairs, method="ridge").report.baselines.keys() == {
        "chance",
        "no alignment",
    }


def noise(count: int) -> list[tuple[sw.Image, str]]:
    """Pictures and texts that have nothing in common."""
    pictures = np.random.default_rng(0).integers(0, 255, (count, 8, 8, 3), np.uint8)
    return [(sw.Image(picture), text) for picture, text in zip(pictures, sentences(count), strict=True)]


def test_equal_seeds_give_equal_spaces_and_others_other_splits() -> None:
    first, again, other = (
        sw.align(toy_space(0, ["image"]), toy_space(1), noise(60), method="csa", seed=seed) for seed in (3, 3, 4)
    )
    assert first.space.fingerprint == again.space.fingerprint
    assert first.report.to_json() == again.report.to_json()
    assert first.report.failures != other.report.failures


def test_the_fingerprint_changes_with_either_model_and_with_the_heads() -> None:
    def fingerprint(source: int, target: int, pairs: int) -> str:
        return sw.align(
            toy_space(source, ["text"]), toy_space(target, ["image", "text"]), twins(pairs), method="procrustes"
        ).space.fingerprint

    prints = [fingerprint(0, 1, 60), fingerprint(2, 1, 60), fingerprint(0, 2, 60), fingerprint(0, 1, 61)]
    assert len(set(prints)) == 4


def test_pairs_that_cannot_be_embedded_are_reported_with_their_row() -> None:
    pairs: list[Any] = [*twins(40), ("half \udc80 a character", "words"), ("", "words")]
    report = sw.align(toy_space(0, ["text"]), toy_space(1), pairs, method="procrustes").report
    assert [(error.position, error.total) for error in report.failed] == [(41, 42), (40, 42)]
    assert "item 41 of 42" in str(report.failed[1])
    with pytest.raises(sw.MediaError, match="half a character"):
        sw.align(toy_space(0, ["text"]), toy_space(1), pairs[:41], method="procrustes", on_error="raise")


def test_near_duplicates_of_training_pairs_are_not_measured() -> None:
    # The same words in another order are another document, and the same vector to a toy model.
    pairs = twins(60)
    turned = [(" ".join(reversed(first.split())), " ".join(reversed(second.split()))) for first, second in pairs]
    report = sw.align(toy_space(0, ["text"]), toy_space(1), [*pairs, *turned], method="procrustes").report
    assert report.leaks
    assert "resembles" in report.leaks[0]
    assert report.held_out < 0.2 * report.pairs


def test_the_report_is_a_table_json_and_a_picture(aligned: sw.Alignment, tmp_path: Path) -> None:
    printed = str(aligned.report)
    assert "source to target" in printed
    assert "no alignment" in printed
    assert "recall@10 by number of pairs" in printed
    assert [point.pairs for point in aligned.report.curve] == sorted(point.pairs for point in aligned.report.curve)
    assert json.loads(json.dumps(aligned.report.to_json()))["verdict"] == "better"
    assert {row["direction"] for row in aligned.report.rows()} == {"source to target", "target to source"}
    assert aligned.report.plot(tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_failures_name_what_was_found_instead() -> None:
    pairs = noise(80)
    (first, *_) = failures = sw.align(toy_space(0, ["image"]), toy_space(1), pairs, method="ridge").report.failures
    assert first.rank > 1
    assert first.found != first.wanted
    names = {text for _, text in pairs} | {picture.source.rpartition("/")[2] for picture, _ in pairs}
    assert {first.query, first.found, first.wanted} <= names
    assert [failure.margin for failure in failures] == sorted(failure.margin for failure in failures)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"pairs": twins(10)}, ValueError, "10 pairs of 10 different documents are too few"),
        ({"pairs": [(f"{n} x", "the same") for n in range(50)]}, ValueError, "50 pairs of 1 different documents"),
        ({"validation": 0.0}, ValueError, "validation must be a share between 0 and 1"),
        ({"validation": "0.2"}, ValueError, "validation must be a share .* not '0.2'"),
        ({"seed": -1}, ValueError, "seed must be a whole number from 0 to 4294967295, not -1"),
        ({"seed": "x"}, ValueError, "seed must be a whole number .* not 'x'"),
        ({"modalities": ("text",)}, ValueError, "modalities must be two of text, image, audio, video"),
        ({"modalities": "text"}, ValueError, "modalities must be two of"),
        ({"pairs": [*twins(40), {"a": "x", "b": "y"}]}, ValueError, "pair 41 is dict, unlike those before"),
        ({"pairs": [{"a": "x", "b": "y"}, ("x", "y")]}, ValueError, "pair 2 is tuple, unlike those before"),
        ({"pairs": pandas.DataFrame(twins(40))}, TypeError, "DataFrame gives its columns in place of its rows"),
        (
            {"pairs": [(f"{n} \ud800", f"{n}") for n in range(40)]},
            ValueError,
            r"none of the 40 pairs can be embedded; .*\(item 1 of 40\): holds half a character",
        ),
        ({"method": "magic", "source": "no/model"}, ValueError, "method must be one of auto, blend, ridge"),
        ({"validation": 0.9}, ValueError, "validation=0.9 leaves 4 of 40 pairs to learn from; hold out fewer"),
        ({"source": toy_space(0, ["image"])}, UnsupportedModalityError, "cannot embed text"),
    ],
)
def test_impossible_arguments_are_errors_that_say_what_to_do(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    given = {"source": toy_space(0, ["text"]), "target": toy_space(1), "pairs": twins(40), **change}
    with pytest.raises(error, match=message):
        sw.align(given.pop("source"), given.pop("target"), given.pop("pairs"), **given)


def test_pictures_are_named_by_the_end_of_their_path_and_not_in_the_summary(tmp_path: Path) -> None:
    pairs = []
    (tmp_path / "pictures").mkdir()
    for number, (picture, text) in enumerate(noise(60)):
        place = tmp_path / "pictures" / f"{number}.png"
        picture.decode().save(place)
        pairs.append((place, text))
    report = sw.align(toy_space(0, ["image"]), toy_space(1), pairs, method="procrustes").report
    assert any(failure.query.startswith("pictures/") for failure in report.failures)
    assert str(tmp_path) not in str(report)
    assert "pictures/" in str(report)
    assert "pictures/" not in report.summary()


def test_a_space_that_was_not_loaded_by_name_cannot_be_saved(aligned: sw.Alignment, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="was not loaded by name"):
        aligned.save(tmp_path / "space")
    assert not (tmp_path / "space").exists()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved alignment of the starter's texts with themselves, which loads without a text model's weights twice."""
    space = sw.load("starter", max_length=32)
    made = sw.align(space, space, twins(30), method="procrustes")
    return made.save(tmp_path_factory.mktemp("aligned") / "space")


@pytest.fixture(autouse=True)
def _nothing_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSEWEAVE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(recorded, "_written", {})
    monkeypatch.delenv("SENSEWEAVE_TRUST", raising=False)


def edited(folder: Path, place: Path, **changes: Any) -> Path:
    """A copy of a saved alignment whose configuration of the source is another."""
    copy = Path(shutil.copytree(folder, place))
    config = json.loads((copy / CONFIG).read_text(encoding="utf-8"))
    config["source"].update(changes)
    (copy / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    return copy


def test_a_saved_folder_holds_no_pickle_and_loads_as_the_same_space(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", WEIGHTS, "report.json", CONFIG]
    space = sw.load(folder)
    assert space.modalities == MODALITIES
    assert space.name == str(folder)
    vectors = space.embed_text(["a cat", "the sea"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    assert config["source"]["model"] == "starter"
    assert config["source"]["options"] == {"max_length": 32}
    assert space.max_length == 32
    assert sw.load(folder, dimensions=8).embed_text(["a cat"]).shape == (1, 8)


def test_saving_again_replaces_and_other_folders_are_left_alone(folder: Path, tmp_path: Path) -> None:
    space = sw.load("starter", max_length=32)
    other = sw.align(space, space, twins(31), method="procrustes")
    first = Path(shutil.copytree(folder, tmp_path / "space"))
    other.save(first)
    assert sw.load(first).fingerprint == other.space.fingerprint != sw.load(folder).fingerprint
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").touch()
    with pytest.raises(FileExistsError, match="holds something else"):
        other.save(tmp_path / "photos")


def test_an_index_holds_it_and_opens_by_its_name(folder: Path, tmp_path: Path) -> None:
    with sw.Index(tmp_path / "index", spaces=[str(folder)]) as index:
        index.add([sw.Text(text) for text in ("a black cat sleeps", "waves on the sea", "a train to the city")])
    with sw.Index.open(tmp_path / "index") as again:
        assert again.search("kitten", k=1)[0].text == "a black cat sleeps"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"model": "owner/model"}, "download"),
        ({"model": "/models/x"}, "path"),
        ({"model": "openai:m"}, "server"),
        ({"model": "bridge:starter", "options": {"image": "caption:owner/model"}}, "download"),
        ({"options": {"trust_remote_code": True}}, "code"),
        ({"options": {"base_url": "http://127.0.0.1"}}, "server"),
    ],
)
def test_a_folder_chooses_no_code_server_path_or_download(
    folder: Path, tmp_path: Path, changes: dict[str, Any], kind: str
) -> None:
    copy = edited(folder, tmp_path / "copy", **changes)
    for name in (str(copy), f"aligned:{copy}", f"frames:{copy}", f"bridge:{copy}"):
        with pytest.raises(TrustError) as caught:
            sw.load(name)
        assert caught.value.kinds == (kind,)
        assert str(copy) in str(caught.value)
    with sw.trust(kind), pytest.raises(Exception) as allowed:  # type: ignore[arg-type]  # noqa: PT011
        sw.load(copy)
    assert not isinstance(allowed.value, TrustError)


def test_naming_a_folder_does_not_allow_later_what_it_asks_for(folder: Path, tmp_path: Path) -> None:
    copy = edited(folder, tmp_path / "copy", model="owner/model")
    with sw.trust("download"), pytest.raises(ModelError):
        sw.load(copy)
    recorded.remember(str(copy), {})
    assert recorded.check_recorded("index", str(folder), {}, ["path"])
    with pytest.raises(TrustError, match="owner/model"):
        recorded.check_recorded("index", str(copy), {})


def test_a_folder_that_stands_on_itself_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = edited(folder, tmp_path / "copy", model=str(tmp_path / "copy"), options={})
    assert demands(str(copy), {})
    with sw.trust(), pytest.raises(ModelError, match="more than 4 deep, or on itself"):
        sw.load(copy)
    for name in ("./../elsewhere", "./."):
        other = edited(folder, tmp_path / f"copy{len(name)}", model=name, options={})
        with pytest.raises(ModelError, match="leads out of the folder"):
            sw.load(other)


def test_a_model_inside_the_folder_is_as_trusted_as_the_folder(folder: Path, tmp_path: Path) -> None:
    copy = edited(folder, tmp_path / "copy", model="./inner", options={})
    inner = Path(shutil.copytree(folder, copy / "inner"))
    assert [(demand.kind, demand.folder) for demand in demands(str(copy), {})] == [("path", None)]
    config = json.loads((copy / CONFIG).read_text(encoding="utf-8"))
    encoder = sw.load(inner).encoders["text"]
    config["source"]["encoders"] = {"text": identify(encoder)}
    (copy / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    assert "text" in sw.load(copy).modalities
    other = edited(folder, tmp_path / "other", model="./inner", options={})
    edited(folder, other / "inner", model="owner/model")
    with pytest.raises(TrustError, match="owner/model"):
        sw.load(other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": {"max_length": 64}}, "was fitted to other weights or options of 'starter'"),
        ({"options": {"colour": 1}}, "cannot be loaded: starter has no option colour|sets the option"),
        ({"encoders": {"smell": "0"}}, "is not the configuration of an aligned space"),
        ({"dimension": 7}, "takes 384 dimensions, and its model is recorded with 7"),
        ({"head": []}, "incomplete or damaged"),
        ({"head": [{"kind": "pickle", "share": 1}]}, "incomplete or damaged"),
    ],
)
def test_a_damaged_configuration_is_an_error_of_one_line(
    folder: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises((ModelError, TrustError), match=message) as caught:
        sw.load(edited(folder, tmp_path / "copy", **changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["missing", "cut", "shape"])
def test_damaged_heads_are_an_error(folder: Path, tmp_path: Path, damage: str) -> None:
    from safetensors.numpy import load_file, save_file

    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    weights = copy / WEIGHTS
    arrays = load_file(weights)
    if damage == "missing":
        weights.unlink()
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    else:
        save_file({**arrays, "source.0.weight": arrays["source.0.weight"][:-1]}, weights)
    with pytest.raises(WeightsError, match=r"cannot be read|incomplete or damaged"):
        sw.load(copy)


def test_a_folder_of_a_newer_version_says_so(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    config = json.loads((copy / CONFIG).read_text(encoding="utf-8"))
    (copy / CONFIG).write_text(json.dumps({**config, "format": 2}), encoding="utf-8")
    with pytest.raises(ModelError, match="written by a newer senseweave"):
        sw.load(copy)


def test_what_a_model_gives_no_vector_of_is_an_error_of_that_item(aligned: sw.Alignment) -> None:
    encoder = aligned.space.encoders["text"]
    prepared = encoder.prepare(["a river", "a stone"], "document")
    prepared[0].data = np.zeros_like(prepared[0].data)
    encoded = encoder.forward(prepared)
    assert list(encoded.errors) == [0]
    assert np.linalg.norm(encoded.vectors[1]) == pytest.approx(1, abs=1e-6)


def test_unpaired_media_tell_how_vectors_are_spread_and_teach_the_student() -> None:
    space = toy_space(0, ["text"])
    few = twins(40)
    plain, more = (
        sw.align(space, toy_space(1), few, method="distill", unpaired=unpaired)
        for unpaired in (None, sentences(200, seed=5))
    )
    new = sentences(60, seed=11)
    wanted = toy_space(1).embed_text(new)
    errors = [1 - (made.space.embed_text(new) * wanted).sum(axis=1).mean() for made in (plain, more)]
    assert errors[1] < errors[0]
    with pytest.raises(UnsupportedModalityError, match="cannot embed image"):
        sw.align(space, toy_space(1), few, unpaired=[sw.Image(np.zeros((4, 4, 3), np.uint8))])


def test_the_layer_that_agrees_best_with_the_target_is_taken(tmp_path: Path) -> None:
    from tiny_contextual import CONTEXTUAL_FAMILIES

    case = next(case for case in CONTEXTUAL_FAMILIES if case.modality == "text")
    (tmp_path / "model").mkdir()
    name = f"contextual:{case.make(tmp_path / 'model')}"
    pairs = twins(60)
    for layer in (-1, -2):
        target = sw.load(name, layers=(layer,), device="cpu")
        made = sw.align(sw.load(name, device="cpu"), target, pairs, method="procrustes", layers=(-1, -2))
        assert made.config.models["source"].options["layers"] == (layer,)  # type: ignore[index]
    with pytest.raises(TypeError, match="starter has no option layers"):
        sw.align("starter", "starter", pairs, layers=(-1,))
    with pytest.raises(ValueError, match="layers= needs a source that is loaded by name"):
        sw.align(toy_space(0, ["text"]), toy_space(1), pairs, layers=(-1,))


def test_the_vectors_of_the_target_stay_as_they_are_under_distill() -> None:
    made = sw.align(toy_space(0, ["image"]), toy_space(1, ["text"]), noise(30), method="distill")
    texts = sentences(5, seed=3)
    assert made.space.embed_text(texts) == pytest.approx(unit(toy_space(1).embed_text(texts)), abs=1e-6)


def test_the_configuration_round_trips(aligned: sw.Alignment) -> None:
    assert isinstance(aligned.config, Config)
    assert json.loads(json.dumps(aligned.config.to_json()))["details"]["pairs"] == 120
