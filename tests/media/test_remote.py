"""No redirect, name or address leads a download to an inner network, and every limit holds while it streams."""

import gzip
import http.server
import ipaddress
import pickle
import socket
import threading
import time

import pytest

from senseweave.errors import MediaError, PolicyError
from senseweave.media import Audio, Image, MediaPolicy, Text, collect
from senseweave.media.forms.connection import is_public


class Server(http.server.ThreadingHTTPServer):
    """A server on the loopback interface; `pages` maps a path to a function of the request handler."""

    daemon_threads = True

    def __init__(self):
        self.pages, self.seen, self.sent = {}, [], 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.seen.append((self.path, dict(self.headers)))
                try:
                    outer.pages[self.path](self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def answer(self, body=b"", status=200, **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.write(body)

            def write(self, body):
                self.wfile.write(body)
                self.wfile.flush()
                outer.sent += len(body)

            def log_message(self, *args):
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def policy(server):
    return MediaPolicy(network=True, trusted_hosts={server.host}, timeout=20)


def resolve_to(monkeypatch, **names):
    """Let names resolve to the given addresses (a list answers one call after the other); return the calls."""
    real, calls = socket.getaddrinfo, []

    def getaddrinfo(host, port, *args, **options):
        calls.append(host)
        addresses = names.get(str(host).replace(".", "_").replace("-", "_"))
        if addresses is None:
            return real(host, port, *args, **options)
        if isinstance(addresses[0], list):
            addresses = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        kind = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [(kind[ipaddress.ip_address(a).version], socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return calls


def test_a_url_gives_the_same_as_the_bytes(make, server, policy):
    data = make.image(make.picture())
    server.pages["/a.png?size=full"] = lambda request: request.answer(data, Content_Type="text/html")
    image = Image(f"{server.url}/a.png?size=full", policy=policy)
    assert image.source == f"{server.url}/a.png?size=full"
    assert server.seen == []
    assert image.decode().tobytes() == Image(data).decode().tobytes()
    assert image.sha256 == Image(data).sha256
    assert image.mime_type == "image/png"
    assert len(server.seen) == 1
    assert server.seen[0][1]["Host"] == server.host


def test_windows_of_a_url_share_one_download(make, server, policy):
    data = make.sound(make.noise(6, 16_000), 16_000)
    server.pages["/a.wav"] = lambda request: request.answer(data)
    audio = Audio(f"{server.url}/a.wav", policy=policy)
    assert [window.decode().duration for window in audio.windows(2)] == [2, 2, 2]
    assert len(server.seen) == 1


def test_a_pickled_url_is_fetched_again_where_it_arrives(make, server, policy):
    server.pages["/a.png"] = lambda request: request.answer(make.image(make.picture()))
    image = Image(f"{server.url}/a.png", policy=policy)
    image.decode()
    packed = pickle.dumps(image)
    assert len(packed) < 2000
    assert pickle.loads(packed).decode().size == (64, 48)
    assert len(server.seen) == 2


def test_a_loopback_address_is_refused_unless_trusted(server):
    server.pages["/"] = lambda request: request.answer(b"secret")
    for host in (server.host, f"localhost:{server.server_port}"):
        with pytest.raises(PolicyError, match="not a public address"):
            Text.open(f"http://{host}/", policy=MediaPolicy(network=True)).decode()
    assert server.seen == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fc00::1]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::127.0.0.1]",
    ],
)
def test_no_spelling_of_an_inner_address_is_fetched(host):
    with pytest.raises(MediaError, match=r"not a public address|cannot be resolved|invalid URL"):
        Image(f"http://{host}/latest/meta-data", policy=MediaPolicy(network=True)).decode()


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_public(address):
    assert is_public(address)


def test_one_inner_address_among_public_ones_is_enough_to_refuse(monkeypatch):
    resolve_to(monkeypatch, mixed_test=["93.184.216.34", "10.0.0.1"])
    with pytest.raises(PolicyError, match=r"10\.0\.0\.1"):
        Image("http://mixed.test/a.png", policy=MediaPolicy(network=True)).decode()


