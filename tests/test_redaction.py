"""What is hidden of URLs and options, and what stays."""

import pytest

from senseweave.redaction import (
    cause,
    has_secret,
    is_secret_option,
    redacted,
    without_credentials,
    without_secret_options,
    without_secrets,
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pw@host/a.jpg", "https://[redacted]@host/a.jpg"),
        ("https://user:p@w@host:8080/a.jpg", "https://[redacted]@host:8080/a.jpg"),
        ("https://user:pw@[broken/a.jpg", "https://[redacted]@[broken/a.jpg"),
        ("https://user:p/w?x#y@host/a.jpg", "https://[redacted]@host/a.jpg"),
        ("https:/user:pw@host/a.jpg", "https:/[redacted]@host/a.jpg"),
        ("ftp://anna@host/a.jpg", "ftp://[redacted]@host/a.jpg"),
        ("https://host/a.jpg?token=abc", "https://host/a.jpg?token=[redacted]"),
        ("https://host/a.jpg?w=10&sig=abc&h=5", "https://host/a.jpg?w=10&sig=[redacted]&h=5"),
        ("https://host/a.jpg?X-Amz-Signature=ab12#page", "https://host/a.jpg?X-Amz-Signature=[redacted]#page"),
        ("https://host/a.jpg?X-Goog-Credential=me%40x", "https://host/a.jpg?X-Goog-Credential=[redacted]"),
        ("https://host/a.jpg?%74oken=abc", "https://host/a.jpg?%74oken=[redacted]"),
        ("https://host/a#access_token=abc", "https://host/a#access_token=[redacted]"),
        ("https://host/a?Authorization=abc", "https://host/a?Authorization=[redacted]"),
        ("https://host/a?share=9f1b2c3d4e5f60718293a4b5", "https://host/a?share=[redacted]"),
        ("https://host/a?9f1b2c3d4e5f60718293a4b5", "https://host/a?[redacted]"),
        ("https://web/2020/http://user:pw@host/a.jpg", "https://web/2020/http://[redacted]@host/a.jpg"),
        ("https://host/go?to=ftp://user:pw@host/a", "https://host/go?to=ftp://[redacted]@host/a"),
        ("https:/folder/http:/user:pw@host/a.jpg", "https:/folder/http:/[redacted]@host/a.jpg"),
        ("zip::https://user:pw@host/a.zip", "zip::https://[redacted]@host/a.zip"),
        ("s3://bucket/a.jpg?password=", "s3://bucket/a.jpg?password="),
    ],
)
def test_credentials_keys_and_signatures_are_hidden(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
    assert without_secrets(f"cannot read '{url}' today") == f"cannot read '{shown}' today"
    assert has_secret(url) == (shown != url)
    assert without_secrets(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://host/watch?v=dQw4w9WgXcQ&t=42",
        "https://host/photo.jpg?width=1200&author=anna&format=webp",
        "https://host/a@b/photo.jpg",
        "https://host:8080/a@b/photo.jpg",
        "https://[::1]:8080/a@b/photo.jpg",
        "/home/anna/token=abc/photo.jpg",
        "C:/anna@home/photo.jpg?token=abc",
        "mail anna@host about key=value",
    ],
)
def test_everything_else_is_shown(text: str) -> None:
    assert without_secrets(text) == text


def test_a_long_text_takes_no_long_time() -> None:
    long = "a" * 200_000
    for text in (f"{long} ://", f"{long}://{'?' * 200_000}", "a://" * 50_000, "a://b?" + "c=d&" * 50_000):
        assert without_secrets(text) == text


def test_a_url_that_cannot_be_parsed_loses_its_credentials_too() -> None:
    assert without_credentials("https://user:pw@[::1/a.jpg") == "https://[::1/a.jpg"
    assert without_credentials("https://host/a@b.jpg?token=abc") == "https://host/a@b.jpg?token=abc"


def test_options_are_secret_by_their_names() -> None:
    assert all(map(is_secret_option, ("api_key", "token", "hf_token", "password", "headers", "Authorization_header")))
    assert not any(map(is_secret_option, ("key_variable", "tokenizer", "max_length", "batch_tokens", "keys_per_batch")))


def test_secret_options_are_left_out_however_deep_they_stand() -> None:
    options = {
        "api_key": "sk",
        "pooling": "cls",
        "base_url": "https://user:pw@host/v1",
        "options": {"token": "sk", "frames": 2},
        "tokenizer": "a/b",
    }
    assert without_secret_options(options) == {"pooling": "cls", "options": {"frames": 2}, "tokenizer": "a/b"}


def test_plain_values_are_hidden_but_for_the_text_of_documents() -> None:
    link = "https://host/a?token=abc"
    hidden = "https://host/a?token=[redacted]"
    given = {"source": link, "text": link, "all": [link, {"sources": (link, 3)}], "none": None}
    assert redacted(given) == {"source": hidden, "text": link, "all": [hidden, {"sources": [hidden, 3]}], "none": None}


def test_an_error_is_no_cause_if_one_that_led_to_it_holds_a_secret():
    shown = OSError("cannot connect")
    assert cause(shown) is shown
    shown.__context__ = ValueError("http://user:pw@host/a")
    assert cause(shown) is None
    shown.__context__ = shown.__cause__ = KeyError("harmless")
    shown.__cause__.__context__ = shown
    assert cause(shown) is shown
