"""From names to spaces: families are told by their files, mistakes are told by their cause."""

from __future__ import annotations

import gc
import importlib
import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

import senseweave as sw
from senseweave.encoders import families
from senseweave.encoders.detection import Signs, read_signs
from senseweave.encoders.registry import BUILT_IN, detect, family_for
from senseweave.spaces import loading


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    """A tiny BERT with a tokenizer of its own."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    words = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "a", "dog", "cat", "runs"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
    ).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=6, max_position_embeddings=16, **sizes)).save_pretrained(folder)
    return folder


def signs(**seen) -> Signs:
    given = {"name": "m", "files": frozenset(), "config": {}, "modules": (), "first_module": {}, **seen}
    if given["config"]:
        given["files"] |= {"config.json"}
    return Signs(**given)


@pytest.mark.parametrize(
    ("seen", "scheme"),
    [
        ({"modules": ("Transformer", "Pooling"), "config": {"model_type": "bert"}}, "sentence"),
        ({"modules": ("Transformer", "Pooling"), "config": {"model_type": "qwen3"}}, "sentence"),
        ({"modules": ("StaticEmbedding",)}, "static"),
        ({"modules": ("StaticEmbedding", "Normalize")}, "static"),
        ({"modules": ("StaticEmbedding", "Dense")}, "sentence"),
        ({"config": {"model_type": "model2vec"}}, "static"),
        ({"config": {"model_type": "modernbert"}}, "contextual"),
        ({"config": {"model_type": "t5"}}, "contextual"),
        ({"modules": ("CLIPModel",)}, "clip"),
        ({"config": {"model_type": "clip"}}, "clip"),
        ({"config": {"model_type": "siglip2"}}, "siglip"),
    ],
)
def test_a_family_is_detected_from_the_files_of_a_folder(seen, scheme):
    assert detect(signs(**seen)).scheme == scheme


def test_a_causal_model_is_pointed_to_where_it_can_be_used():
    with pytest.raises(sw.ModelError, match=r"tokens:m.*pooling='last'"):
        detect(signs(config={"model_type": "llama", "architectures": ["LlamaForCausalLM"]}))


def test_a_checkpoint_of_no_known_family_is_an_error_that_says_what_it_is():
    with pytest.raises(sw.ModelError, match="timesfm"):
        detect(signs(config={"model_type": "timesfm"}))


def test_a_folder_without_any_configuration_is_an_error_that_says_what_it_holds():
    with pytest.raises(sw.ModelError, match=r"neither config.json nor modules.json \(it holds: notes.txt\)"):
        detect(signs(files=frozenset({"notes.txt"})))


def test_a_folder_of_ordinary_files_is_pointed_to_indexing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "garden.txt").write_text("tomatoes need water")
    with pytest.raises(sw.ModelError, match=r"is a folder without a model \(it holds: garden.txt\)") as error:
        sw.load("notes")
    assert f"index.add({str(folder)!r})" in str(error.value)
    assert f"senseweave index {folder}" in str(error.value)
    assert "contextual:" not in str(error.value)


def test_a_folder_of_weights_without_a_configuration_is_pointed_to_a_family(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(sw.ModelError, match=r"neither config.json nor modules.json .* name the family"):
        sw.load(str(tmp_path))


def test_the_folder_of_an_index_is_no_model(tmp_path):
    sw.Index(tmp_path / "index", spaces=["starter"]).close()
    with pytest.raises(sw.ModelError, match=r"is the folder of an index, not of a model; open it with Index.open"):
        sw.load(str(tmp_path / "index"))


def test_a_configuration_that_is_not_json_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(sw.ModelError, match=r"config\.json is not valid JSON"):
        read_signs("m", tmp_path)


@pytest.mark.parametrize("scheme", BUILT_IN)
def test_the_entry_of_a_family_is_in_the_file_that_is_named_as_its_scheme(scheme):
    module = importlib.import_module(f"senseweave.encoders.families.{scheme}")
    family = module.FAMILY
    assert family_for(scheme) is family
    assert family.scheme == scheme
    assert family.build is module.build
    assert family.summary
    assert family.examples
    assert len(family.examples) == len(family.dimensions)


def test_every_file_of_a_family_is_listed():
    files = {path.stem for path in Path(families.__file__).parent.glob("[!_]*.py")}
    assert files == set(BUILT_IN)
    assert len(BUILT_IN) == len(files)


def test_no_two_rules_of_equal_priority_decide_differently_on_one_model_type():
    from senseweave.encoders.detection import BY_IMAGE_TEXT_TYPE, BY_IMAGE_TYPE, BY_TYPE
    from senseweave.encoders.families import ast, blip, clap, clip, image, siglip, speech, video, xclip
    from senseweave.encoders.families.contextual import ENCODER_DECODER_TYPES, ENCODER_TYPES

    tables = (ast, blip, clap, clip, siglip, speech, xclip)
    types = {*ENCODER_TYPES, *ENCODER_DECODER_TYPES, *image.ARCHITECTURES, *video.ARCHITECTURES}
    for model_type in types.union(*(table.CLASSES for table in tables)):
        seen = signs(config={"model_type": model_type})
        for priority in (BY_IMAGE_TEXT_TYPE, BY_IMAGE_TYPE, BY_TYPE):
            rules = [(rule, scheme) for scheme in BUILT_IN for rule in family_for(scheme).rules]
            schemes = [s for rule, s in rules if rule.priority == priority and not rule.refusal and rule.holds(seen)]
            assert len(schemes) <= 1, (model_type, schemes)


def test_a_local_folder_loads_without_a_scheme_and_with_one(bert):
    plain, named = sw.load(str(bert), device="cpu"), sw.load(f"contextual:{bert}", device="cpu")
    np.testing.assert_array_equal(plain.embed_text(["a dog"]), named.embed_text(["a dog"]))
    assert plain.fingerprint == named.fingerprint


def test_a_folder_may_be_a_path(bert):
    assert sw.load(bert, device="cpu") is sw.load(str(bert), device="cpu")


def test_equal_arguments_give_the_same_space_and_others_another(bert):
    space = sw.load(str(bert), device="cpu", pooling="cls")
    assert sw.load(str(bert), pooling="cls", device="cpu") is space
    assert sw.load(str(bert), device="cpu", pooling="max") is not space
    assert sw.load(str(bert), device="cpu", pooling="cls", dimensions=4) is not space


def test_a_space_that_nobody_uses_is_let_go(bert):
    before = len(loading._live)
    sw.load(str(bert), device="cpu", pooling="last")
    gc.collect()
    assert len(loading._live) <= before


def test_a_space_pickles_by_its_configuration_and_not_its_weights(bert):
    space = sw.load(str(bert), device="cpu", pooling="cls", dimensions=8, normalize=False)
    vectors = space.embed_text(["a dog"])
    pickled = pickle.dumps(space)
    assert len(pickled) < 1500
    assert pickle.loads(pickled) is space
    fingerprint = space.fingerprint
    del space
    gc.collect()
    again = pickle.loads(pickled)
    np.testing.assert_array_equal(again.embed_text(["a dog"]), vectors)
    assert again.fingerprint == fingerprint


def test_the_fingerprint_tells_options_and_weights_apart(bert, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(bert, copy)
    assert sw.load(str(copy), device="cpu").fingerprint == sw.load(str(bert), device="cpu").fingerprint
    changed = json.loads((copy / "config.json").read_text()) | {"layer_norm_eps": 1e-3}
    (copy / "config.json").write_text(json.dumps(changed))
    options = (
        {},
        {"pooling": "cls"},
        {"layers": (0,)},
        {"prompts": {"query": "q "}},
        {"max_length": 4},
        {"dimensions": 4},
    )
    prints = {sw.load(str(bert), device="cpu", **option).fingerprint for option in options}
    assert (
        len(prints | {sw.load(str(copy), device="cpu", normalize=True, cache_size=1).fingerprint}) == len(options) + 1
    )


def test_an_unknown_scheme_is_an_error_that_lists_the_known_ones():
    with pytest.raises(sw.ModelError, match="known are starter, sentence"):
        sw.load("nonsense:model")


def test_a_scheme_without_a_model_is_an_error_with_an_example():
    with pytest.raises(sw.ModelError, match="text-embedding-3-small"):
        sw.load("openai:")


@pytest.mark.parametrize("name", ["", "  ", None, 3])
def test_a_name_must_be_a_string(name):
    with pytest.raises(TypeError, match="'starter'"):
        sw.load(name)


def test_an_unknown_model_is_an_error_that_says_where_was_looked():
    with pytest.raises(sw.ModelError, match="nobody/no-such-model is neither a local folder nor in the local cache"):
        sw.load("nobody/no-such-model")


def test_a_path_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(sw.ModelError, match="does not exist"):
        sw.load(str(tmp_path / "missing"))


def test_a_file_is_not_a_model(tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"")
    with pytest.raises(sw.ModelError, match="is a file; expected a folder"):
        sw.load(str(file))


def test_a_folder_without_weights_is_an_error_that_says_what_was_looked_for(bert, tmp_path):
    (tmp_path / "config.json").write_text((bert / "config.json").read_text())
    with pytest.raises(sw.ModelError, match=r"holds no weights \(looked for \.safetensors"):
        sw.load(str(tmp_path))


def test_weights_that_are_no_weights_are_an_error_and_not_a_crash(bert, tmp_path):
    import shutil

    shutil.copytree(bert, tmp_path, dirs_exist_ok=True)
    (tmp_path / "model.safetensors").write_bytes(b"not safetensors at all")
    with pytest.raises(sw.ModelError, match="cannot be loaded"):
        sw.load(str(tmp_path), device="cpu").embed_text(["a dog"])


def test_a_checkpoint_of_another_family_is_refused_by_what_it_is(bert, tmp_path):
    import shutil

    shutil.copytree(bert, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text()) | {"model_type": "whisper"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(sw.ModelError, match=r"another family \(whisper\)"):
        sw.load(f"contextual:{tmp_path}")
    with pytest.raises(sw.ModelError, match=r"no config\.json that names a timm architecture"):
        sw.load(f"timm:{bert}")
    with pytest.raises(sw.ModelError, match=r"\(bert\), not a static model"):
        sw.load(f"static:{bert}")


def test_a_folder_has_no_revisions(bert):
    with pytest.raises(sw.ModelError, match="no revisions"):
        sw.load(str(bert), revision="v2")


def test_a_revision_that_cannot_be_had_is_named(tmp_path):
    with pytest.raises(sw.ModelError, match="at revision 'v9'"):
        sw.load("nobody/no-such-model", revision="v9")


def test_a_revision_that_a_hub_lacks_is_an_error_that_names_it(monkeypatch):
    import httpx
    import huggingface_hub
    from huggingface_hub.errors import RevisionNotFoundError

    def lacking(*arguments, **options):
        request = httpx.Request("GET", "http://localhost/")
        raise RevisionNotFoundError("404", response=httpx.Response(404, request=request))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lacking)
    with pytest.raises(sw.ModelError, match="owner/model has no revision 'v9'"):
        sw.load("owner/model", revision="v9")


def test_pickled_weights_are_fetched_only_where_a_hub_has_no_others(bert, monkeypatch, tmp_path):
    import shutil
    from fnmatch import fnmatch

    import huggingface_hub
    import torch
    from safetensors.torch import load_file

    hub, cache = tmp_path / "hub", tmp_path / "cache"
    shutil.copytree(bert, hub)
    torch.save(load_file(hub / "model.safetensors"), hub / "pytorch_model.bin")
    asked = []

    def fetch(name, revision=None, allow_patterns=()):
        asked.append(list(allow_patterns))
        cache.mkdir(exist_ok=True)
        for file in hub.iterdir():
            if any(fnmatch(file.name, pattern) for pattern in allow_patterns):
                shutil.copy(file, cache)
        return str(cache)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    expected = sw.load("owner/safe", device="cpu").embed_text(["a dog"])
    assert not (cache / "pytorch_model.bin").exists()
    (hub / "model.safetensors").unlink()
    shutil.rmtree(cache)
    np.testing.assert_allclose(sw.load("owner/pickled", device="cpu").embed_text(["a dog"]), expected, atol=1e-6)
    assert (cache / "pytorch_model.bin").exists()


@pytest.mark.parametrize(("trusted", "fetched"), [(True, True), (False, False)])
def test_python_of_a_hub_model_is_fetched_only_where_it_is_trusted(bert, monkeypatch, trusted, fetched):
    import huggingface_hub

    asked = []

    def fetch(name, revision=None, allow_patterns=()):
        asked.extend(allow_patterns)
        return str(bert)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    for scheme in ("sentence", "contextual", "tokens"):
        asked.clear()
        sw.load(f"{scheme}:owner/model", device="cpu", trust_remote_code=trusted)
        assert ("*.py" in asked) is fetched, scheme


def test_a_pickle_that_would_run_code_is_an_error_and_is_not_run(bert, tmp_path):
    import shutil

    class Trap:
        def __reduce__(self):
            return (Path.write_text, (tmp_path / "run", "this code was run"))

    folder = tmp_path / "model"
    shutil.copytree(bert, folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"embeddings.word_embeddings.weight": Trap()}))
    with pytest.raises(sw.ModelError, match="cannot be loaded"):
        sw.load(str(folder), device="cpu").embed_text(["a dog"])
    assert not (tmp_path / "run").exists()


def test_code_of_a_checkpoint_is_not_run_unless_asked(bert, tmp_path):
    import shutil

    shutil.copytree(bert, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "own.py").write_text("raise SystemExit('this code was run')")
    with pytest.raises(sw.ModelError, match="trust_remote_code=True"):
        sw.load(f"contextual:{tmp_path}")


def test_a_missing_extra_is_an_import_error_with_the_line_to_run(bert, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    with pytest.raises(ImportError, match=r'pip install "senseweave\[openai\]"'):
        sw.load("openai:text-embedding-3-small", cache_size=3).embed_text(["a"])


def test_an_option_that_a_family_lacks_is_an_error_that_lists_those_it_has(bert):
    with pytest.raises(TypeError, match=r"contextual has no option poolng; it has: pooling, layers"):
        sw.load(str(bert), poolng="cls")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "median"}, "pooling must be one of cls, mean, max, last"),
        ({"layers": ()}, "at least one layer"),
        ({"prompts": {"passage": "x"}}, "'passage'"),
        ({"max_length": 0}, "must be positive"),
        ({"dimensions": 17}, "between 1 and 16"),
        ({"dimensions": 0}, "between 1 and 16"),
        ({"dtype": "int3"}, "dtype must be one of float32, bfloat16, float16"),
    ],
)
def test_an_impossible_option_is_an_error_before_anything_is_computed(bert, options, message):
    with pytest.raises(ValueError, match=message):
        sw.load(str(bert), **options)


@pytest.mark.parametrize("family", [family_for(scheme) for scheme in BUILT_IN], ids=lambda family: family.scheme)
def test_the_documentation_lists_every_family_with_its_options(family):
    document = (Path(__file__).parents[2] / "docs" / "encoders.md").read_text(encoding="utf-8")
    section = document.partition("## Families\n")[2].partition("\n## ")[0]
    (row,) = [line for line in section.splitlines() if line.startswith(f"| `{family.scheme}` |")]
    for option in family.options():
        assert f"`{option}`" in row
    assert f"`{family.extra}`" in row


def test_a_folder_is_named_by_its_absolute_path_so_that_pickles_find_it_from_elsewhere(bert, monkeypatch, tmp_path):
    monkeypatch.chdir(bert.parent)
    space = sw.load(bert.name, device="cpu")
    kept = pickle.dumps(space)
    by_scheme_too = sw.load(f"contextual:{bert.name}", device="cpu")
    monkeypatch.chdir(tmp_path)
    assert space.name == str(bert)
    assert by_scheme_too.name == f"contextual:{bert}"
    assert pickle.loads(kept).name == str(bert)
    with pytest.raises(sw.ModelError):
        sw.load(bert.name, device="cpu")


@pytest.mark.parametrize("before", ["panns:", "vggish:", "beats:", "c3d:", "i3d:", "speaker:", "torchvision:r3d_18//"])
def test_a_weight_file_is_named_by_its_absolute_path(before, monkeypatch, tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"read when they are first used")
    monkeypatch.chdir(tmp_path)
    name = f"{before}{tmp_path / 'weights.pth'}"
    assert sw.load(f"{before}weights.pth").name == name
    assert sw.load(name).name == name


def test_a_folder_with_the_name_of_a_served_model_changes_nothing(monkeypatch, tmp_path):
    (tmp_path / "text-embedding-3-small").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    assert sw.load("openai:text-embedding-3-small").name == "openai:text-embedding-3-small"
