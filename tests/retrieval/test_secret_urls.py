"""Keys in the addresses of media: what is stored can be read again, and what is shown does not hold them."""

from __future__ import annotations

import logging
import os
import pickle
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import warm_python

import senseweave as sw

KEY = "sk-planted-7d1f0a93"
WORDS = b"the lighthouse keeper sleeps until noon"


class Notes(BaseHTTPRequestHandler):
    """Gives a text to whoever has the key."""

    def do_GET(self) -> None:
        """Answer 403 to a request without the key."""
        allowed = f"sig={KEY}" in self.path
        self.send_response(200 if allowed else 403)
        self.end_headers()
        self.wfile.write(WORDS if allowed else b"")

    def log_message(self, *arguments: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Notes)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def policy(host: str) -> sw.MediaPolicy:
    return sw.MediaPolicy(network=True, trusted_hosts={host})


def logged(error: BaseException, caplog: pytest.LogCaptureFixture) -> str:
    """Return everything that a program logs of an error: its message, its traceback and its representation."""
    log = logging.getLogger("a program")
    try:
        raise error
    except type(error):
        log.exception("failed: %s (%r)", error, error)
    written = "".join(logging.Formatter().format(record) for record in caplog.records)
    assert "Traceback" in written
    return written + "".join(traceback.format_exception(error))


def test_a_signed_address_is_stored_so_that_it_can_be_read_again(
    host: str, policy: sw.MediaPolicy, space: sw.Space, tmp_path: Path
) -> None:
    url = f"http://{host}/note.txt?sig={KEY}"
    with sw.Index(tmp_path / "index", spaces=[space], policy=policy) as index:
        assert index.add([url.replace("://", f"://user:{KEY}@")]).added == 1
        (hit,) = index.search("lighthouse")
        assert hit.source == url  # without the user and the password
        assert sw.Text.open(hit.source, policy=policy).decode() == WORDS.decode()
        assert index.add([url]).skipped == 1
        shown = [repr(hit), repr(hit.provenance), repr(hit.media), repr(sw.Query([sw.Image(url)])), str(index.info())]
        shown += [str(index.verify()), repr(index.verify())]
        assert index.delete(sources=[url]) == 1
    assert not [text for text in shown if KEY in text]


@pytest.mark.parametrize(
    "url",
    [
        "http://HOST/gone.txt?token=KEY",
        "http://user:KEY@HOST/gone.txt",
        "http://user:KEY/x@HOST/gone.txt",
        "http://user:KEY@[HOST/gone.txt",
        "nosuch://user:KEY@HOST/gone.txt?sig=KEY",
        "memory://user:KEY@HOST/KEY.txt?sig=KEY",
    ],
)
def test_errors_reprs_and_logged_tracebacks_show_no_key(
    url: str, host: str, space: sw.Space, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    policy = sw.MediaPolicy(network=True, trusted_hosts={host}, filesystems={"memory"})
    address = url.replace("/KEY.txt", "/x.txt").replace("HOST", host).replace("KEY", KEY)
    with pytest.raises(sw.MediaError) as caught:
        sw.Text.open(address, policy=policy).decode()
    with sw.Index(tmp_path / "index", spaces=[space], policy=policy) as index:
        report = index.add([address], on_error="skip")
        with pytest.raises(sw.AddError) as named:
            index.add([address])
    (failed,) = report.failed
    shown = [logged(caught.value, caplog), repr(caught.value), str(report), repr(report), str(failed), repr(failed)]
    shown += [logged(named.value, caplog), str(named.value), repr(named.value)]
    assert "gone.txt" in shown[0] or "x.txt" in shown[0]
    assert not [text for text in shown if KEY in text]


def test_a_pickled_error_keeps_the_source_for_programs(caplog: pytest.LogCaptureFixture) -> None:
    error = sw.MediaError(f"https://host/a.jpg?token={KEY}", "no such file")
    again = pickle.loads(pickle.dumps(error))
    assert again.source == error.source
    assert KEY not in logged(again, caplog)


@pytest.mark.slow
def test_the_command_line_shows_no_key(host: str, policy: sw.MediaPolicy, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    with sw.Index(folder, policy=policy) as index:
        assert index.add([f"http://{host}/note.txt?sig={KEY}"]).added == 1

    def senseweave(*arguments: object) -> Any:
        environment = {**os.environ, "COLUMNS": "200"}
        return warm_python.run("-c", "from senseweave.cli import main; main()", *map(str, arguments), env=environment)

    for arguments in (["search", folder, "lighthouse"], ["search", folder, "lighthouse", "--json"]):
        done = senseweave(*arguments)
        assert "note.txt?sig=[redacted]" in done.stdout
        assert KEY not in done.stdout + done.stderr
    for arguments in (["info", folder], ["verify", folder, "--sources", "--json"]):
        done = senseweave(*arguments)
        assert done.returncode == 0, done.stderr
        assert KEY not in done.stdout + done.stderr
    done = senseweave("search", f"http://user:{KEY}@host/index", "x")
    assert done.returncode == 2
    assert KEY not in done.stderr
