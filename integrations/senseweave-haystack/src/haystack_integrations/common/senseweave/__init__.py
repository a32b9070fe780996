# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""What senseweave's components share: spaces that load late, and Haystack's types as senseweave's media."""

from haystack_integrations.common.senseweave.embeddings import SpaceComponent
from haystack_integrations.common.senseweave.items import document_to_media, hit_to_document
from haystack_integrations.common.senseweave.loading import Source, source_to_media
from haystack_integrations.common.senseweave.version import __version__

__all__ = ["Source", "SpaceComponent", "__version__", "document_to_media", "hit_to_document", "source_to_media"]
