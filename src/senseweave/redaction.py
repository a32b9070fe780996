"""Secrets in URLs and options: recognized by their place or name, and left out of what is shown and recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar
from urllib.parse import unquote

T = TypeVar("T")

REDACTED: Final = "[redacted]"
"""What is shown in the place of a secret."""

MOST_CAUSES: Final = 20
"""Errors that are followed; some refer to each other."""

_OPTION: Final = re.compile(r"(^|_)(key|token|secret|password|credentials?|auth|headers?)$", re.IGNORECASE)
_URL: Final = re.compile(r"[a-z][a-z0-9+.\-]{1,30}:/{1,2}[^\s<>\"'`]+", re.IGNORECASE)
"""Also with one slash, which `pathlib.Path` leaves of two."""
_USER: Final = re.compile(
    r"(^[a-z][a-z0-9+.\-]*:/{1,2})(?:[^/?#]*@|[^/?#@\[]*:(?![0-9]*(?:[/?#]|$))\S*@)", re.IGNORECASE
)
"""Up to the last `@` of the host's part, or of all where a password has an unescaped `/`, `?` or `#`."""
_INNER: Final = re.compile(r"(?<=[/=:&?])(?=[a-z][a-z0-9+.\-]{1,30}:/)", re.IGNORECASE)
"""Where a URL begins inside another, as in `https://archive.org/web/http://user:password@host/`."""
_PARAMETER: Final = re.compile(r"(?P<mark>[?&;#])(?P<name>[^=&;#]*)(?P<equals>=?)(?P<value>[^&;#]*)")
_NAME: Final = re.compile(
    r"token|secret|passw|credential|signature|session|jwt|auth(?!or(?!i[sz]))|(api|access|account|private)[-_]?key"
    r"|^(sig|key|key-pair-id|policy|pw|pwd|pass|code|sid)$",
    re.IGNORECASE,
)
"""Names of parameters: OAuth (RFC 6749, 6750), presigned URLs of S3, Google and CloudFront, Azure's SAS, API keys."""
_OPAQUE: Final = re.compile(r"(?=[^0-9]*[0-9])(?=[^a-z]*[a-z])[a-z0-9+/_~.=%\-]{24,}", re.IGNORECASE)
"""A value that nobody typed: whoever knows such a link is let in."""


def is_secret_option(name: str) -> bool:
    """Return whether the value of an option of this name is a secret, such as `api_key` or `headers`."""
    return _OPTION.search(name) is not None


def without_secret_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without those that are secrets by their name, or URLs that hold one."""
    return {
        name: without_secret_options(value) if isinstance(value, Mapping) else value
        for name, value in options.items()
        if not (is_secret_option(name) or (isinstance(value, str) and has_secret(value)))
    }


def without_credentials(url: str) -> str:
    """Return a URL without a user name and password."""
    return _USER.sub(r"\1", url)


def without_secrets(text: str) -> str:
    """Return a text in whose URLs user names, passwords and parameters that are keys, tokens or signatures are hidden.

    Args:
        text: A URL, or any text that may hold some.
    """
    return _URL.sub(_hide, text) if ":/" in text else text


def has_secret(text: str) -> bool:
    """Return whether `without_secrets` would hide something."""
    return without_secrets(text) != text


def redacted(value: Any) -> Any:
    """Return plain values for JSON with the secrets of URLs hidden in every string except the `text` of a document."""
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, Mapping):
        return {name: part if name == "text" else redacted(part) for name, part in value.items()}
    return [redacted(part) for part in value] if isinstance(value, (list, tuple)) else value


def quoted(value: Any) -> str:
    """Return the `repr` of a value that an error quotes, with the secrets of URLs hidden."""
    return without_secrets(repr(value))


def cause(error: BaseException) -> BaseException | None:
    """Return an error as the cause of another, which a traceback shows; None if its text holds a secret of a URL."""
    return None if has_secret(traceback_text(error)) else error


def traceback_text(error: BaseException) -> str:
    """Return the texts of an error and of those that led to it, which a traceback shows together."""
    texts: list[str] = []
    found: BaseException | None = error
    while found is not None and len(texts) < MOST_CAUSES:
        texts.append(str(found))
        found = found.__cause__ or found.__context__
    return "\n".join(texts)


def redact_repr(kind: type[T]) -> type[T]:
    """Decorate a class so that its `repr` hides the secrets of URLs."""
    plain = kind.__repr__
    kind.__repr__ = lambda self: without_secrets(plain(self))  # type: ignore[method-assign]
    return kind


def _hide(url: re.Match[str]) -> str:
    whole = _hide_user(url[0])
    return _PARAMETER.sub(_hide_value, "".join(map(_hide_user, _INNER.split(whole))))


def _hide_user(url: str) -> str:
    return _USER.sub(rf"\1{REDACTED}@", url)


def _hide_value(parameter: re.Match[str]) -> str:
    mark, name, equals, value = parameter.group("mark", "name", "equals", "value")
    if not equals:
        return f"{mark}{REDACTED}" if _OPAQUE.fullmatch(name) else parameter[0]
    hidden = value and (_NAME.search(unquote(name)) or _OPAQUE.fullmatch(value))
    return f"{mark}{name}={REDACTED}" if hidden else parameter[0]
