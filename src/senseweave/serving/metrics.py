"""What a server counts, in the text format of Prometheus."""

from __future__ import annotations

import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("senseweave_requests", "Requests answered.", labels, registry=self.registry)
        self.seconds = Histogram(
            "senseweave_request_seconds", "Time to answer.", ("route",), buckets=BUCKETS, registry=self.registry
        )
        self.in_flight = Gauge("senseweave_requests_in_flight", "Requests being answered.", registry=self.registry)
        self.records = Gauge("senseweave_records", "Records in the index.", registry=self.registry)
        self.embedded = Counter(
            "senseweave_embedded", "Inputs embedded for clients.", ("modality",), registry=self.registry
        )

    def render(self, records: int) -> bytes:
        """Return all counters, with the number of records in the index."""
        self.records.set(records)
        return generate_latest(self.registry)


class Measured:
    """Middleware that counts requests by the pattern of their route, never by their path."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count it when it is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        with self._metrics.in_flight.track_inprogress():
            try:
                await self._app(scope, receive, send_counted)
            finally:
                route = getattr(scope.get("route"), "path", "other")
                self._metrics.requests.labels(_method(scope), route, str(status)).inc()
                self._metrics.seconds.labels(route).observe(time.perf_counter() - started)


def _method(scope: Scope) -> str:
    method = str(scope["method"])
    return method if method in ("GET", "HEAD", "POST", "DELETE") else "other"
