"""What stands in for a Qdrant server where there is none: the same HTTP API over the client's local mode, on loopback.

Only the wire is a server's: the filters and the search behind it are those of `qdrant-client`. To test against a real
server, set `SENSEWEAVE_TEST_QDRANT` to its URL.
"""

import json
import threading
import warnings
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from json_server import JsonHandler
from qdrant_client import QdrantClient, models

LARGEST = 32 * 1024 * 1024
"""Bytes of a request, as a server is configured at first."""


class Handler(JsonHandler):
    """Answers as Qdrant's REST API does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):  # noqa: N802
        self.respond(None)

    def do_DELETE(self):  # noqa: N802
        self.respond(None)

    def do_PUT(self):  # noqa: N802
        self.do_POST()

    def do_PATCH(self):  # noqa: N802
        self.do_POST()

    def do_POST(self):  # noqa: N802
        content = self.rfile.read(int(self.headers["content-length"]))
        if len(content) > LARGEST:
            self.refuse(
                400, f"Payload error: JSON payload ({len(content)} bytes) is larger than allowed (limit: 33554432)."
            )
            return
        self.respond(json.loads(content))

    def respond(self, request):
        self.server.requests.append((self.command, self.path))
        if self.server.refusal is not None:
            status, words = self.server.refusal
            self.refuse(status, words)
            return
        if self.server.key is not None and self.headers["api-key"] != self.server.key:
            self.refuse(401, "Must provide an API key or an Authorization bearer token")
            return
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        try:
            with self.server.lock, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = answer(self.server.client, self.command, parts, request)
        except (ValueError, KeyError) as error:
            missing = "not found" in str(error)
            self.refuse(404 if missing else 409 if "already exists" in str(error) else 400, str(error))
            return
        self.answer(200, {"result": result, "status": "ok", "time": 0.001})

    def refuse(self, status, words):
        self.answer(status, {"status": {"error": words}, "time": 0.001})


def answer(client, method, parts, request):
    """Return the result of a request, as plain values."""
    if parts == ["collections"]:
        return plain(client.get_collections())
    _, name, *rest = parts
    local = client._client
    if rest == ["exists"]:
        return {"exists": client.collection_exists(name)}
    if not rest and method == "GET":
        return plain(client.get_collection(name))
    if not rest and method == "DELETE":
        return client.delete_collection(name)
    if not rest and method == "PUT":
        made = models.CreateCollection(**request)
        return client.create_collection(
            name, vectors_config=made.vectors, sparse_vectors_config=made.sparse_vectors, metadata=made.metadata
        )
    if not rest and method == "PATCH":
        return client.update_collection(name, metadata=models.UpdateCollection(**request).metadata)
    collection = local._get_collection(name)
    done = {"operation_id": 1, "status": "completed"}
    if rest == ["index"]:
        return done
    if rest == ["points"] and method == "PUT":
        collection.upsert(models.PointsList(**request).points)
        return done
    if rest == ["points"]:
        asked = models.PointRequest(**request)
        return plain(collection.retrieve(asked.ids, asked.with_payload, asked.with_vector))
    if rest == ["points", "scroll"]:
        asked = models.ScrollRequest(**request)
        points, following = collection.scroll(
            asked.filter, asked.limit, None, asked.offset, asked.with_payload, asked.with_vector
        )
        return {"points": plain(points), "next_page_offset": following}
    if rest == ["points", "count"]:
        return plain(collection.count(models.CountRequest(**request).filter))
    if rest == ["points", "delete"]:
        collection.delete(models.PointIdsList(**request))
        return done
    if rest == ["points", "batch"]:
        operations = models.UpdateOperations(**request).operations
        collection.batch_update_points(operations)
        return [done] * len(operations)
    if rest == ["points", "query", "batch"]:
        searches = models.QueryRequestBatch(**request).searches
        return [plain(found) for found in local.query_batch_points(name, searches)]
    raise ValueError(f"the stand-in does not know {method} {rest}")


def plain(value):
    return [plain(part) for part in value] if isinstance(value, list) else value.model_dump(mode="json", by_alias=True)


@contextmanager
def qdrant_server(key=None):
    """Serve in a thread, and yield the server, whose `url` is its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.client, server.lock, server.key = QdrantClient(":memory:"), threading.RLock(), key
    server.refusal, server.requests = None, []
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
