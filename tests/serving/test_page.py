"""The page: nothing from elsewhere, nothing inline, nothing of a document as markup."""

import inspect
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from loopback_server import Start

import senseweave as sw
from senseweave.serving import page

TOKEN = "a-token-of-some-length"


class Tags(HTMLParser):
    """The tags of a page with their attributes, and what stands in scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in ("script", "style"):
            self.inline += data.strip()


@pytest.mark.parametrize("path", ["/", "/login"])
def test_a_page_takes_everything_from_its_own_server_and_holds_no_script(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["referrer-policy"] == "same-origin"  # with less, browsers hide whose form it is
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    read = Tags(answer.text)
    assert read.inline == ""
    for tag, attributes in read.tags:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "action"):
            target = attributes.get(name)
            assert target is None or target[:1] in "/#", (tag, target)
            if target is not None and target.startswith("/"):
                assert client.get(target).status_code == 200, target


def test_every_file_of_the_page_is_served_with_its_type_and_no_other_file(client: httpx.Client) -> None:
    for name, mime_type in page.TYPES.items():
        answer = client.get(f"/static/{name}")
        assert answer.headers["content-type"] == mime_type
        assert answer.text == (page.FOLDER / name).read_text(encoding="utf-8")
    for name in ("page.html", "..%2fpage.py", "%2e%2e/page.py", ""):
        assert client.get(f"/static/{name}").status_code == 404


def test_the_policy_of_the_page_allows_its_own_scripts_alone(client: httpx.Client) -> None:
    rules = dict(rule.split(" ", 1) for rule in client.get("/").headers["content-security-policy"].split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"


def test_every_control_has_a_name(client: httpx.Client) -> None:
    text = client.get("/").text
    labels = set(re.findall(r'<label[^>]* for="(\w+)"', text))
    inside = set(re.findall(r'<label[^>]*>[^<]*<input id="(\w+)"', text))
    inputs = set(re.findall(r'<input id="(\w+)"', text))
    assert inputs == labels | inside
    assert '<html lang="en">' in text


def test_scripts_write_text_and_never_markup() -> None:
    for name in page.TYPES:
        if name.endswith(".js"):
            source = (page.FOLDER / name).read_text(encoding="utf-8")
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", source)


def test_the_info_says_what_each_score_means(client: httpx.Client) -> None:
    methods = client.get("/api/info").json()["methods"]
    assert methods["above_chance"].startswith("Score by how far a similarity lies above")
    assert set(methods) == set(sw.retrieval.METHODS)


def test_a_browser_signs_in_with_the_token(start: Start, index: sw.Index) -> None:
    client = start(index, token=TOKEN)
    asked = client.get("/")
    assert (asked.status_code, asked.headers["location"]) == (303, "/login")
    wrong = client.post("/login", data={"token": "something else that is wrong"})
    assert wrong.status_code == 401
    assert 'role="alert"' in wrong.text
    assert "set-cookie" not in wrong.headers
    right = client.post("/login", data={"token": TOKEN})
    assert (right.status_code, right.headers["location"]) == (303, "/")
    cookie = right.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert client.get("/").status_code == 200
    assert client.get("/api/info").status_code == 200
    client.cookies.clear()
    assert client.get("/api/info", headers={"cookie": "senseweave=" + "0" * 64}).status_code == 401


def test_another_site_cannot_sign_anybody_in(start: Start, index: sw.Index) -> None:
    client = start(index, token=TOKEN)
    answer = client.post("/login", data={"token": TOKEN}, headers={"origin": "https://evil.example"})
    assert answer.status_code == 403


NOT_ON_THE_PAGE = {"rerank_depth", "weights", "quota"}
"""Arguments of a search that are for programs."""


def test_the_page_reaches_every_option_of_a_search_but_those_for_programs() -> None:
    source = (page.FOLDER / "page.js").read_text(encoding="utf-8")
    arguments = set(inspect.signature(sw.Index.search).parameters) - {"self"}
    sets = re.findall(r"asked\.(\w+) = ", source)
    begins = re.findall(r"(\w+)[:,]", source.partition("const asked = {")[2].partition("}")[0])
    names = re.findall(r'"(\w+)"', source.partition("for (const name of [")[2].partition("]")[0])
    assert arguments - {*sets, *begins, *names} == NOT_ON_THE_PAGE


DOM = """
class Node {
  constructor(tag) { Object.assign(this, { tag, children: [], attributes: {}, classList: { add() {}, toggle() {} } }); }
  setAttribute(name, value) { this.attributes[name] = String(value); }
  addEventListener() {}
  append(...children) { this.children.push(...children); }
  querySelector() { return null; }
}
globalThis.document = { createElement: (tag) => new Node(tag) };
"""
CARD = """
const { card, marked, words, clock } = await import(process.argv[2]);
const hit = JSON.parse(process.argv[3]);
console.log(JSON.stringify({
  card: card(hit, words("Dogs!"), {}, () => {}),
  marked: marked("The dog barks; dogs bark.", words("the dogs BARKING")).map((part) => part.tag ? part.children : part),
  clock: clock(75.9),
}));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_a_card_shows_hostile_documents_as_text(tmp_path: Path, client: httpx.Client) -> None:
    hit = client.post("/api/search", json={"query": "dogs bark", "k": 1}).json()["hits"][0]
    hostile = "<img src=x onerror=alert(1)> dogs"
    hit |= {"text": hostile, "source": f"/files/{hostile.replace('/', '')}", "part": hostile, "calibration": hostile}
    script = tmp_path / "card.mjs"
    script.write_text(DOM + CARD)
    shutil.copy(page.FOLDER / "cards.js", tmp_path / "cards.mjs")
    command = ["node", str(script), str(tmp_path / "cards.mjs"), json.dumps(hit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    drawn = json.loads(done.stdout)
    tags: list[str] = []
    texts: list[str] = []

    def walk(node: object) -> None:
        if isinstance(node, str):
            texts.append(node)
        elif isinstance(node, dict):
            tags.append(node["tag"])
            for child in node["children"]:
                walk(child)

    walk(drawn["card"])
    assert set(tags) == {"li", "div", "h2", "p", "mark", "b", "button", "a"}
    assert "<img src=x onerror=alert(1)> " in texts
    assert drawn["marked"] == ["The ", ["dog"], " ", ["barks"], "; ", ["dogs"], " ", ["bark"], "."]
    assert drawn["clock"] == "1:15"
