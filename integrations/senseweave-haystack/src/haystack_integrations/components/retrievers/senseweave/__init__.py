# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Retrievers that return similarities, best first, from Chroma and from several stores or an index at once."""

from haystack_integrations.components.retrievers.senseweave.chroma_retriever import SenseweaveChromaRetriever
from haystack_integrations.components.retrievers.senseweave.multimodal_retriever import SenseweaveMultimodalRetriever

__all__ = ["SenseweaveChromaRetriever", "SenseweaveMultimodalRetriever"]
