"""Vision-language models score candidates by the logits of two answers, as transformers computes them."""

import json
import pickle

import numpy as np
import pytest
from tiny_picture_rerankers import pictures, save_colqwen, save_llava, save_qwen, save_seeing_cross_encoder

import senseweave as sw
from senseweave.encoders.rerankers.vision_language import PROMPT

SAVE = {"qwen2_vl": save_qwen, "llava": save_llava}
QUERY = "a small dog"
TEXT = "a small dog runs on the green grass"


@pytest.fixture(scope="module", params=SAVE)
def folder(request, tmp_path_factory):
    return SAVE[request.param](tmp_path_factory.mktemp("model"))


def expected_scores(folder, query, documents, prompt=PROMPT, answers=("True", "False")):
    """Return softmax over the logits of both answers, as the model card of MonoQwen2-VL computes it."""
    import torch
    import transformers

    model = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
    backend = {} if "Qwen" in type(model).__name__ else {"backend": "pil"}
    processor = transformers.AutoProcessor.from_pretrained(folder, **backend)
    tokens = processor.tokenizer.convert_tokens_to_ids(list(answers))
    scores = []
    for document in documents:
        is_text = isinstance(document, str)
        part = {"type": "text", "text": document} if is_text else {"type": "image"}
        question = {"type": "text", "text": prompt.replace("{query}", query)}
        chat = [{"role": "user", "content": [part, question]}]
        text = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        inputs = processor(text=[text], images=None if is_text else [document], return_tensors="pt")
        with torch.inference_mode():
            logits = model(**inputs).logits[0, -1, tokens]
        scores.append(float(torch.softmax(logits.double(), dim=-1)[0]))
    return scores


def test_scores_are_those_of_transformers_alone_and_among_others(folder):
    documents = [*pictures(), TEXT, "rain falls on the roof"]
    expected = expected_scores(folder, QUERY, documents)
    assert np.ptp(expected) > 0.01
    reranker = sw.load_reranker(str(folder), device="cpu")
    given = [document if isinstance(document, str) else sw.Image(document) for document in documents]
    found = reranker.score(QUERY, given)
    assert reranker.model.kind == "vision-language"
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-6)
    alone = [reranker.score(QUERY, [document]).values[0] for document in given[::-1]]
    np.testing.assert_allclose(alone[::-1], found.values, rtol=1e-6)


def test_question_and_answers_are_the_callers(folder):
    prompt, answers = "is it {query} ? {yes or no}", ("yes", "no")
    expected = expected_scores(folder, QUERY, pictures(), prompt, answers)
    reranker = sw.load_reranker(str(folder), device="cpu", prompt=prompt, answers=answers)
    found = reranker.score(QUERY, [sw.Image(picture) for picture in pictures()])
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-6)
    fingerprints = {reranker.model.fingerprint, sw.load_reranker(str(folder)).model.fingerprint}
    fingerprints.add(sw.load_reranker(str(folder), answers=("no", "yes")).model.fingerprint)
    assert len(fingerprints) == 3
    copy = pickle.loads(pickle.dumps(reranker))
    np.testing.assert_array_equal(copy.score(QUERY, [TEXT]).values, reranker.score(QUERY, [TEXT]).values)


def test_long_texts_are_cut_and_counted(folder):
    reranker = sw.load_reranker(str(folder), device="cpu", max_length=4)
    found = reranker.score(QUERY, [TEXT, TEXT * 9])
    assert all(found.dropped)
    assert found.dropped[1] > found.dropped[0]
    assert found.values[0] == pytest.approx(found.values[1])
    unbounded = sw.load_reranker(str(folder), device="cpu").score(QUERY, [TEXT, TEXT * 200])
    assert unbounded.dropped[0] == 0
    assert unbounded.dropped[1] > 0
    assert np.isfinite(unbounded.values).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"prompt": "is it a dog?"}, ValueError, r"prompt must hold \{query\}"),
        ({"answers": ("yes",)}, ValueError, "answers must be two strings"),
        ({"answers": "no"}, ValueError, "answers must be two strings"),
        ({"prompts": {"query": "q: "}}, TypeError, "has no option prompts; it has: device, dtype, max_length, prompt"),
        ({"trust_remote_code": True}, TypeError, "has no option trust_remote_code"),
    ],
)
def test_impossible_options_are_refused(folder, options, error, message):
    with pytest.raises(error, match=message):
        sw.load_reranker(str(folder), **options)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (("a small dog", "no"), "choose two answers of one token"),
        (("yes", "yes"), "writes both answers yes, yes"),
    ],
)
def test_answers_must_be_two_tokens(folder, answers, message):
    with pytest.raises(sw.ModelError, match=message):
        sw.load_reranker(str(folder), answers=answers).score(QUERY, [TEXT, TEXT])


def test_the_question_is_no_option_of_other_models(tmp_path):
    with pytest.raises(TypeError, match="is a multi-vector model, which has no option answers"):
        sw.load_reranker(str(save_colqwen(tmp_path)), answers=("yes", "no"))


def test_a_cross_encoder_that_sees_gives_the_scores_of_sentence_transformers(tmp_path):
    from sentence_transformers import CrossEncoder

    folder = save_seeing_cross_encoder(tmp_path)
    model = CrossEncoder(str(folder), device="cpu")
    expected = [float(model.predict([({"text": QUERY}, picture)])[0]) for picture in pictures()]
    assert np.ptp(expected) > 0.001
    reranker = sw.load_reranker(str(folder), device="cpu")
    assert reranker.model.kind == "cross-encoder"
    found = reranker.score(QUERY, [sw.Image(picture) for picture in pictures()])
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", ["of today", "of older models"])
def test_a_model_that_also_sees_films_describes_pictures(tmp_path, layout):
    """transformers prepares videos with torchvision alone, whatever prepares the pictures."""
    from senseweave.encoders.bridges.vision_language import VisionLanguage

    folder = save_qwen(tmp_path)
    if layout == "of older models":
        settings = json.loads((folder / "processor_config.json").read_text())
        (folder / "processor_config.json").unlink()
        pictured = {**settings["image_processor"], "processor_class": settings["processor_class"]}
        (folder / "preprocessor_config.json").write_text(json.dumps(pictured))
    model = VisionLanguage(str(folder), max_new_tokens=3, device="cpu")
    assert isinstance(model.write(pictures()[0]), str)
