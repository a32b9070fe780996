"""The fields that say what may be read, the same for the embedding model and the reader."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Self

from llama_index.core.bridge.pydantic import BaseModel, Field, field_serializer, model_validator

from senseweave.interop import MediaPolicy


class PolicyFields(BaseModel):
    """Either `root` and `network`, or all limits at once as `policy`."""

    root: str | None = Field(default=None, description="Local files must lie under this folder; None allows all.")
    network: bool = Field(default=False, description="Whether http and https URLs of media may be fetched.")
    policy: MediaPolicy | None = Field(
        default=None, description="All limits on reading; instead of `root` and `network`."
    )

    @property
    def media_policy(self) -> MediaPolicy:
        """What may be read."""
        return self.policy or MediaPolicy(root=self.root, network=self.network)

    @model_validator(mode="after")
    def _one_policy(self) -> Self:
        if self.policy is not None and (self.root is not None or self.network):
            msg = "give either policy or root and network, not both"
            raise ValueError(msg)
        return self

    @field_serializer("policy")
    def _plain_policy(self, policy: MediaPolicy | None) -> dict[str, Any] | None:
        """Return the policy as plain values that JSON can hold."""
        if policy is None:
            return None
        values = {field.name: getattr(policy, field.name) for field in fields(policy)}
        values["root"] = str(policy.root) if policy.root is not None else None
        return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in values.items()}
