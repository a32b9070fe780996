"""What computes token states: packed equals padded, and gives way where it cannot be proven to."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_text
import torch
from tiny_text import GPT2, MODERN, bpe_tokenizer, causal_tokenizer, wordpiece_tokenizer

from senseweave.encoders.runtime.backends import choosing, torch_packed
from senseweave.encoders.runtime.backends.attention import FLASH, change_attention
from senseweave.encoders.runtime.backends.choosing import choose_backend
from senseweave.encoders.runtime.backends.linears import LINEARS
from senseweave.encoders.runtime.backends.timing import find_fastest
from senseweave.encoders.runtime.backends.torch_packed import Packed, Plan, plans_to_prove
from senseweave.encoders.runtime.backends.torch_padded import Padded
from senseweave.encoders.runtime.tokenization import Tokenizer

TEXTS = ["rain", *tiny_text.TEXTS, *tiny_text.SENTENCES, *tiny_text.SENTENCES[:2], "rain"]


@pytest.fixture(autouse=True)
def _small_models_are_timed_too(monkeypatch):
    monkeypatch.setattr(torch_packed, "FEWEST_WEIGHTS", 0)


@pytest.fixture
def loaded(tmp_path):
    def load(kind: str, tokenizer, **config):
        from transformers import AutoModel, AutoTokenizer

        config = {key: value for key, value in config.items() if key not in ("poison", "missing")}
        folder = tiny_text.save_model(tmp_path, kind, tokenizer, **config)
        model = AutoModel.from_pretrained(folder).eval()
        return model, Tokenizer(AutoTokenizer.from_pretrained(folder))

    return load


PACKABLE = {
    "bert": ("Bert", wordpiece_tokenizer, {}),
    "electra": ("Electra", wordpiece_tokenizer, {"embedding_size": 16}),
    "roberta": ("Roberta", bpe_tokenizer, {"max_position_embeddings": 66}),
    "distilbert": ("DistilBert", wordpiece_tokenizer, {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48}),
}


@pytest.mark.parametrize("kind", list(PACKABLE))
@pytest.mark.parametrize("layers", [(-1,), (-1, -2), (0,)])
def test_packed_states_equal_padded_ones(loaded, kind, layers):
    name, tokenizer, config = PACKABLE[kind]
    model, tokenizer = loaded(name, tokenizer, **config)
    items = [item.data for item in tokenizer.prepare(TEXTS, 60)]
    with torch.inference_mode():
        expected, lengths = Padded("plain", model, tokenizer).states(items, layers)
        chosen = choose_backend("tiny", model, tokenizer)
        found, same_lengths = chosen.states(items, layers)
    assert isinstance(chosen, Packed)
    assert same_lengths == lengths == [len(item["input_ids"]) for item in items]
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5)


def test_a_model_too_small_to_gain_is_not_timed(loaded, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(torch_packed, "find_fastest", lambda *given: pytest.fail("timed"))
    chosen = choose_backend("tiny", *loaded("Bert", wordpiece_tokenizer))
    assert chosen.describe()["batches"] == str(Plan())


@pytest.mark.parametrize(
    ("kind", "tokenizer", "config"),
    [("ModernBert", wordpiece_tokenizer, MODERN), ("GPT2", causal_tokenizer, GPT2)],
)
def test_models_whose_attention_is_not_over_the_whole_text_stay_padded(loaded, kind, tokenizer, config):
    model, tokenizer = loaded(kind, tokenizer, **config)
    assert isinstance(choose_backend("tiny", model, tokenizer), Padded)


@pytest.mark.parametrize("trouble", ["wrong", "broken"])
def test_a_packed_backend_that_is_wrong_or_broken_leaves_the_model_as_it_was(loaded, monkeypatch, trouble):
    model, tokenizer = loaded("Bert", wordpiece_tokenizer)
    items = [item.data for item in tokenizer.prepare(TEXTS, 60)]
    with torch.inference_mode():
        expected, _ = Padded("plain", model, tokenizer).states(items, (-1,))
    right = Packed.states

    def states(self, given, layers, plan=None):
        if trouble == "broken":
            raise RuntimeError("no such operator")
        found, lengths = right(self, given, layers, plan)
        return found + 1e-3, lengths

    monkeypatch.setattr(Packed, "states", states)
    chosen = choose_backend("tiny", model, tokenizer)
    assert isinstance(chosen, Padded)
    with torch.inference_mode():
        found, _ = chosen.states(items, (-1,))
    np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_lower_precision_stays_padded(loaded):
    model, tokenizer = loaded("Bert", wordpiece_tokenizer)
    assert isinstance(choose_backend("tiny", model.to(torch.bfloat16), tokenizer), Padded)


@pytest.fixture
def attending(loaded):
    """A tiny model, what returns its states of texts of several lengths, and its kind of attention."""
    model, tokenizer = loaded("Bert", wordpiece_tokenizer)
    items = [item.data for item in tokenizer.prepare(TEXTS, 60)]
    padded = Padded("tiny", model, tokenizer)
    return model, lambda: padded.states(items, (-1,))[0], model.config._attn_implementation


def test_attention_that_leaves_the_states_as_they_were_is_taken(attending):
    model, states, before = attending
    assert before != "eager"
    assert change_attention("tiny", model, states, "eager")
    assert model.config._attn_implementation == "eager"


def test_attention_that_changes_the_states_is_not_taken(attending):
    from transformers import AttentionInterface

    def shifted(module, query, key, value, mask, **options):
        return value.transpose(1, 2).contiguous(), None

    AttentionInterface.register("sees_itself_alone", shifted)
    model, states, before = attending
    with torch.inference_mode():
        expected = states()
    assert not change_attention("tiny", model, states, "sees_itself_alone")
    assert model.config._attn_implementation == before
    with torch.inference_mode():
        np.testing.assert_array_equal(states().numpy(), expected.numpy())


def test_flash_attention_that_is_not_installed_leaves_the_model_as_it_was(attending):
    model, states, before = attending
    assert not change_attention("tiny", model, states, FLASH)
    assert model.config._attn_implementation == before


def test_threads_pack_their_own_batches(loaded):
    from concurrent.futures import ThreadPoolExecutor

    model, tokenizer = loaded("Bert", wordpiece_tokenizer)
    chosen = choose_backend("tiny", model, tokenizer)
    prepared = [item.data for item in tokenizer.prepare(TEXTS, 60)]
    groups = [prepared[i : i + 3] for i in range(0, len(prepared), 3)] * 4

    def states(items):
        with torch.inference_mode():
            return chosen.states(items, (-1,))[0].numpy()

    expected = [states(group) for group in groups]
    with ThreadPoolExecutor(4) as threads:
        for found, one in zip(threads.map(states, groups), expected, strict=True):
            np.testing.assert_allclose(found, one, atol=1e-6)
    assert torch_packed._current.__dict__.get("lengths") is None


def test_a_large_batch_is_computed_in_streams_with_the_same_states(loaded):
    model, tokenizer = loaded("Bert", wordpiece_tokenizer)
    chosen = choose_backend("tiny", model, tokenizer)
    items = [item.data for item in tokenizer.prepare(TEXTS * 40, 60)]
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with torch.inference_mode():
            states, lengths = chosen.states(items, (-1, -2), Plan(cores="streams"))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert lengths == [len(item["input_ids"]) for item in items]
    alone = [chosen.states([item], (-1, -2))[0] for item in items]
    np.testing.assert_allclose(states.numpy(), torch.cat(alone).detach().numpy(), atol=1e-5)


def fastest(monkeypatch, wanted):
    """Let the plan that `wanted` accepts come out fastest, whatever this machine does."""

    def find(ways, compute, seconds):
        return next((way for way in ways if wanted(way)), ways[0])

    monkeypatch.setattr(torch_packed, "find_fastest", find)


@pytest.mark.parametrize("kind", list(PACKABLE))
@pytest.mark.parametrize("cores", ["all", "one", "streams"])
@pytest.mark.parametrize("plan", plans_to_prove(), ids=str)
def test_every_plan_computes_the_same_states(loaded, monkeypatch, kind, plan, cores):
    fastest(monkeypatch, lambda way: way.linears == plan.linears)
    name, tokenizer, config = PACKABLE[kind]
    model, tokenizer = loaded(name, tokenizer, **config)
    items = [item.data for item in tokenizer.prepare(TEXTS * 20, 60)]
    with torch.inference_mode():
        expected, lengths = Padded("plain", model, tokenizer).states(items, (-1, 0))
        chosen = choose_backend("tiny", model, tokenizer)
        assert isinstance(chosen, Packed)
        threads = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            found, same_lengths = chosen.states(items, (-1, 0), Plan(plan.layout, plan.linears, cores))
        finally:
            torch.set_num_threads(threads)
    assert same_lengths == lengths
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-5)


def test_plans_are_found_for_each_number_of_threads_once(loaded, monkeypatch):
    asked = []

    def find(ways, compute, seconds):
        asked.append(torch.get_num_threads())
        return ways[-1]

    monkeypatch.setattr(torch_packed, "find_fastest", find)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        model, tokenizer = loaded("Bert", wordpiece_tokenizer)
        chosen = choose_backend("tiny", model, tokenizer)
        items = [item.data for item in tokenizer.prepare(["a short query"], 60)]
        assert set(asked) == {1}, "the plans for the threads of today are found at load"
        for number in (1, 2, 2, 1, 3):
            torch.set_num_threads(number)
            chosen.states(items, (-1,))
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)
    assert [number for number, before in zip(asked, [0, *asked], strict=False) if number != before] == [1, 2, 3]


def test_a_short_query_and_a_batch_have_plans_of_their_own(loaded, monkeypatch):
    fastest(monkeypatch, lambda plan: plan.cores == "one")
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        model, tokenizer = loaded("Bert", wordpiece_tokenizer)
        chosen = choose_backend("tiny", model, tokenizer)
        seen = []
        compute = chosen._compute

        def record(plan, items, layers):
            seen.append((torch.get_num_threads(), plan.cores))
            return compute(plan, items, layers)

        monkeypatch.setattr(chosen, "_compute", record)
        query, *batch = [item.data for item in tokenizer.prepare(["a short query", *TEXTS], 60)]
        chosen.states([query], (-1,))
        chosen.states(batch, (-1,))
        assert torch.get_num_threads() == 3
        described = chosen.describe()
    finally:
        torch.set_num_threads(threads)
    assert seen == [(1, "one"), (3, "all")]
    assert described["threads"] == 3
    assert described["short texts"].endswith("one core")
    assert described["batches"].endswith("all cores")


def test_weights_in_a_form_that_no_plan_uses_are_freed(loaded, monkeypatch):
    for form in LINEARS:
        fastest(monkeypatch, lambda plan, form=form: plan.linears == form)
        model, tokenizer = loaded("Bert", wordpiece_tokenizer)
        choose_backend("tiny", model, tokenizer)
        layer = model.encoder.layer[0].intermediate.dense
        assert (layer.weight is None, layer.packed is None) == (form == "prepacked", form == "plain")


def test_the_pooler_is_left_out_where_texts_are_packed(loaded):
    model, tokenizer = loaded("Bert", wordpiece_tokenizer)
    assert model.pooler is not None
    choose_backend("tiny", model, tokenizer)
    assert model.pooler is None


def test_the_first_way_wins_unless_another_is_clearly_faster(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def compute(way):
        now[0] += way

    assert find_fastest([1.0, 0.99], compute, 1e9) == 1.0
    assert find_fastest([1.0, 0.5, 0.49], compute, 1e9) == 0.5
    assert find_fastest([3.0, 1.0], compute, 0.0) == 1.0, "one round is computed whatever the time"


def logged(caplog) -> list[tuple[str, str]]:
    return [(record.levelname, record.message) for record in caplog.records if record.name.startswith("senseweave")]


@pytest.fixture
def _nothing_logged_yet(monkeypatch):
    monkeypatch.setattr(choosing, "_logged", set())


@pytest.mark.usefixtures("_nothing_logged_yet")
def test_why_a_model_is_not_packed_is_logged_once(loaded, caplog):
    caplog.set_level("INFO")
    model, tokenizer = loaded("ModernBert", wordpiece_tokenizer, **MODERN)
    choose_backend("tiny", model, tokenizer)
    choose_backend("tiny", model, tokenizer)
    ((level, message),) = logged(caplog)
    assert level == "INFO"
    assert message.startswith("tiny: texts are padded")
    assert "model type 'modernbert' is not among bert, roberta" in message
    choose_backend("other", model, tokenizer)
    assert logged(caplog)[1][1].startswith("other: texts are padded")


@pytest.mark.usefixtures("_nothing_logged_yet")
def test_lower_precision_is_the_logged_reason(loaded, caplog):
    caplog.set_level("INFO")
    model, tokenizer = loaded("Bert", wordpiece_tokenizer)
    choose_backend("tiny", model.to(torch.bfloat16), tokenizer)
    assert "the weights are bfloat16, and packing is for float32" in logged(caplog)[0][1]


@pytest.mark.usefixtures("_nothing_logged_yet")
def test_packing_that_fails_is_logged_as_a_warning_and_packing_that_works_is_not(loaded, caplog, monkeypatch):
    caplog.set_level("INFO")
    model, tokenizer = loaded("Bert", wordpiece_tokenizer)
    choose_backend("tiny", model, tokenizer)
    assert not logged(caplog)

    def states(self, given, layers, plan=None):
        raise RuntimeError("no such operator")

    monkeypatch.setattr(Packed, "states", states)
    model, tokenizer = loaded("Bert", wordpiece_tokenizer)
    choose_backend("tiny", model, tokenizer)
    ((level, message),) = logged(caplog)
    assert level == "WARNING"
    assert "packing failed with RuntimeError: no such operator" in message
