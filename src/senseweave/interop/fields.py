"""Fields that pydantic models of the frameworks share: what may be read, and a space with its load options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Self, TypedDict

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_serializer, field_validator, model_validator

from senseweave.concurrency import in_thread
from senseweave.media import MediaPolicy, Modality
from senseweave.media.policy import choose_policy
from senseweave.redaction import without_secret_options
from senseweave.spaces import Space, load

LOAD_FIELDS = ("device", "dtype", "revision", "dimensions", "normalize", "max_length", "batch_tokens", "cache_size")
"""The options of `senseweave.load` that are fields of their own; further options are in `load_options`."""


class PolicyFields(BaseModel):
    """Either `root` and `network`, or all limits at once as `policy`."""

    root: str | Path | None = Field(
        default=None, description="Local files must lie under this folder; None allows all."
    )
    network: bool = Field(default=False, description="Whether http and https URLs of media may be fetched.")
    policy: MediaPolicy | None = Field(
        default=None, description="All limits on reading; instead of `root` and `network`."
    )

    @property
    def given_policy(self) -> MediaPolicy | None:
        """What may be read as the fields say; None where they say nothing."""
        return choose_policy(self.policy, self.root, self.network)

    @property
    def media_policy(self) -> MediaPolicy:
        """What may be read."""
        return self.given_policy or MediaPolicy()

    @model_validator(mode="after")
    def _check_policy(self) -> Self:
        choose_policy(self.policy, self.root, self.network)
        return self

    @field_validator("root")
    @classmethod
    def _root_as_path(cls, root: str | Path | None) -> Path | None:
        return Path(root) if root is not None else None

    @field_serializer("root")
    def _plain_root(self, root: str | Path | None) -> str | None:
        return str(root) if root is not None else None

    @field_serializer("policy")
    def _plain_policy(self, policy: MediaPolicy | None) -> dict[str, Any] | None:
        """Return the policy as plain values that JSON can hold."""
        if policy is None:
            return None
        values = {field.name: getattr(policy, field.name) for field in fields(policy)}
        values["root"] = str(policy.root) if policy.root is not None else None
        return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in values.items()}


class RankingFields(BaseModel):
    """How to rank, besides how many: the `RankingOptions` of a retriever, which `Planner.plan` checks."""

    fusion: str | None = Field(default=None, description="How scores are made comparable; None for the default.")
    min_score: float | None = Field(default=None, description="Leave out results with a lower `score`.")
    offset: int = Field(default=0, ge=0, description="Number of the best results to leave out, for a later page.")
    group: bool = Field(default=False, description="Whether the chunks of one source are one result.")
    diversity: float | None = Field(default=None, description="From 0 to 1: how much results should differ.")
    rerank: Any = Field(
        default=None, description="Name of a reranking model, or a reranker, which orders the best anew."
    )
    rerank_depth: int = Field(default=50, ge=1, description="Number of results that the reranker reads.")
    weights: Mapping[str, float] | None = Field(default=None, description="By modality, for `fusion='weighted_rrf'`.")
    quota: Mapping[str, int] | None = Field(default=None, description="By modality, the least number of results.")
    words: bool = Field(default=False, description="Whether to search by words too; of an `Index` alone.")


class SpaceOptions(TypedDict, total=False):
    """The keyword arguments that set the fields of `SpaceFields`, which describes them."""

    device: str | list[str] | None
    dtype: str | None
    revision: str | None
    dimensions: int | None
    normalize: bool | None
    max_length: int | None
    batch_tokens: int | None
    cache_size: int | None
    load_options: dict[str, Any] | None
    root: str | Path | None
    network: bool
    policy: MediaPolicy | dict[str, Any] | None


Settings = tuple[str, dict[str, Any]]
"""The name of a space and the options with which it is loaded."""


class LazySpace:
    """A space that is given, or loaded when it is first used; pickles and copies hold a given space alone.

    Attributes:
        given: The space that was given.
        settings: The name and the options that the space was given or loaded for; None until there is one.
        space: The space.
    """

    def __init__(self, given: Space | None = None, settings: Settings | None = None) -> None:
        self.given = given
        self.settings = settings
        self.space = given

    def fits(self, settings: Settings) -> bool:
        """Return whether the space is what a name and options say; a given space has options of its own."""
        if self.settings is None:
            return True
        return self.settings[0] == settings[0] if self.given is not None else self.settings == settings

    def get(self, settings: Settings, load: Callable[[], Space]) -> Space:
        """Return the space, loading it if need be; no lock, because `senseweave.load` gives all threads one space."""
        space = self.space
        if space is None:
            space = load()
            self.settings, self.space = settings, space
        return space

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LazySpace) and self.given is other.given

    def __hash__(self) -> int:
        return id(self.given)

    def __reduce__(self) -> tuple[Any, ...]:
        return LazySpace, ((self.given, self.settings) if self.given is not None else ())


class SpaceFields(PolicyFields):
    """A space by name, loaded when it is first used, or a loaded space. A subclass has the field of the name.

    A loaded space keeps its own load options, and its policy unless the fields say another.
    """

    # A key that is given under a name that does not exist, or among options that are refused, is not repeated.
    model_config = ConfigDict(hide_input_in_errors=True)

    device: str | list[str] | None = Field(
        default=None,
        description="torch device (`cuda:0`), or several that share the work; chosen by senseweave if None.",
    )
    dtype: str | None = Field(default=None, description="Precision of the weights, for example `float16`.")
    revision: str | None = Field(default=None, description="Commit or tag of a model from a hub.")
    dimensions: int | None = Field(default=None, gt=0, description="How many leading dimensions are kept; None: all.")
    normalize: bool | None = Field(
        default=None, description="Whether vectors have length 1; None for what the model was saved with."
    )
    max_length: int | None = Field(default=None, gt=0, description="Tokens of a text that the model reads.")
    batch_tokens: int | None = Field(default=None, gt=0, description="Padded tokens per batch of texts.")
    cache_size: int | None = Field(default=None, ge=0, description="How many finished vectors are remembered.")
    load_options: dict[str, Any] = Field(
        default_factory=dict,
        description="Further options of the model's family, as `senseweave.load` takes them; secrets among them are "
        "neither shown nor serialized.",
        repr=False,
    )

    _lazy: LazySpace = PrivateAttr(default_factory=LazySpace)

    @property
    def space(self) -> Space:
        """The space, loaded when it is first used.

        Raises:
            ModelError: If there is no such model.
            ImportError: If an extra is missing; the message holds the install line.
            TypeError: If the model's family has no such option.
        """
        return self._held.get(self._settings, self._load_space)

    async def aspace(self) -> Space:
        """Return the space, loaded in a thread if it is not loaded yet, which would block the event loop."""
        held = self._held
        return held.space if held.space is not None else await in_thread(held.get, self._settings, self._load_space)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Modalities that the model embeds."""
        return self.space.modalities

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return self.space.dimension

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the space: equal for models whose vectors can be compared, and for no others."""
        return self.space.fingerprint

    @property
    def media_policy(self) -> MediaPolicy:
        """What may be read when media are given as paths or URLs: as the fields say, else as the space does."""
        if self.given_policy is not None:
            return self.given_policy
        if self._held.given is not None:
            return self._held.given.policy
        return self.load_options.get("policy") or MediaPolicy()

    @property
    def set_options(self) -> dict[str, Any]:
        """The options of `senseweave.load` that are not left at their default.

        The policy is not among them: models that differ only in what they may read are the same model.
        """
        defaults = type(self).model_fields
        named = {name: getattr(self, name) for name in LOAD_FIELDS}
        return {name: value for name, value in named.items() if value != defaults[name].default} | self.load_options

    @property
    def space_name(self) -> str:
        """The name by which `senseweave.load` loads the space."""
        raise NotImplementedError

    def use_space(self, space: Space) -> None:
        """Use a loaded space.

        Raises:
            ValueError: If load options are set, which it cannot take.
        """
        if options := self.set_options:
            msg = f"{', '.join(options)} cannot be changed on a loaded space; pass them to senseweave.load"
            raise ValueError(msg)
        self._lazy = LazySpace(space, self._settings)

    @property
    def _settings(self) -> Settings:
        return self.space_name, self.set_options

    @property
    def _held(self) -> LazySpace:
        """What holds the space that the fields say: copies share it until one of them names another model."""
        if not self._lazy.fits(self._settings):
            self._lazy = LazySpace()
        return self._lazy

    def _load_space(self) -> Space:
        return load(self.space_name, **self.set_options)

    @model_validator(mode="after")
    def _check_load_options(self) -> Self:
        if misplaced := sorted(set(LOAD_FIELDS) & set(self.load_options)):
            msg = f"{', '.join(misplaced)} in load_options have fields of their own; pass them as arguments"
            raise ValueError(msg)
        return self

    @field_serializer("load_options")
    def _without_secrets(self, load_options: dict[str, Any]) -> dict[str, Any]:
        return without_secret_options(load_options)
