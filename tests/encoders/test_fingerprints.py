"""Which files of a folder decide the fingerprint of its space: those that decide vectors, and no others."""

import shutil

import pytest
from tiny_clap import clap_maker
from tiny_image import PATCHES, make_timm, maker
from tiny_image_text import make_clip, make_open_clip, make_sentence_transformers_clip
from tiny_omni import maker as omni_maker
from tiny_sentence import save_sentence_model
from tiny_text import save_model

import senseweave as sw

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
