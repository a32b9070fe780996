"""Folders of text that are no sentence encoders, adapters, and what a folder says of its own vectors."""

import json
import shutil

import numpy as np
import pytest
from tiny_text import TEXTS
from tiny_types import SIZES, save_type

import senseweave as sw
from senseweave.retrieval import Index
from senseweave.retrieval.stores.memory import MemoryStore


def change_json(path, **values):
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**content, **values}))


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return save_type(tmp_path_factory.mktemp("models") / "plain-bert", "bert")


@pytest.fixture
def base(bert, tmp_path):
    return shutil.copytree(bert, tmp_path / "plain-bert")


@pytest.fixture
def sentences(bert, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    model = SentenceTransformer(modules=[Transformer(str(bert)), Pooling(32)], device="cpu")
    model.save(str(tmp_path / "sentences"))
    return tmp_path / "sentences"


@pytest.mark.parametrize("scheme", ["", "sentence:", "contextual:"])
def test_sparse_encoders_are_refused_by_name(base, scheme):
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    assert SpladePooling
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.sparse_encoder.models.MLMTransformer"},
        {"idx": 1, "name": "1", "path": "1", "type": "sentence_transformers.sparse_encoder.models.SpladePooling"},
    ]
    (base / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(sw.ModelError, match=r"is a sparse encoder.*load_reranker"):
        sw.load(f"{scheme}{base}")


def test_a_splade_of_transformers_alone_is_refused(base):
    folder = base.rename(base.with_name("splade-cocondenser"))
    change_json(folder / "config.json", architectures=["BertForMaskedLM"])
    with pytest.raises(sw.ModelError, match="sparse encoder"):
        sw.load(str(folder))


def test_a_masked_language_model_is_a_contextual_encoder(base):
    change_json(base / "config.json", architectures=["BertForMaskedLM"])
    assert sw.load(str(base)).embed_text(["a dog"]).shape == (1, 32)


@pytest.mark.parametrize("scheme", ["", "sentence:", "contextual:"])
@pytest.mark.parametrize(
    "signs",
    [
        {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}},
        {"architectures": ["BertForSequenceClassification"], "sentence_transformers": {"version": "5.0"}},
    ],
)
def test_cross_encoders_are_refused_by_name(base, scheme, signs):
    change_json(base / "config.json", **signs)
    with pytest.raises(sw.ModelError, match=r"is a cross-encoder.*rerank="):
        sw.load(f"{scheme}{base}")


def test_a_classifier_is_pooled_only_by_its_own_scheme(base):
    labels = {"0": "joy", "1": "anger", "2": "fear"}
    change_json(base / "config.json", architectures=["BertForSequenceClassification"], id2label=labels)
    with pytest.raises(sw.ModelError, match=r"is a classifier.*contextual:"):
        sw.load(str(base))
    assert sw.load(f"contextual:{base}").embed_text(["a dog"]).shape == (1, 32)


@pytest.mark.parametrize("library", [{"similarity_fn_name": "MaxSim"}, {"model_type": "MultiVectorEncoder"}])
def test_multi_vector_models_are_refused_by_name(sentences, library):
    change_json(sentences / "config_sentence_transformers.json", **library)
    with pytest.raises(sw.ModelError, match=r"multi-vector.*load_reranker"):
        sw.load(str(sentences))


def save_adapter(base, folder):
    peft = pytest.importorskip("peft")
    import torch
    from transformers import AutoModel

    torch.manual_seed(3)
    adapted = peft.get_peft_model(
        AutoModel.from_pretrained(base), peft.LoraConfig(r=2, target_modules=["query", "value"])
    )
    for name, weight in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.3)
    adapted.save_pretrained(folder)
    return adapted.eval()


def test_an_adapter_is_never_dropped_and_is_merged_when_named(base, sentences, tmp_path):
    import torch
    from transformers import AutoTokenizer

    adapted = save_adapter(base, tmp_path / "adapter")
    with pytest.raises(sw.ModelError, match=r"is an adapter without the weights of its base.*adapter="):
        sw.load(str(tmp_path / "adapter"))
    with pytest.raises(sw.ModelError, match="adapter without the weights"):
        sw.load(f"contextual:{tmp_path / 'adapter'}")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(tmp_path / "adapter" / name, base / name)
    with pytest.raises(sw.ModelError, match=r"holds an adapter.*beside the weights"):
        sw.load(str(base))
    plain = sw.load(f"contextual:{base}", adapter=str(base), cache_size=0)
    tokenizer = AutoTokenizer.from_pretrained(base)
    with torch.inference_mode():
        states = adapted(**tokenizer("a small dog", return_tensors="pt")).last_hidden_state[0].mean(dim=0).numpy()
    expected = states / np.linalg.norm(states)
    np.testing.assert_allclose(plain.embed_text(["a small dog"])[0], expected, atol=1e-5)
    through_modules = sw.load(str(sentences), adapter=str(tmp_path / "adapter"), cache_size=0)
    np.testing.assert_allclose(through_modules.embed_text(["a small dog"])[0], expected, atol=1e-5)
    without = sw.load(str(sentences), cache_size=0)
    assert np.abs(without.embed_text(["a small dog"])[0] - expected).max() > 1e-2
    assert without.fingerprint != through_modules.fingerprint


