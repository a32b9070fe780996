# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Writes Documents to a store in a thread, so that asynchronous pipelines can index into local stores too."""

from typing import Any

from haystack import Document, component
from haystack.document_stores.types import DocumentStore, DuplicatePolicy
from haystack_integrations.common.senseweave.components import OPENING, Lifecycle, keep_parameters, run_in_thread

VALUES = 100
"""Values of `replace_by` in one query; stores limit the size of a filter."""


@component
class SenseweaveDocumentWriter(Lifecycle):
    """Writes Documents to a document store, like Haystack's `DocumentWriter`, and under `Pipeline.run_async` to any.

    `DocumentWriter` asks a store for asynchronous methods there, which a `ChromaDocumentStore` in memory or on disk
    refuses ("only available for remote connections"). This component writes in a thread. With `replace_by="source"` a
    file that was edited or cut short leaves no old passage or window behind.

    ### Usage example

    ```python
    from haystack import Document
    from haystack_integrations.components.writers.senseweave import SenseweaveDocumentWriter
    from haystack_integrations.document_stores.chroma import ChromaDocumentStore

    store = ChromaDocumentStore(collection_name="written", distance_function="cosine")
    writer = SenseweaveDocumentWriter(document_store=store, policy="overwrite")
    print(writer.run(documents=[Document(content="The dog is asleep.", embedding=[0.6, 0.8])]))
    ```
    """

    @keep_parameters
    def __init__(
        self,
        *,
        document_store: DocumentStore,
        policy: str | DuplicatePolicy = DuplicatePolicy.NONE,
        replace_by: str | None = None,
    ) -> None:
        """Create the component; the store is opened later.

        :param document_store: The store.
        :param policy: What happens to a Document whose id is in the store: `none` for what the store does, `skip`,
            `overwrite` or `fail`.
        :param replace_by: A meta field, such as `source`: after writing, Documents of the store that have the same
            value in it as one of those written, but are not among these, are deleted. Give all Documents of a source in
            one call. None deletes nothing.
        :raises ValueError: If there is no such policy.
        """
        self.policy = DuplicatePolicy(policy.lower() if isinstance(policy, str) else policy)

    def warm_up(self) -> None:
        """Open the store. Calling it again does nothing."""
        if not self._is_warm:
            with OPENING:
                self.document_store.count_documents()
                self._is_warm = True

    def close(self) -> None:
        """Close the store; the next run opens it again."""
        self._is_warm = False
        if hasattr(self.document_store, "close"):
            self.document_store.close()

    @component.output_types(documents_written=int)
    def run(self, documents: list[Document], policy: DuplicatePolicy | None = None) -> dict[str, Any]:
        """Write Documents.

        :param documents: The Documents.
        :param policy: What happens to a Document whose id is in the store; None for the constructor's choice.
        :returns: A dictionary with `documents_written`, their number.
        :raises haystack.document_stores.errors.DuplicateDocumentError: With the policy `fail`, if an id is in the
            store.
        """
        self.warm_up()
        written = self.document_store.write_documents(documents, policy=self.policy if policy is None else policy)
        if stale := self._stale(documents):
            self.document_store.delete_documents(stale)
        return {"documents_written": written}

    run_async = run_in_thread(run)

    def _stale(self, documents: list[Document]) -> list[str]:
        """Return the ids of Documents that those written have replaced."""
        if self.replace_by is None:
            return []
        given = dict.fromkeys(document.meta.get(self.replace_by) for document in documents)
        values = [value for value in given if value is not None]
        written = {document.id for document in documents}
        stale: list[str] = []
        for start in range(0, len(values), VALUES):
            some = values[start : start + VALUES]
            filters = {"field": f"meta.{self.replace_by}", "operator": "in", "value": some}
            found = self.document_store.filter_documents(filters)
            stale += [document.id for document in found if document.id not in written]
        return stale