def test_the_checked_address_is_the_one_connected_to(monkeypatch):
    """A name that changes its address between the check and the connection (DNS rebinding) gains nothing."""
    calls = resolve_to(monkeypatch, rebind_test=[["93.184.216.34"], ["127.0.0.1"]])
    connected = []

    def connect(address, *args, **options):
        connected.append(address)
        raise OSError("refused by the test")

    monkeypatch.setattr(socket, "create_connection", connect)  # what httpcore opens sockets with
    with pytest.raises(MediaError, match="refused by the test"):
        Image("http://rebind.test/a.png", policy=MediaPolicy(network=True)).decode()
    assert connected == [("93.184.216.34", 80)]
    assert calls.count("rebind.test") == 1


def test_proxies_of_the_environment_are_not_used(make, server, policy, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.pages["/a.png"] = lambda request: request.answer(make.image(make.picture()))
    assert Image(f"{server.url}/a.png", policy=policy).decode().size == (64, 48)


def test_a_redirect_is_followed_and_checked_again(make, server, policy):
    server.pages["/a"] = lambda request: request.answer(status=302, Location="/b.png")
    server.pages["/b.png"] = lambda request: request.answer(make.image(make.picture()))
    assert Image(f"{server.url}/a", policy=policy).decode().size == (64, 48)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_loopback_is_refused(server, policy, status):
    inner = Server()
    inner.pages["/secret"] = lambda request: request.answer(b"secret")
    server.pages["/a"] = lambda request: request.answer(status=status, Location=f"{inner.url}/secret")
    with pytest.raises(PolicyError, match=r"127\.0\.0\.1, which is not a public address"):
        Text.open(f"{server.url}/a", policy=policy).decode()
    assert inner.seen == []
    inner.shutdown()
    inner.server_close()


def test_a_redirect_to_a_name_of_an_inner_address_is_refused(server, policy, monkeypatch):
    resolve_to(monkeypatch, metadata_test=["169.254.169.254"])
    server.pages["/a"] = lambda request: request.answer(status=302, Location="http://metadata.test/latest")
    with pytest.raises(PolicyError, match=r"metadata\.test resolves to 169\.254\.169\.254"):
        Text.open(f"{server.url}/a", policy=policy).decode()


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:text/plain,x", "gopher://127.0.0.1/"]
)
def test_a_redirect_to_another_scheme_is_refused(server, policy, target):
    server.pages["/a"] = lambda request: request.answer(status=302, Location=target)
    with pytest.raises(PolicyError, match="only http and https"):
        Text.open(f"{server.url}/a", policy=policy).decode()


def test_redirects_end(server, policy):
    server.pages["/a"] = lambda request: request.answer(status=302, Location="/a")
    with pytest.raises(PolicyError, match="more than 5 times"):
        Text.open(f"{server.url}/a", policy=policy).decode()
    assert len(server.seen) == 6


def test_an_endless_body_ends_at_the_limit(server, policy):
    def endless(request):
        request.answer(b"GIF89a")
        while True:
            request.write(bytes(65536))

    server.pages["/a"] = endless
    with pytest.raises(PolicyError, match="max_bytes"):
        Image(f"{server.url}/a", policy=MediaPolicy(**{**vars(policy), "max_bytes": 300_000})).decode()


def test_a_declared_length_over_the_limit_ends_before_the_body(server, policy):
    server.pages["/a"] = lambda request: request.answer(Content_Length=str(10**12))
    with pytest.raises(PolicyError, match="1,000,000,000,000 bytes"):
        Image(f"{server.url}/a", policy=policy).decode()


def test_a_body_shorter_than_declared_is_an_error(server, policy):
    server.pages["/a"] = lambda request: request.answer(b"\x89PNG\r\n\x1a\n", Content_Length="5000")
    with pytest.raises(MediaError, match="cannot be downloaded"):
        Image(f"{server.url}/a", policy=policy).decode()


