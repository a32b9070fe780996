# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""A writer for every document store, also in asynchronous pipelines."""

from haystack_integrations.components.writers.senseweave.document_writer import SenseweaveDocumentWriter

__all__ = ["SenseweaveDocumentWriter"]
