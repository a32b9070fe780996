"""Models of sentence-transformers that tokenize or route in ways of their own: proven and computed by these."""

import warnings

import numpy as np
import pytest
from tiny_sentence import save_sentence_model
from tiny_text import TEXTS, bpe_tokenizer, long_text
from tiny_types import save_type

import senseweave as sw

pytestmark = pytest.mark.filterwarnings("ignore")


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("kinds", [("fnet", "bert"), ("bert", "fnet")])
@pytest.mark.parametrize("mapped", [False, True])
def test_a_route_that_sees_padding_is_found_whichever_role_takes_it(kinds, mapped, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    sides = {role: [Transformer(str(save_type(tmp_path / role, kind))), Pooling(32)]
             for role, kind in zip(("query", "document"), kinds, strict=True)}  # fmt: skip
    if mapped:
        routes = {f"for {role}": modules for role, modules in sides.items()}
        router = Router(routes, route_mappings={(role, None): f"for {role}" for role in sides})
    else:
        router = Router.for_query_document(*sides.values())
    SentenceTransformer(modules=[router], device="cpu").save(str(tmp_path / "model"))
    model = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    space = sw.load(str(tmp_path / "model"), device="cpu", cache_size=0)
    for role, encode in (("query", model.encode_query), ("document", model.encode_document)):
        expected = unit(np.stack([encode([text])[0] for text in TEXTS]))
        np.testing.assert_allclose(space.embed_text(TEXTS, role=role), expected, atol=1e-5)


@pytest.mark.parametrize("own", [{"max_length": 9}, {"add_special_tokens": False}, {"padding": "max_length"}])
def test_the_saved_ways_of_tokenizing_are_kept_and_what_they_cut_is_counted(own, tmp_path):
    import json

    from sentence_transformers import SentenceTransformer

    name = save_sentence_model(tmp_path / "model", kind="Roberta", tokenizer=bpe_tokenizer, max_position_embeddings=66)
    settings = tmp_path / "model" / "sentence_bert_config.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "processing_kwargs": {"text": own}}))
    texts = [*TEXTS, long_text(tmp_path)]
    model = SentenceTransformer(name, device="cpu")
    space = sw.load(name, device="cpu", cache_size=0)
    expected = unit(np.stack([model.encode([text])[0] for text in texts]))
    np.testing.assert_allclose(space.embed_text(texts), expected, atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dropped = space.encode([sw.Text(text) for text in texts]).dropped
    assert [bool(count) for count in dropped][-1]
    assert bool(dropped[1]) == ("max_length" in own)