def test_content_of_the_wrong_kind_ends_at_its_first_bytes(server, policy):
    def endless(request):
        request.answer(b"<html>")
        while True:
            request.write(b"words " * 10_000)

    server.pages["/a"] = endless
    with pytest.raises(MediaError, match="is text/html, not an image"):
        Image(f"{server.url}/a", policy=policy).decode()
    with pytest.raises(PolicyError, match="is text/html; the policy allows image/"):
        Text.open(f"{server.url}/a", policy=MediaPolicy(**{**vars(policy), "mime_types": ("image/*",)})).decode()
    assert server.sent < 50_000_000


def test_a_slow_server_is_given_up(server, policy):
    def slow(request):
        request.answer(b"words")
        while True:
            request.write(b".")
            time.sleep(0.02)

    def silent(request):
        time.sleep(2)

    def slow_headers(request):
        request.wfile.write(b"HTTP/1.0 200 OK\r\n")
        while True:
            request.write(b"X-More: words\r\n")
            time.sleep(0.02)

    server.pages.update({"/slow": slow, "/silent": silent, "/headers": slow_headers})
    hurried = MediaPolicy(**{**vars(policy), "timeout": 0.4})
    for page in ("slow", "silent", "headers"):
        with pytest.raises(MediaError, match=r"longer than 0\.4 seconds to download"):
            Text.open(f"{server.url}/{page}", policy=hurried).decode()


def test_a_compressed_body_is_refused(server, policy):
    bomb = gzip.compress(bytes(10_000_000))
    server.pages["/a"] = lambda request: request.answer(bomb, Content_Encoding="gzip")
    with pytest.raises(MediaError, match="compressed body"):
        Image(f"{server.url}/a", policy=policy).decode()
    assert server.seen[0][1]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("status", [204, 206, 304, 401, 403, 404, 418, 500, 503])
def test_an_error_status_is_an_error_that_names_it(server, policy, status):
    server.pages["/a"] = lambda request: request.answer(status=status)
    with pytest.raises(MediaError, match=f"responded with status {status}"):
        Image(f"{server.url}/a", policy=policy).decode()


def test_an_empty_answer_is_an_error(server, policy):
    server.pages["/a"] = lambda request: request.answer(Content_Length="0")
    with pytest.raises(MediaError, match="empty"):
        Image(f"{server.url}/a", policy=policy).decode()


def test_a_server_that_is_not_there_is_an_error(policy):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(MediaError, match="cannot be downloaded"):
        Image(f"http://{host}/", policy=MediaPolicy(network=True, trusted_hosts={host})).decode()


@pytest.mark.parametrize(
    "url", ["http://", "http:///a", "http://[::1", "http://a:b/", "http://a b/", "http://" + "a" * 70]
)
def test_an_invalid_url_is_an_error(url):
    with pytest.raises(MediaError):
        Image(url, policy=MediaPolicy(network=True)).decode()


def test_a_name_and_password_are_not_shown(server, policy):
    image = Image(f"http://ann:secret@{server.host}/a", policy=policy)
    server.pages["/a"] = lambda request: request.answer(status=404)
    with pytest.raises(MediaError) as error:
        image.decode()
    assert "secret" not in f"{error.value}{image!r}{image.source}{server.seen}"


def test_modalities_of_collected_urls_are_detected_from_content(make, server, policy):
    server.pages["/a"] = lambda request: request.answer(make.sound(make.tone()))
    (audio,) = collect(f"{server.url}/a", policy=policy)
    assert isinstance(audio, Audio)
    assert audio.decode().duration == 1


def test_a_filesystem_is_read_where_it_is_allowed(make):
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").pipe("/a.png", make.image(make.picture()))
    assert Image("memory://a.png", policy=MediaPolicy(filesystems={"memory"})).decode().size == (64, 48)
    with pytest.raises(PolicyError, match="max_bytes"):
        Image("memory://a.png", policy=MediaPolicy(filesystems={"memory"}, max_bytes=100)).decode()
    with pytest.raises(MediaError, match="cannot be read"):
        Image("memory://missing.png", policy=MediaPolicy(filesystems={"memory"})).decode()
