"""Graphs of text models: equal to torch in every family type, made once, and used without torch afterwards."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tiny_text
import torch
from tiny_sentence import save_sentence_model
from tiny_text import MODERN, bpe_tokenizer, save_model, unigram_tokenizer, wordpiece_tokenizer

import senseweave as sw
from senseweave.encoders.parts import graph_encoder, graph_text
from senseweave.encoders.runtime import onnx_session
from senseweave.encoders.runtime.backends import cache, export, precision

pytest.importorskip("onnxscript")
pytest.importorskip("openvino")

OFFSET = {"max_position_embeddings": 66}
TYPES = {
    "bert": ("Bert", wordpiece_tokenizer, {}),
    "distilbert": ("DistilBert", wordpiece_tokenizer, {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48}),
    "roberta": ("Roberta", bpe_tokenizer, OFFSET),
    "xlm-roberta": ("XLMRoberta", unigram_tokenizer, OFFSET),
    "camembert": ("Camembert", unigram_tokenizer, OFFSET),
    "electra": ("Electra", wordpiece_tokenizer, {"embedding_size": 16}),
    "mpnet": ("MPNet", bpe_tokenizer, OFFSET),
    "modernbert": ("ModernBert", wordpiece_tokenizer, MODERN),
}
SENTENCE = {
    "mean": {},
    "cls-dense": {"pooling": "cls", "dense": 24},
    "max-mean": {"pooling": ("max", "mean"), "normalize": False},
    "prompts": {"prompts": {"query": "query: ", "document": "passage: "}},
    "modernbert": {"kind": "ModernBert", **MODERN},
}
LONG = " ".join(tiny_text.SENTENCES * 6)
ODD = ["", "rain", *tiny_text.TEXTS, *tiny_text.SENTENCES, "rain", "[SEP] <s> 🙂 東京", LONG]
ENGINES = ("onnx", "openvino")


@pytest.fixture(scope="module")
def cache_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _cache(cache_folder, monkeypatch):
    monkeypatch.setenv("SENSEWEAVE_CACHE", str(cache_folder))


def saved(config):
    return {key: value for key, value in config.items() if key not in ("poison", "missing")}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    made = {}

    def model(name: str) -> str:
        if name not in made:
            folder = tmp_path_factory.mktemp("model") / name
            if name in TYPES:
                kind, tokenizer, config = TYPES[name]
                made[name] = f"contextual:{save_model(folder, kind, tokenizer, **saved(config))}"
            else:
                made[name] = save_sentence_model(folder, **saved(SENTENCE[name.removeprefix("sentence-")]))
        return made[name]

    return model


def check_equal(name: str, engine: str, **options) -> None:
    plain = sw.load(name, device="cpu", cache_size=0, backend="torch", **options)
    graph = sw.load(name, cache_size=0, backend=engine, **options)
    texts = [sw.Text(text) for text in ODD]
    for role in ("query", "document"):
        expected, found = (space.encode(texts, role=role) for space in (plain, graph))
        np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-5)
        assert found.dropped == expected.dropped
        alone = np.concatenate([graph.embed_text([text], role=role) for text in ODD])
        np.testing.assert_allclose(alone, found.vectors, atol=1e-5)
    assert graph.fingerprint == plain.fingerprint
    assert graph.dimension == plain.dimension
    assert graph.max_length == plain.max_length
    described = graph.info()["backends"]["text"]
    assert (described["backend"], described["precision"]) == (engine, "fp32")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", list(TYPES))
def test_a_graph_gives_the_vectors_of_torch(models, name, engine):
    check_equal(models(name), engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", list(SENTENCE))
def test_the_modules_of_sentence_transformers_are_in_the_graph(models, name, engine):
    check_equal(models(f"sentence-{name}"), engine)


@pytest.mark.parametrize("options", [{"pooling": "last"}, {"pooling": "max", "layers": (-1, -2)}, {"pooling": "cls"}])
def test_options_of_pooling_and_layers_are_in_the_graph(models, options):
    check_equal(models("bert"), "onnx", **options)


def test_prompts_and_lengths_of_the_user_need_no_graph_of_their_own(models, cache_folder):
    check_equal(models("bert"), "onnx")
    before = sorted(cache_folder.rglob("facts.json"))
    check_equal(models("bert"), "onnx", max_length=9, prompts={"query": "a question: "})
    assert sorted(cache_folder.rglob("facts.json")) == before


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_is_that_of_torch_also_when_it_changes(models, engine, threads):
    space = sw.load(models("bert"), cache_size=0, backend=engine)
    expected = space.embed_text(tiny_text.TEXTS)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        np.testing.assert_allclose(space.embed_text(tiny_text.TEXTS), expected, atol=1e-5)
        assert space.info()["backends"]["text"]["threads"] == threads
    finally:
        torch.set_num_threads(before)


WITHOUT_TORCH = """
import sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
import senseweave as sw
space = sw.load(sys.argv[1], backend=sys.argv[2], cache_size=0)
np.save(sys.argv[3], space.embed_text(["a dog", "rain"], role="query"))
print(space.fingerprint, space.max_length, [name for name in ("torch", "transformers", "onnx") if name in sys.modules])
"""


@pytest.mark.parametrize("engine", ["auto", *ENGINES])
@pytest.mark.parametrize("name", ["bert", "sentence-prompts"])
@pytest.mark.parametrize("scheme", ["named", "detected"])
def test_a_later_process_needs_neither_torch_nor_transformers(models, tmp_path, scheme, name, engine):
    folder = models(name) if scheme == "named" else models(name).removeprefix("contextual:")
    here = sw.load(folder, backend="onnx", cache_size=0)
    expected = here.embed_text(["a dog", "rain"], role="query")
    file = tmp_path / "vectors.npy"
    command = [sys.executable, "-c", WITHOUT_TORCH, folder, engine, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(maxsplit=2) == [here.fingerprint, str(here.max_length), "[]\n"]
    np.testing.assert_allclose(np.load(file), expected, atol=1e-5)


def test_auto_takes_a_graph_that_is_there_and_makes_none(tmp_path, cache_folder):
    name = f"contextual:{save_model(tmp_path / 'fresh', 'Bert', initializer_range=0.03)}"
    before = sorted(cache_folder.rglob("facts.json"))
    assert sw.load(name, device="cpu").info()["backends"]["text"]["backend"] == "torch"
    assert sorted(cache_folder.rglob("facts.json")) == before
    sw.load(name, backend="onnx").load()
    assert sw.load(name, device="cpu", cache_size=5).info()["backends"]["text"]["backend"] == "onnx"
    half = sw.load(name, device="cpu", dtype="bfloat16")
    assert half.info()["backends"]["text"] == {
        "backend": "torch", "device": "cpu", "precision": "bf16", "texts": "padded",
    }  # fmt: skip


@pytest.mark.parametrize("how", ["option", "environment"])
def test_the_cpu_may_be_named_with_its_number(models, monkeypatch, how):
    named = {"device": "cpu:0"} if how == "option" else {}
    if how == "environment":
        monkeypatch.setenv("SENSEWEAVE_DEVICE", "cpu:0")
    for number, backend in enumerate(("onnx", "openvino", "auto")):
        space = sw.load(models("bert"), backend=backend, cache_size=20 + number, **named)
        assert space.info()["backends"]["text"]["backend"] == ("onnx" if backend == "auto" else backend)
    assert sw.load(models("bert"), precision="int8", cache_size=23, **named).encoders["text"].engine == "onnx"


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
def test_bfloat16_on_the_cpu_is_refused_also_beside_a_graphics_card(models, monkeypatch, device):
    monkeypatch.setattr(precision, "processor_flags", frozenset)
    monkeypatch.setattr(precision, "has_accelerator", lambda: True)
    with pytest.raises(ValueError, match="this processor has no bfloat16"):
        sw.load(models("bert"), device=device, precision="bf16", cache_size=24)


def test_auto_leaves_other_devices_to_torch(models, monkeypatch):
    sw.load(models("bert"), backend="onnx").load()
    monkeypatch.setenv("SENSEWEAVE_DEVICE", "cuda")
    encoder = sw.load(models("bert"), cache_size=11).encoders["text"]
    assert not isinstance(encoder, graph_text.GraphText)
    monkeypatch.setenv("SENSEWEAVE_DEVICE", "cpu")
    assert isinstance(sw.load(models("bert"), cache_size=12).encoders["text"], graph_text.GraphText)


def test_auto_computes_in_torch_if_the_graph_cannot_be_computed(models, monkeypatch, caplog):
    plain = sw.load(models("bert"), backend="torch", cache_size=0)
    sw.load(models("bert"), backend="onnx").load()

    def broken(*arguments):
        raise RuntimeError("no kernel for this")

    monkeypatch.setattr(graph_encoder, "_backend", broken)
    space = sw.load(models("bert"), cache_size=1)
    np.testing.assert_allclose(space.embed_text(ODD[:4]), plain.embed_text(ODD[:4]), atol=1e-6)
    assert space.info()["backends"]["text"]["backend"] == "torch"
    assert space.fingerprint == plain.fingerprint
    assert "torch computes it, because its graph cannot: no kernel for this" in caplog.text
    with pytest.raises(RuntimeError, match="no kernel for this"):
        sw.load(models("bert"), backend="onnx", cache_size=2).load()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("made", ["now", "before"])
def test_a_graph_that_differs_is_an_error_that_says_by_how_much(tmp_path, monkeypatch, cache_folder, made, engine):
    seed = 0.04 + ENGINES.index(engine) / 1000 + (made == "now") / 10_000
    name = f"contextual:{save_model(tmp_path / 'differs', 'Bert', initializer_range=seed)}"
    other = ENGINES[1 - ENGINES.index(engine)]
    if made == "before":
        sw.load(name, backend=other).load()
    right = {"onnx": graph_encoder.Onnx, "openvino": graph_encoder.OpenVino}

    def wrong(kind, name, graph, collate):
        def shifted(items):
            inputs = collate(items)
            ids = inputs["input_ids"]
            return {**inputs, "input_ids": np.where(ids > 5, ids - 1, ids)}

        return right[kind](name, graph, shifted)

    for broken in {engine, "onnx"} if made == "now" else {engine}:
        monkeypatch.setattr(graph_encoder, right[broken].__name__, functools.partial(wrong, broken))
    before = sorted(cache_folder.rglob("facts.json"))
    with pytest.raises(sw.ModelError, match=r"differ from those of torch by \d.\de[+-]\d\d, more than 1e-05"):
        sw.load(name, backend=engine).load()
    assert sorted(cache_folder.rglob("facts.json")) == before, "what is not proven is not kept"


@pytest.mark.parametrize(("threads", "tokens"), [(1, 512), (2, 1024), (16, 2048)])
def test_onnx_runtime_gets_batches_that_stay_in_the_caches_of_its_cores(models, threads, tokens, monkeypatch):
    monkeypatch.setattr(onnx_session, "compute_threads", lambda: threads)
    name = models("sentence-mean")

    def tokens_in_batch(**options):
        space = sw.load(name, max_length=threads, **options)  # which no other case has loaded
        return space.encoders["text"].batch_budget

    assert tokens_in_batch(backend="onnx") == tokens
    assert tokens_in_batch(backend="openvino") == 2048
    assert tokens_in_batch(backend="onnx", batch_tokens=300) == 300


@pytest.mark.parametrize(("engine", "least"), [("onnx", 0.9), ("openvino", 0.99)])
def test_eight_bits_say_what_they_cost(models, engine, least):
    name = models("sentence-mean")
    exact, reduced = (sw.load(name, backend=engine, precision=kind, cache_size=0) for kind in ("fp32", "int8"))
    a, b = exact.embed_text(tiny_text.SENTENCES), reduced.embed_text(tiny_text.SENTENCES)
    cosines = (a * b).sum(axis=1)
    loss = reduced.info()["backends"]["text"]["loss"]
    assert loss["texts"] == len(precision.LOSS_TEXTS)
    assert least < loss["cosine_min"] <= loss["cosine_mean"] <= 1
    assert least < cosines.min() < 1 - 1e-7, "weights of 8 bits are not those of 32"
    assert reduced.fingerprint != exact.fingerprint
    assert json.loads(json.dumps(reduced.info()))["backends"]["text"]["precision"] == "int8"
    assert reduced.encoders["text"].batch_budget == 1024


def test_eight_bits_of_two_engines_have_fingerprints_of_their_own(models):
    name = models("sentence-mean")
    prints = {sw.load(name, backend=engine, precision="int8").fingerprint for engine in ENGINES}
    assert len(prints) == 2


def test_bfloat16_is_only_there_where_the_processor_has_it(models, monkeypatch):
    for flags, allowed in ((frozenset({"avx512_bf16"}), True), (frozenset({"avx2"}), False)):
        monkeypatch.setattr(precision, "processor_flags", lambda flags=flags: flags)
        for backend in ("torch", "openvino"):
            if allowed:
                sw.load(models("bert"), device="cpu", backend=backend, precision="bf16", cache_size=7)
            else:
                with pytest.raises(ValueError, match="this processor has no bfloat16"):
                    sw.load(models("bert"), device="cpu", backend=backend, precision="bf16", cache_size=8)


def test_bfloat16_of_torch_is_that_of_dtype(models):
    if not precision.processor_has("avx512_bf16", "amx_bf16"):
        pytest.skip("this processor has no bfloat16")
    by_precision = sw.load(models("bert"), device="cpu", backend="torch", precision="bf16", cache_size=0)
    by_dtype = sw.load(models("bert"), device="cpu", dtype="bfloat16", cache_size=0)
    assert by_precision.fingerprint == by_dtype.fingerprint
    np.testing.assert_array_equal(by_precision.embed_text(["a dog"]), by_dtype.embed_text(["a dog"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "tensorrt"}, "backend must be 'auto', 'torch', 'onnx' or 'openvino', not 'tensorrt'"),
        ({"precision": "fp8"}, "precision must be 'fp32', 'bf16' or 'int8', not 'fp8'"),
        (
            {"backend": "torch", "precision": "int8"},
            "not compute in int8; use backend='onnx' or backend='openvino'",
        ),
        (
            {"backend": "onnx", "precision": "bf16"},
            "not compute in bf16; use backend='torch' or backend='openvino'",
        ),
        ({"backend": "onnx", "device": "cuda"}, "computes on the CPU, not on device='cuda'"),
        ({"precision": "int8", "device": "cuda:1"}, "computes on the CPU, not on device='cuda:1'"),
        ({"backend": "openvino", "device": ["cuda:0", "cuda:1"]}, "computes on the CPU, not on device='cuda:0'"),
        ({"backend": "openvino", "dtype": "bfloat16"}, "does not take dtype='bfloat16'"),
        ({"precision": "int8", "dtype": "float32"}, "leave dtype out"),
    ],
)
def test_what_no_backend_computes_is_an_error_at_once(models, options, message):
    with pytest.raises(ValueError, match=message):
        sw.load(models("bert"), **options)


def test_families_without_backends_refuse_the_option_by_name(models):
    with pytest.raises(TypeError, match="tokens has no option backend"):
        sw.load(models("bert").replace("contextual:", "tokens:"), backend="onnx")


def test_a_family_that_is_padded_says_so_without_a_second_model(models, monkeypatch):
    from senseweave.encoders.families import contextual

    space = sw.load(models("bert").replace("contextual:", "tokens:"), device="cpu")
    space.load()
    monkeypatch.setattr(contextual, "load_text_model", lambda *arguments: pytest.fail("the model was loaded again"))
    described = space.info()["backends"]["text"]
    assert described == {"backend": "torch", "device": "cpu", "precision": "fp32", "texts": "padded"}


def test_a_missing_engine_is_an_error_with_the_line_to_run(models, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ImportError, match=r"backend='openvino' needs openvino.*senseweave\[openvino\]"):
        sw.load(models("bert"), backend="openvino", cache_size=3).load()


def test_a_model_that_is_no_plain_pipeline_says_why_it_cannot_be_a_graph(tmp_path):
    name = save_sentence_model(tmp_path / "instructor", include_prompt=False, prompts={"query": "find: "})
    with pytest.raises(sw.ModelError, match="its pooling leaves the prompt out; use backend='torch'"):
        sw.load(name, backend="onnx").load()


def test_an_index_of_one_backend_is_searched_by_another(models, tmp_path):
    name = models("sentence-prompts")
    with sw.Index(tmp_path / "index", spaces=[sw.load(name, backend="torch", device="cpu")]) as index:
        index.add([sw.Text(text) for text in tiny_text.TEXTS])
        expected = [(hit.text, round(hit.score, 4)) for hit in index.search("a small dog", k=3)]
    for engine in ENGINES:
        with sw.Index(tmp_path / "index", spaces=[sw.load(name, backend=engine)]) as index:
            assert [(hit.text, round(hit.score, 4)) for hit in index.search("a small dog", k=3)] == expected
    with pytest.raises(sw.FingerprintError):
        sw.Index(tmp_path / "index", spaces=[sw.load(name, backend="openvino", precision="int8")])


def test_a_graph_beside_the_weights_of_a_model_is_never_read(tmp_path):
    folder = save_model(tmp_path / "with-graph", "Bert", initializer_range=0.05)
    (folder / "onnx").mkdir()
    for place in (folder, folder / "onnx"):
        (place / "model.onnx").write_bytes(b"not a graph")
    plain = sw.load(f"contextual:{folder}", backend="torch", device="cpu", cache_size=0)
    graph = sw.load(f"contextual:{folder}", backend="onnx", cache_size=0)
    np.testing.assert_allclose(graph.embed_text(ODD[1:4]), plain.embed_text(ODD[1:4]), atol=1e-5)


@pytest.mark.parametrize(("number", "damage"), list(enumerate(["cut", "changed", "missing", "facts"])))
def test_a_damaged_graph_is_made_again(models, cache_folder, number, damage):
    name = models("sentence-mean")
    expected = sw.load(name, backend="onnx", cache_size=0).embed_text(ODD[1:4])
    place = graph_encoder.source_key(sw.load(name, backend="onnx", cache_size=0).encoders["text"].source).folder(
        cache_folder / "graphs"
    )
    graph = place / export.GRAPH
    content = graph.read_bytes()
    if damage == "cut":
        graph.write_bytes(content[: len(content) // 2])
    elif damage == "changed":
        graph.write_bytes(content[:-1000] + bytes(1000))
    elif damage == "missing":
        shutil.rmtree(place)
    else:
        (place / cache.FACTS).write_text("[]")
    found = sw.load(name, backend="onnx", cache_size=100 + number).embed_text(ODD[1:4])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert cache.read_entry(place) is not None


def test_without_a_cache_folder_the_graph_lasts_as_long_as_the_process(models, monkeypatch):
    monkeypatch.setenv("SENSEWEAVE_CACHE", "")
    plain = sw.load(models("bert"), backend="torch", device="cpu", cache_size=0)
    graph = sw.load(models("bert"), backend="onnx", cache_size=6)
    np.testing.assert_allclose(graph.embed_text(ODD[1:4]), plain.embed_text(ODD[1:4]), atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_devices_of_a_space_compute_by_one_graph_also_when_it_is_opened_again(models, engine):
    expected = sw.load(models("bert"), backend=engine, cache_size=0).embed_text(ODD)
    space = sw.load(models("bert"), backend=engine, device=["cpu", "cpu"], batch_tokens=40, cache_size=0)
    for _ in range(2):
        np.testing.assert_allclose(space.embed_text(ODD), expected, atol=1e-5)
        first, second = space.replicas("text")
        assert first._graph() is second._graph()
        space.close()


FORKED = """
import os, sys, warnings
import numpy as np
import senseweave as sw
warnings.simplefilter("ignore")
space = sw.load(sys.argv[1], backend=sys.argv[2], cache_size=0)
expected = space.embed_text(["a dog", "rain"])
child = os.fork()
if child == 0:
    same = np.allclose(space.embed_text(["a dog", "rain"]), expected, atol=1e-5)
    os._exit(0 if same else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("engine", ENGINES)
def test_a_forked_child_opens_a_graph_of_its_own(models, engine):
    sw.load(models("bert"), backend=engine).load()
    command = [sys.executable, "-c", FORKED, models("bert"), engine]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "0\n", done.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_compute_at_once(models, engine):
    space = sw.load(models("bert"), backend=engine, cache_size=0)
    expected = [space.embed_text([text]) for text in ODD[:8]]
    encoder = space.encoders["text"]

    def vector(text):
        return encoder.forward(encoder.prepare([text], "document")).vectors

    with ThreadPoolExecutor(4) as threads:
        for found, known in zip(threads.map(vector, ODD[:8] * 4), expected * 4, strict=True):
            np.testing.assert_allclose(found / np.linalg.norm(found), known, atol=1e-5)
