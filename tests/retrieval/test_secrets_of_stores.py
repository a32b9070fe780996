"""Keys of a Chroma server and of addresses are in no error, representation or log."""

import logging
import pickle
from base64 import b64encode
from urllib.parse import quote

import pytest
from chroma_server import ChromaServer
from key_server import KEY, written
from secret_proxy import repeating_proxy

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.testing.toys import toy_space

PASSWORD = f"user:{KEY}"
FORMS = [KEY, quote(KEY, safe=""), b64encode(PASSWORD.encode()).decode()]
URL = f"http://user:{KEY}@host.invalid/notes/a.txt?sig={KEY}"


def holds_secret(text):
    return any(form in text for form in FORMS)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    server = ChromaServer(tmp_path_factory.mktemp("server"))
    with repeating_proxy(server.port) as served:
        yield served
    server.kill()


@pytest.fixture
def refusals(proxy):
    """Let the proxy refuse every request with one status after another."""

    def refuse():
        for proxy.status in (401, 403, 404, 409, 500):
            yield proxy.status

    yield refuse
    proxy.status = None


def make_client(kind, port):
    import chromadb
    from chromadb.config import Settings

    if kind == "header":
        return chromadb.HttpClient(port=port, headers={"X-Chroma-Token": KEY})
    if kind == "bearer header":
        return chromadb.HttpClient(port=port, headers={"Authorization": f"Bearer {KEY}"})
    if kind == "address":
        return chromadb.HttpClient(host=f"http://user:{quote(KEY, safe='')}@127.0.0.1:{port}", port=port)
    name = {"token": "token_authn.TokenAuthClientProvider", "basic": "basic_authn.BasicAuthClientProvider"}[kind]
    credentials = {"token": KEY, "basic": PASSWORD}[kind]
    return chromadb.HttpClient(
        port=port,
        settings=Settings(
            chroma_client_auth_provider=f"chromadb.auth.{name}", chroma_client_auth_credentials=credentials
        ),
    )


@pytest.mark.parametrize("kind", ["header", "bearer header", "address", "token", "basic"])
def test_a_key_of_a_server_that_repeats_it_is_nowhere(kind, proxy, refusals, caplog):
    caplog.set_level(logging.DEBUG)
    client = make_client(kind, proxy.server_port)
    with sw.Index(client, spaces=[toy_space()], prefix=f"{kind.replace(' ', '-')}-") as index:
        index.add([sw.Text("alpha words")])
        said = [repr(index), str(index.info()), str(index.verify())]
        with pytest.raises(TypeError) as refused:
            pickle.dumps(index)
        said.append(written(refused.value))
        actions = [lambda: index.search("alpha"), lambda: index.add(sw.Text("beta")), lambda: index.delete(ids=["a"])]
        for _ in refusals():
            for action in actions:
                with pytest.raises(StoreError, match=r"\[redacted\]") as caught:
                    action()
                said.append(
                    written(caught.value) + repr(vars(caught.value)) + pickle.dumps(caught.value).decode("latin-1")
                )
    said += [record.getMessage() for record in caplog.records if record.name.startswith("senseweave")]
    assert not [text for text in said if holds_secret(text)]


@pytest.fixture
def index(tmp_path, space):
    with sw.Index(tmp_path / "index", spaces=[space]) as opened:
        opened.add(sw.Text("alpha words", source=URL))
        yield opened


REFUSED = {
    "a metadata function": lambda index: index.add(sw.Text("a", source=URL), metadata=lambda media: [URL]),
    "metadata": lambda index: index.add(sw.Text("a"), metadata=URL),
    "a metadata name": lambda index: index.add(sw.Text("a"), metadata={f"${URL}": 1}),
    "a metadata value": lambda index: index.add(sw.Text("a"), metadata={"link": f"{URL}\ud800"}),
    "a filter": lambda index: index.search("a", filter=URL),
    "a list of a filter": lambda index: index.search("a", filter={"$or": URL}),
    "a comparison": lambda index: index.search("a", filter={"source": {URL: 1}}),
    "an order": lambda index: index.search("a", filter={"source": {"$gt": URL}}),
    "half a character": lambda index: index.search("a", filter={"source": f"{URL}\ud800"}),
    "a modality": lambda index: index.search("a", modalities={URL}),
    "a number": lambda index: index.search("a", k=URL),
    "a weight": lambda index: index.search("a", weights={URL: 1.0}),
    "a fusion method": lambda index: index.search("a", fusion=URL),
    "a reranker": lambda index: index.search("a", rerank=URL),
    "a choice": lambda index: index.add(sw.Text("a"), on_error=URL),
    "an encoding": lambda index: index.add(sw.Text("a"), encoding=URL),
    "an export": lambda index: index.export(URL),
    "an import": lambda index: index.import_(URL),
    "a model": lambda index: sw.load(URL),
    "trust": lambda index: sw.Index.open(index.info()["place"], trust=URL),
    "a limit": lambda index: sw.MediaPolicy(timeout=URL),
}


@pytest.mark.parametrize("action", REFUSED.values(), ids=REFUSED)
def test_an_address_with_a_key_where_it_does_not_belong_is_not_repeated(action, index, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((sw.SenseweaveError, ValueError, TypeError)) as caught:
        action(index)
    assert not holds_secret(written(caught.value))


def test_representations_hide_keys_in_addresses(index):
    shown = [
        repr(index.contents()),
        repr(sw.MediaPolicy(moved={"/photos": URL}, root=URL)),
        repr(sw.Index(sw.stores.Memory(), spaces=[toy_space()], policy=sw.MediaPolicy(root=URL))),
        repr(sw.load(f"openai:{URL}", cache_size=0)),
        repr([sw.Image(URL), sw.Text("a", source=URL), sw.Query([sw.Image(URL)])]),
    ]
    assert not [text for text in shown if holds_secret(text)]
