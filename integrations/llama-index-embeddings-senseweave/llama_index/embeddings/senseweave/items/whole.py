"""The nodes that this package makes: `Node`s that stock classes keep whole and that indexes embed by their media."""

from __future__ import annotations

from typing import Any

from llama_index.core.schema import MediaResource, MetadataMode, Node

from senseweave.interop import FILE_PATH, WORD_TIMES, Provenance, source_path, without_secrets, write_metadata

CITED_KEYS = ("start", "end", "page")
"""Metadata that locate a node in its source: for a language model to cite, not for an embedding model."""
NOISE_KEYS = (
    *("mime_type", "sha256", "fingerprint", "added_at", FILE_PATH, "character_start", "character_end", "fused"),
    WORD_TIMES,
)
"""Metadata that neither an embedding model nor a language model can use."""


class MediaText(str):
    """The text that a media node shows to embedding models, with the node."""

    __slots__ = ("node",)
    node: Node

    def __new__(cls, text: str, node: Node) -> MediaText:
        """Return `text` with its node."""
        marked = super().__new__(cls, text)
        marked.node = node
        return marked

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)  # in another process it is text like any other


class WholeNode(Node):
    """A `Node` whose text for embedding models names the node, so that an index embeds its media.

    `VectorStoreIndex` asks its embedding model for the vectors of strings alone. For a media node that string is its
    metadata; without the node, the vector of a file's name would be stored in place of a picture's.

    The class keeps the name `Node`, under which LlamaIndex stores it and reads it back, then as a plain `Node`.
    """

    def get_content(self, metadata_mode: MetadataMode = MetadataMode.NONE) -> str:
        """Return the node's text; for embedding models, text of a media node that names the node."""
        text = super().get_content(metadata_mode)
        has_media = self.image_resource or self.audio_resource or self.video_resource
        return MediaText(text, self) if metadata_mode == MetadataMode.EMBED and has_media else text

    @property
    def text(self) -> str:
        """The node's text, under the name that extractors of LlamaIndex look for."""
        return super().get_content(MetadataMode.NONE)

    @property
    def hash(self) -> str:
        """The hash of the content and metadata, whichever space embedded the node.

        Docstores compare it with that of the node as it is read again, which nothing has embedded yet.
        """
        if "fingerprint" not in self.metadata:
            return super().hash
        metadata = {name: value for name, value in self.metadata.items() if name != "fingerprint"}
        return self.model_copy(update={"metadata": metadata}).hash


def make_node(node_id: str, text: str, provenance: Provenance, resources: dict[str, MediaResource]) -> WholeNode:
    """Return a node in the shape that stock classes keep whole.

    Args:
        node_id: The node's id.
        text: A caption, a transcript or the text itself; may be empty.
        provenance: Becomes the metadata.
        resources: `image_resource`, `audio_resource` and `video_resource`, with a path or URL; of media that are not
            fused one at most.
    """
    metadata = write_metadata(provenance, file_path=True)
    # A media node keeps the last two, or an index takes it for empty.
    hidden = (*NOISE_KEYS, *CITED_KEYS, *(() if resources else ("modality", "source")))
    # A local path says more of this machine than a model's provider needs to know, a signed URL lets it in.
    source = str(provenance.source)
    is_address = "://" in source and source_path(source) is None
    unseen = NOISE_KEYS if is_address and without_secrets(source) == source else (*NOISE_KEYS, "source")
    values: dict[str, Any] = {
        "id_": node_id,
        # Must exist, though empty: without it `Node.get_content` leaves the metadata out, an index skips the node, and
        # caches take all such nodes for one.
        "text_resource": MediaResource(text=text),
        "metadata": metadata,
        "excluded_embed_metadata_keys": [name for name in hidden if name in metadata],
        "excluded_llm_metadata_keys": [name for name in unseen if name in metadata],
        **resources,
    }
    return WholeNode(**values)
