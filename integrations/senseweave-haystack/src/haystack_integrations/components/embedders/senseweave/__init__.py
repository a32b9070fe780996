# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Embedders of queries and Documents of four modalities."""

from haystack_integrations.components.embedders.senseweave.document_embedder import SenseweaveDocumentEmbedder
from haystack_integrations.components.embedders.senseweave.media_embedder import SenseweaveMediaEmbedder
from haystack_integrations.components.embedders.senseweave.text_embedder import SenseweaveTextEmbedder

__all__ = ["SenseweaveDocumentEmbedder", "SenseweaveMediaEmbedder", "SenseweaveTextEmbedder"]
