"""Which files of a folder decide the fingerprint of its space: those that decide vectors, and no others."""

import json
import os
import shutil

import numpy as np
import pytest
from tiny_aligned import make_aligned
from tiny_bridges import bridged, image_classifier
from tiny_clap import clap_maker
from tiny_image import PATCHES, make_timm, maker
from tiny_image_text import make_clip, make_open_clip, make_sentence_transformers_clip
from tiny_models import import_tiny
from tiny_omni import maker as omni_maker
from tiny_sentence import save_sentence_model
from tiny_text import save_model

import senseweave as sw
from senseweave.encoders.rerankers.loading import load_scorer
from senseweave.errors import ModelError

pytestmark = pytest.mark.filterwarnings("ignore")
MAKERS = {
    "contextual": lambda folder: save_model(folder, "Bert"),
    "sentence": lambda folder: save_sentence_model(folder, dense=8),
    "clip": make_clip,
    "clip of sentence-transformers": make_sentence_transformers_clip,
    "clap": clap_maker(fused=False),
    "open_clip": make_open_clip,
    "timm": make_timm,
    "image": maker("ViT", "ViT", **PATCHES),
    "omni": omni_maker(make_clip),
}
BESIDE = (
    "README.md", ".gitattributes", "trainer_state.json", "trainer_log.json", "training_args.bin", "all_results.json",
    "finetuning.json", "eval_results.json", "generation_config.json",
    "optimizer.pt", "scheduler.pt", "rng_state.pth", "rng_state_0.pth",
    "model.onnx", "onnx/model.onnx", "onnx/config.json", "openvino/openvino_model.xml", "original/consolidated.00.pth",
    "checkpoint-5/model.safetensors", "logs/events.json", "eval/similarity_evaluation.csv", "LICENSE.txt",
)  # fmt: skip
"""What hubs and trainers put beside a model."""
UNREAD = ("README.md", "config_sentence_transformers.json", "modules.json")
"""Files that are in the identity by what they say, or that decide nothing where a single module is read."""


CHANGED = "files of this model have been written, moved or deleted since it was loaded"


@pytest.fixture(params=MAKERS)
def folder(request, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    MAKERS[request.param](folder)
    return folder


@pytest.fixture
def fingerprint():
    sizes = iter(range(1, 1000))  # another cache, so that the folder is read anew
    return lambda folder: sw.load(str(folder), device="cpu", cache_size=next(sizes)).fingerprint


def test_what_lies_beside_a_model_is_not_in_its_fingerprint(folder, fingerprint):
    before = fingerprint(folder)
    for name in BESIDE:
        if not (folder / name).exists():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("{}")
            assert fingerprint(folder) == before, name


def test_every_file_of_a_model_is_in_its_fingerprint(folder, fingerprint):
    before = fingerprint(folder)
    for path in sorted(file for file in folder.rglob("*") if file.is_file() and file.name not in UNREAD):
        content = path.read_bytes()
        is_text = path.suffix in (".json", ".txt", ".jinja")
        path.write_bytes(content + b" " if is_text else content[:-1] + bytes([content[-1] ^ 1]))
        assert fingerprint(folder) != before, path
        path.write_bytes(content)


def change(folder):
    """Change a weight, as training again into the same folder would."""
    path = min(folder.rglob("*.safetensors"))
    content = path.read_bytes()
    rewrite(path, content[:-1] + bytes([content[-1] ^ 1]))


def rewrite(path, content):
    path.write_bytes(content)
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1_000_000))  # clocks of files are coarse


def use(space):
    return (
        space.embed_text(["rain"]) if "text" in space.modalities else space.embed_image([np.zeros((30, 40, 3), "u1")])
    )


def test_a_model_does_not_take_the_fingerprint_of_files_that_were_written_since(folder):
    space = sw.load(str(folder), device="cpu")
    use(space)
    change(folder)
    with pytest.raises(ModelError, match=f"{CHANGED}; load it again"):
        _ = space.fingerprint
    again = sw.load(str(folder), device="cpu")
    assert again is not space
    assert again is sw.load(str(folder), device="cpu")
    use(again)
    assert len(again.fingerprint) == 16


def test_a_model_of_which_only_the_dimension_was_read_is_not_another_of_other_files(tmp_path):
    folder = save_sentence_model(tmp_path / "model")
    space = sw.load(folder, device="cpu")
    before = space.dimension
    shutil.rmtree(folder)
    save_sentence_model(tmp_path / "model", dense=2 * before)
    with pytest.raises(ModelError, match=CHANGED):
        use(space)
    again = sw.load(folder, device="cpu")
    assert again.dimension == use(again).shape[1] == 2 * before


def test_a_model_that_is_freed_does_not_compute_with_other_files_than_those_of_its_fingerprint(folder):
    space = sw.load(str(folder), device="cpu")
    before = space.fingerprint
    space.close()
    use(space)
    space.close()
    change(folder)
    for call in (space.load, lambda: use(space)):
        with pytest.raises(ModelError, match=CHANGED):
            call()
    assert sw.load(str(folder), device="cpu").fingerprint != before


def test_a_model_whose_folder_was_moved_computes_until_it_is_freed(folder):
    space = sw.load(str(folder), device="cpu", cache_size=0)
    before = use(space)
    _ = space.fingerprint
    folder.rename(folder.with_name("elsewhere"))
    np.testing.assert_allclose(use(space), before, atol=1e-5)
    space.close()
    with pytest.raises(ModelError, match=CHANGED):
        use(space)
    folder.with_name("elsewhere").rename(folder)
    np.testing.assert_allclose(use(space), before, atol=1e-5)


