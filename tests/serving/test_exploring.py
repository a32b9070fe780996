"""Duplicates, groups and the map of an index over HTTP, each found by a process of its own."""

import re
import shutil
from pathlib import Path

import httpx
import pytest
from loopback_server import Start

import senseweave as sw
from senseweave.retrieval.stores.memory import MemoryStore
from senseweave.serving import explorer
from senseweave.testing import toy_space

pytestmark = pytest.mark.slow


@pytest.fixture
def explored(own_index: sw.Index, own_files: Path) -> sw.Index:
    """An index with a copy of a picture, whose name is markup, and with some more texts."""
    shutil.copy(next(own_files.glob("*.png")), own_files / "<b>copy.png")
    for number in range(8):
        (own_files / f"note-{number}.txt").write_text(f"Note {number} on dogs and cats in the yard. {'woof ' * number}")
    own_index.add(own_files)
    return own_index


def test_duplicates_are_listed_with_the_best_copy_first(explored: sw.Index, start: Start) -> None:
    pytest.importorskip("scipy")
    answer = start(explored, read_only=True).get("/api/duplicates")
    assert answer.status_code == 200, answer.text
    groups = [group for group in answer.json()["groups"] if group["modality"] == "image"]
    expected = [group for group in explored.duplicates().to_dict()["groups"] if group["modality"] == "image"]
    assert groups == expected
    assert any(copy["source"].endswith("<b>copy.png") for group in groups for copy in (group["best"], *group["others"]))
    assert len(explored) > 8, "nothing is deleted"


def test_the_map_is_a_page_whose_script_is_of_no_origin(explored: sw.Index, start: Start) -> None:
    pytest.importorskip("umap")
    client = start(explored, read_only=True)
    answer = client.get("/map")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"].startswith("sandbox allow-scripts; default-src 'none'")
    assert "<b>copy.png" not in answer.text
    assert not re.findall(r"""(?:src|href)=["']?https?:""", answer.text)
    assert client.get("/api/clusters").json()["clusters"] is not None


def test_an_answer_is_kept_for_a_minute(explored: sw.Index, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    async def run(self: explorer.Explorer, arguments: tuple[str, ...]) -> str:
        calls.append(arguments)
        return '{"groups": []}'

    monkeypatch.setattr(explorer.Explorer, "_run", run)
    client = start(explored)
    assert [client.get("/api/duplicates").json() for _ in range(3)] == [{"groups": []}] * 3
    assert calls == [("duplicates",)]


def test_what_takes_too_long_is_ended(explored: sw.Index, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer, "LONGEST_SECONDS", 0.05)
    answer = start(explored).get("/api/duplicates")
    assert answer.status_code == 503
    assert "took more than" in answer.json()["error"]["message"]


def test_a_missing_extra_is_told_with_the_line_that_installs_it() -> None:
    error = explorer.failure('error: install scipy: pip install "senseweave[explore]"', "/index")
    assert error.status == 501
    assert 'pip install "senseweave[explore]"' in error.message


def test_what_a_command_says_of_its_folder_stays_in_the_log() -> None:
    said = "warning: x\nerror: /home/me/index: files are damaged"
    assert "/home/me" not in explorer.failure(said, "/home/me/index").message
    said = "error: postgresql://[redacted]@db/notes: cannot connect"
    assert "db" not in explorer.failure(said, "postgresql://ann:pw@db/notes").message
    said = "error: the index has no space 'x'; its spaces are starter"
    assert explorer.failure(said, "/home/me/index").message == said.removeprefix("error: ")


def test_options_of_a_command_are_options_of_its_route(
    explored: sw.Index, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    async def run(self: explorer.Explorer, arguments: tuple[str, ...]) -> str:
        calls.append(arguments)
        return '{"groups": []}'

    monkeypatch.setattr(explorer.Explorer, "_run", run)
    client = start(explored)
    for path in (
        "/api/duplicates?threshold=0.5&modality=image&modality=text",
        "/api/clusters?min_size=4&outliers=2&space=--json",
        "/map?color=-x%20y",
    ):
        assert client.get(path).status_code == 200
    assert calls == [
        ("duplicates", "--modality=image", "--modality=text", "--threshold=0.5"),
        ("clusters", "--min-size=4", "--outliers=2", "--space=--json"),
        ("map", "--color=-x y"),
    ]
    for path in ("/api/duplicates?threshold=nan", "/api/clusters?min_size=0", "/map?color=%00", "/map?modality=smell"):
        assert client.get(path).status_code == 422


def test_groups_list_what_is_far_from_everything(explored: sw.Index, start: Start) -> None:
    pytest.importorskip("umap")
    found = start(explored).get("/api/clusters", params={"outliers": 2, "modality": "text"}).json()
    expected = explored.outliers(2, modalities=["text"])
    assert [entry["id"] for entry in found["outliers"]] == [outlier.record.id for outlier in expected]


def test_an_index_in_no_folder_cannot_be_explored(start: Start) -> None:
    with sw.Index(MemoryStore(), spaces=[toy_space()]) as index:
        index.add(sw.Text("a dog"))
        answer: httpx.Response = start(index).get("/api/duplicates")
    assert answer.status_code == 501


def test_a_browser_is_told_on_a_page_why_there_is_no_map(start: Start) -> None:
    with sw.Index(MemoryStore(), spaces=[toy_space()]) as index:
        index.add(sw.Text("a dog"))
        client = start(index)
        page = client.get("/map", headers={"accept": "text/html,*/*;q=0.8"})
        named = client.get("/map", params={"color": "<b>\0"}, headers={"accept": "text/html"})
        other = client.get("/map")
    assert (page.status_code, other.status_code, named.status_code) == (501, 501, 422)
    assert page.headers["content-type"].startswith("text/html")
    assert other.json()["error"]["message"] in page.text
    assert "<b>" not in named.text
    assert "script-src 'self'" in page.headers["content-security-policy"]


def test_exploring_needs_the_token(explored: sw.Index, start: Start) -> None:
    client = start(explored, token="only-for-this-test-1234")
    assert [client.get(path).status_code for path in ("/map", "/api/duplicates", "/api/clusters")] == [401] * 3


def test_a_page_of_another_site_cannot_make_the_server_work(explored: sw.Index, start: Start) -> None:
    client = start(explored)
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}):
        answers = [client.get(path, headers=headers) for path in ("/map", "/api/duplicates", "/api/clusters")]
        assert [answer.status_code for answer in answers] == [403] * 3
    assert client.get("/api/info", headers={"sec-fetch-site": "cross-site"}).status_code == 200
