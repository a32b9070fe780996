# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""What senseweave's components share: spaces that load late, and Haystack's types as senseweave's media."""

from haystack_integrations.common.senseweave.media import (
    Source,
    document_to_media,
    source_to_media,
)
from haystack_integrations.common.senseweave.space import SpaceComponent

__all__ = ["Source", "SpaceComponent", "document_to_media", "source_to_media"]