def test_files_that_are_written_again_as_they_were_are_the_same_model(folder):
    space = sw.load(str(folder), device="cpu")
    before = space.fingerprint
    space.close()
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        os.utime(path, ns=(0, 0))
    use(space)
    assert sw.load(str(folder), device="cpu") is space
    assert space.fingerprint == before


def make_bridge(folder):
    name = bridged(image_classifier)(folder)
    return sw.load(name, image=f"labels:{folder / 'other'}"), folder / "other"


def make_aligned_space(folder):
    sides = {"source": (make_clip, ("image",), {}), "target": (save_sentence_model, ("text",), {})}
    return sw.load(make_aligned(sides)(folder)), folder / "source"


@pytest.mark.parametrize("make", [make_bridge, make_aligned_space])
def test_a_part_that_is_loaded_later_is_that_of_the_fingerprint(tmp_path, make):
    space, later = make(tmp_path)
    space.embed_text(["rain"])
    before = space.fingerprint
    change(later)
    with pytest.raises(ModelError, match=CHANGED):
        space.embed_image([np.zeros((30, 40, 3), "u1")])
    with pytest.raises(ModelError, match=CHANGED):
        space.load("image")
    assert space.embed_text(["snow"]).shape[0] == 1
    assert space.fingerprint == before


@pytest.mark.parametrize(
    "setting",
    [{"prompts": {"query": "find: ", "document": ""}}, {"similarity_fn_name": "dot"}, {"truncate_dim": 8}],
    ids=lambda setting: next(iter(setting)),
)
def test_settings_that_were_saved_again_are_those_of_the_next_load(tmp_path, setting):
    folder = save_sentence_model(tmp_path / "model")
    space = sw.load(folder, device="cpu")
    use(space)
    before = space.fingerprint
    path = tmp_path / "model" / "config_sentence_transformers.json"
    rewrite(path, json.dumps({**json.loads(path.read_text()), **setting}).encode())
    again = sw.load(folder, device="cpu")
    assert again is not space
    shutil.copytree(folder, tmp_path / "copy")
    assert again.fingerprint == sw.load(str(tmp_path / "copy"), device="cpu").fingerprint
    assert space.fingerprint == before


def test_settings_that_were_written_again_as_they_were_are_the_same_model(tmp_path):
    folder = save_sentence_model(tmp_path / "model")
    space = sw.load(folder, device="cpu")
    _ = space.fingerprint
    path = tmp_path / "model" / "config_sentence_transformers.json"
    rewrite(path, path.read_bytes())
    assert sw.load(folder, device="cpu") is space
    use(space)


@pytest.mark.parametrize("save", ["save_splade", "save_colbert", "save_cross_encoder"])
def test_scorers_do_not_take_the_fingerprint_of_files_that_were_written_since(tmp_path, save):
    folder = getattr(import_tiny("tiny_rerankers"), save)(tmp_path)
    model = load_scorer(str(folder), {})
    model.load()
    change(folder)
    with pytest.raises(ModelError, match=CHANGED):
        _ = model.fingerprint
    again = load_scorer(str(folder), {})
    assert len(again.fingerprint) == 16
    change(folder)
    with pytest.raises(ModelError, match=CHANGED):
        again.load()


@pytest.mark.parametrize("save", ["save_splade", "save_colbert"])
def test_prompts_that_a_scorer_was_saved_with_are_in_its_fingerprint(tmp_path, save):
    folder = getattr(import_tiny("tiny_rerankers"), save)(tmp_path)
    before = load_scorer(str(folder), {}).fingerprint
    given = load_scorer(str(folder), {"prompts": {}}).fingerprint
    settings = folder / "config_sentence_transformers.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "prompts": {"query": "find: "}}))
    assert load_scorer(str(folder), {}).fingerprint != before
    assert load_scorer(str(folder), {"prompts": {}}).fingerprint == given


def test_a_sparse_space_of_files_that_were_written_since_is_loaded_anew(tmp_path):
    folder = import_tiny("tiny_rerankers").save_splade(tmp_path)
    space = sw.load_sparse(folder)
    before = space.fingerprint
    assert sw.load_sparse(folder) is space
    change(folder)
    assert sw.load_sparse(folder) is not space
    assert sw.load_sparse(folder).fingerprint != before


@pytest.mark.parametrize("name", ["bpe.codes", "vocab.bpe", "own.py", "prophetnet.tokenizer", "spiece.spm"])
def test_files_of_any_tokenizer_and_code_are_in_the_fingerprint_of_a_text_model(tmp_path, fingerprint, name):
    folder = save_model(tmp_path / "model", "Bert")
    before = fingerprint(folder)
    (folder / name).write_text("words")
    assert fingerprint(folder) != before


def test_weights_of_both_routes_are_in_the_fingerprint(tmp_path, fingerprint):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    sides = [[Transformer(str(save_model(tmp_path / side, "Bert"))), Pooling(32)] for side in ("query", "document")]
    model = SentenceTransformer(modules=[Router.for_query_document(*sides)], device="cpu")
    model.save(str(tmp_path / "model"))
    before = fingerprint(tmp_path / "model")
    weights = sorted((tmp_path / "model").rglob("*.safetensors"))
    assert len(weights) == 2
    for path in weights:
        copy = shutil.copytree(tmp_path / "model", tmp_path / f"copy of {path.parent.name}")
        content = path.read_bytes()
        (copy / path.relative_to(tmp_path / "model")).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert fingerprint(copy) != before, path


def test_prompts_of_a_model_of_several_modalities_are_in_its_fingerprint(tmp_path, fingerprint):
    folder = tmp_path / "model"
    folder.mkdir()
    MAKERS["omni"](folder)
    before = fingerprint(folder)
    settings = folder / "config_sentence_transformers.json"
    settings.write_text(settings.read_text().replace('"query": ""', '"query": "find: "'))
    assert fingerprint(folder) != before
