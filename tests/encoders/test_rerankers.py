"""Cross-encoders, multi-vector models and sparse encoders as rerankers: the scores are those of their library."""

import json
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image
from tiny_rerankers import save_colbert, save_colpali, save_cross_encoder, save_splade
from tiny_text import TEXTS
from tiny_types import save_type

import senseweave as sw

QUERY = "a small dog on the grass"
SAVE = {"cross-encoder": save_cross_encoder, "multi-vector": save_colbert, "sparse": save_splade}


def library_scores(kind, folder, query, texts):
    """Return what sentence-transformers computes for each pair alone."""
    from sentence_transformers import CrossEncoder, MultiVectorEncoder, SparseEncoder

    if kind == "cross-encoder":
        model = CrossEncoder(str(folder), device="cpu")
        return np.array([model.predict([(query, text)])[0] for text in texts])
    model = (MultiVectorEncoder if kind == "multi-vector" else SparseEncoder)(str(folder), device="cpu")
    asked = model.encode_query([query])
    return np.array([float(model.similarity(asked, model.encode_document([text]))[0, 0]) for text in texts])


@pytest.fixture(scope="module", params=SAVE)
def saved(request, tmp_path_factory):
    return request.param, SAVE[request.param](tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def colpali(tmp_path_factory):
    return save_colpali(tmp_path_factory.mktemp("colpali"))


def pictures():
    generator = np.random.default_rng(0)
    return [Image.fromarray(generator.integers(0, 255, (30 + 9 * i, 40, 3), dtype=np.uint8)) for i in range(3)]


def test_scores_are_those_of_sentence_transformers(saved):
    kind, folder = saved
    reranker = sw.load_reranker(str(folder))
    assert reranker.model.kind == kind
    np.testing.assert_allclose(
        reranker.score(QUERY, TEXTS).values, library_scores(kind, folder, QUERY, TEXTS), rtol=1e-5
    )


@pytest.mark.parametrize("type_name", ["bert", "fnet", "convbert"])
@pytest.mark.parametrize("kind", SAVE)
def test_a_score_is_the_same_alone_and_in_any_batch(kind, type_name, tmp_path):
    folder = SAVE[kind](tmp_path, type_name)
    reranker = sw.load_reranker(str(folder))
    together = reranker.score(QUERY, TEXTS).values
    alone = np.array([reranker.score(QUERY, [text]).values[0] for text in TEXTS])
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    np.testing.assert_allclose(alone, library_scores(kind, folder, QUERY, TEXTS), rtol=1e-5)
    assert (reranker.model._batching() == "any") == (type_name == "bert")
    small = sw.load_reranker(str(folder), batch_tokens=1).score(QUERY, TEXTS[::-1]).values[::-1]
    np.testing.assert_allclose(small, alone, rtol=1e-5)


@pytest.mark.parametrize("similarity", ["maxsim", "meanmaxsim"])
def test_maxsim_is_that_of_the_folder(similarity, tmp_path):
    folder = save_colbert(tmp_path)
    settings = folder / "config_sentence_transformers.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "similarity_fn_name": similarity}))
    from sentence_transformers import MultiVectorEncoder

    model = sw.load_reranker(str(folder)).model
    library = MultiVectorEncoder(str(folder), device="cpu")
    assert library.similarity_fn_name == similarity
    queries, documents = model.embed(TEXTS[:2], "query"), model.embed(TEXTS)
    expected = library.similarity(library.encode_query(TEXTS[:2]), library.encode_document(TEXTS))
    np.testing.assert_allclose(model.similarity(queries, documents), expected, rtol=1e-5)
    assert [len(vectors) for vectors in documents] == [len(vectors) for vectors in library.encode_document(TEXTS)]


@pytest.mark.parametrize("similarity", ["dot", "cosine", "euclidean"])
def test_sparse_vectors_are_compared_as_the_folder_says(similarity, tmp_path):
    from sentence_transformers import SparseEncoder

    folder = save_splade(tmp_path, similarity_fn_name=similarity, max_active_dims=12)
    model, library = sw.load_reranker(str(folder)).model, SparseEncoder(str(folder), device="cpu")
    queries, documents = model.embed(TEXTS[:2], "query"), model.embed(TEXTS)
    assert all(0 < len(weights) <= 12 for weights in documents)
    expected = library.similarity(library.encode_query(TEXTS[:2]), library.encode_document(TEXTS))
    np.testing.assert_allclose(model.similarity(queries, documents), expected, rtol=1e-4, atol=1e-5)


def test_a_space_of_pages_is_compared_with_questions(colpali):
    from sentence_transformers import MultiVectorEncoder

    reranker = sw.load_reranker(str(colpali))
    assert reranker.model.reads("query") == {"text", "image"}
    assert reranker.model.reads("document") == {"image"}
    found = reranker.score("a dog", [*map(sw.Image, pictures()), "a text"])
    library = MultiVectorEncoder(str(colpali), device="cpu")
    expected = library.similarity(library.encode_query(["a dog"]), library.encode_document(pictures()))[0]
    np.testing.assert_allclose(found.values[:3], expected, rtol=1e-5)
    assert np.isnan(found.values[3])
    assert found.errors == {3: "text cannot be read by this model"}
    assert "1 of 4 candidates could not be scored; number 4" in found.notes[0]
    asked = reranker.score(sw.Image(pictures()[0]), [sw.Image(picture) for picture in pictures()])
    assert np.argmax(asked.values) == 0


@pytest.mark.parametrize("text", ["photo.png", "https://example.org/a.jpg", "data:image/png;base64,AAAA"])
def test_text_is_text_whatever_file_it_names(colpali, text):
    (vectors,) = sw.load_reranker(str(colpali)).model.embed([text], "query")
    (other,) = sw.load_reranker(str(colpali)).model.embed([f" {text}"], "query")
    np.testing.assert_allclose(vectors, other, atol=1e-5)


def test_what_is_cut_off_is_counted(saved):
    kind, folder = saved
    long = " ".join(["a dog runs"] * 60)
    reranker = sw.load_reranker(str(folder), max_length=20)
    found = reranker.score(QUERY, ["a dog", long])
    assert found.dropped[0] == 0
    assert found.dropped[1] > 100
    assert np.isfinite(found.values).all()
    assert f"{found.dropped[1]} tokens of 1 of 2 candidates were not read" in found.notes
    if kind != "cross-encoder":
        assert reranker.score(long, ["a dog"]).query_dropped > 100


def test_roberta_reads_no_more_than_it_has_positions_for(tmp_path):
    reranker = sw.load_reranker(str(save_cross_encoder(tmp_path, "roberta")))
    found = reranker.score(QUERY, [" ".join(["a dog runs"] * 60)])
    assert np.isfinite(found.values).all()
    assert found.dropped[0] > 0


def test_the_failure_of_one_candidate_is_its_own(saved, monkeypatch):
    kind, folder = saved
    reranker = sw.load_reranker(str(folder))
    expected = reranker.score(QUERY, TEXTS).values
    method = {"cross-encoder": "predict", "multi-vector": "encode_document", "sparse": "encode_document"}[kind]
    compute = getattr(reranker.model._loaded(), method)

    def fail(batch, **options):
        if any(text == "rain" or text[1] == "rain" for text in batch):
            raise RuntimeError("out of memory")
        return compute(batch, **options)

    monkeypatch.setattr(reranker.model._loaded(), method, fail)
    found = reranker.score(QUERY, TEXTS)
    assert found.errors == {2: "RuntimeError: out of memory"}
    assert np.isnan(found.values[2])
    np.testing.assert_allclose(np.delete(found.values, 2), np.delete(expected, 2), rtol=1e-5)


def test_scores_that_are_not_finite_are_errors_of_their_candidates(saved, monkeypatch):
    kind, folder = saved
    reranker = sw.load_reranker(str(folder))
    name = "_predict" if kind == "cross-encoder" else "_encode"
    compute = getattr(reranker.model, name)

    def spoil(batch, *rest):
        results = list(compute(batch, *rest))
        return [
            result * np.nan if rest != ("query",) and "rain" in (item, item[1]) else result
            for item, result in zip(batch, results, strict=True)
        ]

    reranker.model._batching()
    monkeypatch.setattr(reranker.model, name, spoil)
    found = reranker.score(QUERY, TEXTS)
    assert list(found.errors) == [2]
    assert np.isfinite(np.delete(found.values, 2)).all()


def test_the_folders_prompts_are_used_unless_others_are_given(tmp_path):
    folder = str(save_colbert(tmp_path))
    saved = sw.load_reranker(folder).model
    same = sw.load_reranker(folder, prompts={"query": "query: ", "document": "passage: "}).model
    other = sw.load_reranker(folder, prompts={"document": "a fox "}).model
    np.testing.assert_allclose(same.embed(TEXTS)[1], saved.embed(TEXTS)[1], atol=1e-6)
    assert len(other.embed(["a dog"])[0]) != len(saved.embed(["a dog"])[0])
    assert len({model.fingerprint for model in (saved, same, other)}) == 3


SETTINGS = {
    "cross-encoder": [{"activation_fn": "torch.nn.modules.linear.Identity"}],
    "multi-vector": [{"similarity_fn_name": "meanmaxsim"}],
    "sparse": [{"similarity_fn_name": "cosine"}, {"max_active_dims": 4}],
}


def test_settings_that_decide_scores_are_in_the_fingerprint(saved, tmp_path):
    kind, folder = saved
    plain = sw.load_reranker(str(folder))
    for at, changes in enumerate(SETTINGS[kind]):
        other = shutil.copytree(folder, tmp_path / str(at))
        path = other / "config_sentence_transformers.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
        changed = sw.load_reranker(str(other))
        assert not np.allclose(changed.score(QUERY, TEXTS).values, plain.score(QUERY, TEXTS).values)
        assert changed.model.fingerprint != plain.model.fingerprint


def test_the_usual_similarity_leaves_the_fingerprint_as_it_is(tmp_path):
    for save, usual in ((save_splade, "dot"), (save_colbert, "maxsim")):
        folder = save(tmp_path / usual)
        before = sw.load_reranker(str(folder)).model.fingerprint
        path = folder / "config_sentence_transformers.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "similarity_fn_name": usual}))
        assert sw.load_reranker(str(folder)).model.fingerprint == before


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_ranks_alike(saved, dtype):
    _, folder = saved
    full = sw.load_reranker(str(folder)).score(QUERY, TEXTS).values
    half = sw.load_reranker(str(folder), dtype=dtype, device="cpu").score(QUERY, TEXTS).values
    np.testing.assert_allclose(half, full, rtol=0.05)


def test_weights_that_are_missing_are_an_error(saved, tmp_path):
    from safetensors.torch import load_file, save_file

    _, folder = saved
    broken = shutil.copytree(folder, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    lost = next(name for name in weights if "layer.1" in name)
    save_file({name: weight for name, weight in weights.items() if name != lost}, broken / "model.safetensors")
    with pytest.raises(sw.WeightsError, match=lost.rpartition("layer.1")[2]):
        sw.load_reranker(str(broken)).score(QUERY, TEXTS)


def test_code_of_a_folder_is_not_run(tmp_path):
    folder = save_colbert(tmp_path)
    (folder / "evil.py").write_text("raise SystemExit('code of the folder ran')")
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "evil.Dense"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(sw.ModelError, match="evil"):
        sw.load_reranker(str(folder)).score(QUERY, TEXTS)


def test_a_model_of_one_vector_per_text_is_no_reranker(tmp_path):
    folder = str(save_type(tmp_path, "bert"))
    with pytest.raises(sw.ModelError, match=r"is no reranker.*kind=.*senseweave\.load"):
        sw.load_reranker(folder)
    with pytest.raises(sw.ModelError, match="no projection"):
        sw.load_reranker(folder, kind="multi-vector")


def test_a_masked_language_model_is_sparse_if_it_is_called_so(tmp_path):
    from tiny_rerankers import save_with_head

    folder = save_with_head(tmp_path / "plain", "bert", "AutoModelForMaskedLM")
    reranker = sw.load_reranker(str(folder), kind="sparse")
    np.testing.assert_allclose(
        reranker.score(QUERY, TEXTS).values, library_scores("sparse", folder, QUERY, TEXTS), rtol=1e-5
    )


def test_several_scores_per_pair_are_refused(tmp_path):
    with pytest.raises(sw.ModelError, match="gives 3 scores per pair"):
        sw.load_reranker(str(save_cross_encoder(tmp_path, labels=3)), kind="cross-encoder").score(QUERY, TEXTS)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kind": "dense"}, ValueError, "kind must be one of"),
        ({"pooling": "mean"}, TypeError, "has no option pooling; it has: kind, device"),
        ({"device": ["cpu", "cuda:1"]}, ValueError, "a reranker .* computes on one device, not on cpu, cuda:1"),
        ({"batch_tokens": 0}, ValueError, "batch_tokens must be positive"),
        ({"dtype": "int8"}, ValueError, "dtype must be one of"),
        ({"prompts": {"question": "a"}}, ValueError, "question"),
    ],
)
def test_wrong_options_are_named(saved, options, error, message):
    with pytest.raises(error, match=message):
        sw.load_reranker(str(saved[1]), **options)


def test_a_space_is_refused_with_the_reranker_to_use_instead(saved, colpali):
    for folder in (saved[1], colpali):
        with pytest.raises(sw.ModelError, match=r"rerank=.*senseweave\.load_reranker"):
            sw.load(str(folder))


def test_an_empty_list_has_no_scores(saved):
    with warnings.catch_warnings():
        warnings.simplefilter("error", sw.errors.RerankWarning)
        assert sw.load_reranker(str(saved[1])).score(QUERY, []).values.shape == (0,)


def test_a_child_of_a_process_that_used_cuda_says_so(saved, monkeypatch):
    import torch

    kind, folder = saved
    reranker = sw.load_reranker(str(folder), device="cpu")
    assert np.isfinite(reranker.score(QUERY, TEXTS).values).all()

    def fail(*arguments, **options):
        raise RuntimeError("CUDA error: initialization error")

    monkeypatch.setattr(reranker.model, "_predict" if kind == "cross-encoder" else "_encode", fail)
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    with pytest.raises(sw.ModelError, match="forked from one that had used CUDA"):
        reranker.score(QUERY, TEXTS)
