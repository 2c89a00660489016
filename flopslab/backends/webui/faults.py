"""What a server answers when it cannot do what it should, explained."""

import json
from typing import Any

import httpx2

from flopslab.backends.webui.address import PASSWORD, USER, Address
from flopslab.errors import ModelError

_LONGEST = 300  # characters of a server's own words
GO_ON = "run the study again: it goes on where it stopped"


def explain(address: Address, path: str, status: int, data: bytes) -> ModelError:
    """The error for an answer with a status other than 200."""
    return ModelError(
        f"an answer from {address.url}{path}",
        f"status {status}: {_words(data)}",
        _hint(status, data),
    )


def unreachable(address: Address, error: Exception) -> ModelError:
    """The error for a server that does not answer, or breaks off."""
    if isinstance(error, httpx2.ReadTimeout):
        actual, hint = "none in ten minutes", f"look at what the server does; then {GO_ON}"
    else:
        actual = f"{type(error).__name__}: {str(error)[:_LONGEST]}"
        hint = f"start it with --api and check the address; then {GO_ON}"
    return ModelError(f"an answer from {address.url}", actual, hint)


def is_out_of_memory(status: int, data: bytes) -> bool:
    """Whether the server had not enough memory for a picture."""
    words = _words(data)
    return status == 500 and ("OutOfMemory" in words or "out of memory" in words)


def _hint(status: int, data: bytes) -> str:
    if 300 <= status < 400:
        return "give the address that it leads to; redirects are not followed"
    if status in (401, 403):
        return f"set {USER} and {PASSWORD}, or write the host into ~/.netrc"
    if status == 404:
        return "start the server with --api"
    if status == 422:
        return "the server, or an extension of it, is of a version that has no such field"
    if "NansException" in _words(data):
        return "set another VAE on the server, or start it with --no-half-vae or --no-half"
    if is_out_of_memory(status, data):
        return f"set a smaller width and height, or free memory there; then {GO_ON}"
    return f"look at the server's own messages; then {GO_ON}"


def _words(data: bytes) -> str:
    """The server's own words, from the JSON of its errors."""
    try:
        answer = json.loads(data)
    except ValueError:
        return "no JSON"
    if not isinstance(answer, dict):
        return "no explanation"
    names = ("error", "detail", "errors", "message")
    parts = [_say(answer[name]) for name in names if answer.get(name)]
    return "; ".join(parts)[:_LONGEST] or "no explanation"


def _say(value: Any) -> str:
    """A text; of pydantic's list of problems, each field and what is wrong with it."""
    if not isinstance(value, list):
        return str(value)
    items = [item for item in value if isinstance(item, dict)]
    return ", ".join(f"{item.get('loc')}: {item.get('msg')}" for item in items)
