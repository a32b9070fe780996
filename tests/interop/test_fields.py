"""The fields that pydantic models of the frameworks share."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

import senseweave as sw
from senseweave.interop import OPTIONS, Planner, PolicyFields, RankingFields, SpaceFields
from senseweave.testing import toy_space


class Model(SpaceFields):
    name: str = "starter"

    @property
    def space_name(self) -> str:
        return self.name


def test_what_may_be_read_is_said_in_one_of_two_ways(tmp_path):
    assert PolicyFields().given_policy is None
    assert PolicyFields().media_policy == sw.MediaPolicy()
    assert PolicyFields(root=tmp_path, network=True).media_policy == sw.MediaPolicy(root=tmp_path, network=True)
    with pytest.raises(ValueError, match="either policy or root and network, not both"):
        PolicyFields(policy=sw.MediaPolicy(), network=True)


def test_a_retriever_has_a_field_for_every_option_of_ranking_with_the_default_of_a_search():
    assert set(RankingFields.model_fields) == set(OPTIONS)
    assert Planner().plan(3, RankingFields().model_dump()) == Planner().plan(3, {})


def test_fields_survive_json_without_secrets():
    policy = sw.MediaPolicy(root="/srv", trusted_hosts={"intranet:80"}, mime_types=("image/*",))
    model = Model(dimensions=8, policy=policy, load_options={"api_key": "sk-1", "pooling": "cls"})
    again = Model(**json.loads(json.dumps(model.model_dump())))
    assert (again.dimensions, again.policy, again.load_options) == (8, policy, {"pooling": "cls"})
    assert "sk-1" not in repr(model)


def test_set_options_are_those_that_differ_from_their_defaults():
    assert Model().set_options == {}
    assert Model(normalize=False, load_options={"pooling": "cls"}).set_options == {"normalize": False, "pooling": "cls"}
    with pytest.raises(ValueError, match="device in load_options have fields of their own"):
        Model(load_options={"device": "cpu"})


def test_a_space_is_loaded_once_and_with_the_set_options(monkeypatch):
    loads = []
    monkeypatch.setattr("senseweave.interop.fields.load", lambda *given, **options: loads.append((given, options)) or 7)
    model = Model(name="a", max_length=9)
    assert loads == []
    assert model.space == model.space == 7
    assert loads == [(("a",), {"max_length": 9})]


def test_a_given_space_keeps_its_options_and_its_policy(tmp_path):
    space = toy_space()
    space.policy = sw.MediaPolicy(network=True)
    model = Model()
    model.use_space(space)
    assert model.space is space
    assert (model.dimension, model.fingerprint, model.modalities) == (
        space.dimension,
        space.fingerprint,
        space.modalities,
    )
    assert model.media_policy is space.policy
    assert Model(load_options={"policy": space.policy}).media_policy is space.policy
    with pytest.raises(ValueError, match="dimensions cannot be changed on a loaded space"):
        Model(dimensions=2).use_space(space)


def test_pickles_and_copies_hold_a_given_space_but_none_that_was_loaded(monkeypatch):
    monkeypatch.setattr("senseweave.interop.fields.load", lambda name: lambda: "cannot be pickled")
    model = Model()
    assert callable(model.space)
    again = pickle.loads(pickle.dumps(model))
    assert again == model == copy.deepcopy(model)
    model.use_space(given_space())
    assert pickle.loads(pickle.dumps(model)).fingerprint == model.fingerprint
    assert again != model


def given_space() -> sw.Space:
    return sw.Space("given", toy_space().encoders, recipe=(given_space, (), {}))


def test_a_model_that_is_changed_loads_what_it_says_and_leaves_its_copies_alone(monkeypatch):
    monkeypatch.setattr("senseweave.interop.fields.load", lambda name, **options: [name, options])
    first = Model(name="a")
    copied, wider = first.model_copy(update={"name": "b"}), first.model_copy(update={"dimensions": 8})
    assert (copied.space, wider.space) == (["b", {}], ["a", {"dimensions": 8}])
    assert first.space == ["a", {}]
    assert first.model_copy().space is first.space
    first.name = "c"
    assert first.space == ["c", {}]


async def test_a_model_that_is_changed_no_longer_uses_the_space_that_was_given(monkeypatch):
    monkeypatch.setattr("senseweave.interop.fields.load", lambda name: [name])
    space = sw.load("starter")
    given = Model()
    given.use_space(space)
    restored = pickle.loads(pickle.dumps(given))
    for model in (given, restored):
        assert model.model_copy(update={"name": "b"}).space == ["b"]
        assert await model.model_copy(update={"name": "c"}).aspace() == ["c"]
    assert given.space is space