def test_an_adapter_of_another_base_is_an_error(base, tmp_path):
    other = save_type(tmp_path / "wide", "bert", hidden_size=64, **{k: v for k, v in SIZES.items() if k == "x"})
    save_adapter(other, tmp_path / "adapter")
    with pytest.raises(sw.ModelError, match="cannot be applied to this base"):
        sw.load(f"contextual:{base}", adapter=str(tmp_path / "adapter")).embed_text(["a"])


def test_saved_dimensions_are_kept_unless_asked_otherwise(sentences):
    change_json(sentences / "config_sentence_transformers.json", truncate_dim=8)
    assert sw.load(str(sentences)).embed_text(["a dog"]).shape == (1, 8)
    assert sw.load(str(sentences), dimensions=32).embed_text(["a dog"]).shape == (1, 32)


def test_a_model_of_dot_products_keeps_its_lengths(sentences):
    from sentence_transformers import SentenceTransformer

    change_json(sentences / "config_sentence_transformers.json", similarity_fn_name="dot")
    space = sw.load(str(sentences), cache_size=0)
    own = SentenceTransformer(str(sentences), device="cpu")
    raw = own.encode(TEXTS)
    np.testing.assert_allclose(space.embed_text(TEXTS), raw, atol=1e-4)
    np.testing.assert_allclose(space.similarity(raw, raw), own.similarity(raw, raw).numpy(), rtol=1e-4)
    with pytest.raises(sw.StoreError, match=r"compares vectors by dot.*normalize=True"):
        Index(MemoryStore(), spaces=[space])
    asked = sw.load(str(sentences), normalize=True)
    np.testing.assert_allclose(np.linalg.norm(asked.embed_text(TEXTS), axis=1), 1, atol=1e-5)
    assert asked.fingerprint != space.fingerprint
    with Index(MemoryStore(), spaces=[asked]) as index:
        index.add(sw.Text("a dog", source="a"))
        assert index.search("a dog")[0].source == "a"


@pytest.mark.parametrize("similarity", ["euclidean", "manhattan"])
def test_distances_are_those_of_sentence_transformers(sentences, similarity):
    from sentence_transformers import SentenceTransformer

    change_json(sentences / "config_sentence_transformers.json", similarity_fn_name=similarity)
    space = sw.load(str(sentences))
    own = SentenceTransformer(str(sentences), device="cpu")
    vectors = space.embed_text(TEXTS)
    np.testing.assert_allclose(space.similarity(vectors, vectors), own.similarity(vectors, vectors), atol=1e-3)


def test_nomic_norms_before_it_cuts(sentences):
    import torch

    folder = sentences.rename(sentences.with_name("nomic-embed-text-v1.5"))
    whole = sw.load(str(folder), normalize=False, prompts={}, cache_size=0).embed_text(TEXTS)
    cut = sw.load(str(folder), dimensions=8, prompts={}, cache_size=0)
    expected = torch.nn.functional.normalize(torch.nn.functional.layer_norm(torch.tensor(whole), (32,))[:, :8], dim=1)
    np.testing.assert_allclose(cut.embed_text(TEXTS), expected.numpy(), atol=1e-5)


def test_prompts_come_from_a_models_own_name_and_no_folder_above_it(sentences, tmp_path):
    above = tmp_path / "multilingual-e5-small-experiments"
    above.mkdir()
    mine = shutil.copytree(sentences, above / "mymodel")
    e5 = shutil.copytree(sentences, tmp_path / "multilingual-e5-small")
    plain, own = (sw.load(str(folder), cache_size=0) for folder in (mine, e5))
    np.testing.assert_allclose(plain.embed_text(TEXTS), sw.load(str(sentences)).embed_text(TEXTS), atol=1e-6)
    assert own.encoder("text").prompts.query == "query: "


@pytest.mark.parametrize(
    "file", ["tokenizer_config.json", "modules.json", "1_Pooling/config.json", "sentencepiece.bpe.model", "code.py"]
)
def test_every_file_that_decides_vectors_is_in_the_fingerprint(sentences, tmp_path, file):
    changed = shutil.copytree(sentences, tmp_path / "changed")
    path = changed / file
    path.write_bytes(path.read_bytes() + b"\n" if path.exists() else b"new")
    assert sw.load(str(changed)).fingerprint != sw.load(str(sentences)).fingerprint
    (sentences / "README.md").write_text("other words")
    copy = shutil.copytree(sentences, tmp_path / "copy")
    assert sw.load(str(copy)).fingerprint == sw.load(str(sentences)).fingerprint


def test_what_a_trainer_left_beside_a_model_is_no_part_of_it(base, tmp_path):
    import torch
    from transformers import AutoModel

    weights = AutoModel.from_pretrained(base).state_dict()
    (base / "model.safetensors").unlink()
    torch.save(weights, base / "pytorch_model.bin")
    expected = sw.load(f"contextual:{base}", cache_size=0).embed_text(TEXTS)
    save_type(base / "checkpoint-500", "bert", hidden_size=64)
    torch.save({"lr": 1}, base / "training_args.bin")
    np.testing.assert_array_equal(sw.load(str(base), cache_size=0).embed_text(TEXTS), expected)


def test_modules_without_pooling_are_refused(sentences):
    modules = json.loads((sentences / "modules.json").read_text())[:1]
    (sentences / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(sw.ModelError, match="Pooling"):
        sw.load(str(sentences)).embed_text(["a dog"])


def test_a_hub_model_offline_is_one_error_without_the_tracebacks_of_the_hubs_client(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(sw.ModelError, match=r"no model hub can be reached; load it once with a network") as raised:
        sw.load("nobody/has-this-model")
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
