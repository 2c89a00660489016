"""Requests to a server: bounded, without redirects, and again after a fault that may pass."""

import json
import logging
from collections.abc import Callable
from threading import Event
from typing import Any

import httpx2

from flopslab.backends.webui.address import Address
from flopslab.backends.webui.faults import GO_ON, explain, is_out_of_memory, unreachable
from flopslab.errors import ModelError

PAUSES = (1, 2, 4, 8, 16)  # seconds before each next try
BUSY = {502, 503, 504}  # what a proxy answers while the server behind it starts
LIMIT = 2**24  # bytes of an answer without pictures
TIMEOUT = httpx2.Timeout(600, connect=5)  # a server may load a model first
GLANCE = httpx2.Timeout(5)

_LOG = logging.getLogger(__name__)
_PASSING = (httpx2.NetworkError, httpx2.RemoteProtocolError, httpx2.ConnectTimeout)

Pause = Callable[[Event, float], object]


class Client:
    """What can be asked of one server. `pause(stop, seconds)` waits, or until `stop` is set."""

    def __init__(
        self,
        address: Address,
        credentials: tuple[str, str] | None = None,
        pause: Pause = Event.wait,
    ) -> None:
        self._address, self._pause = address, pause
        self.has_password = credentials is not None
        self._http = httpx2.Client(
            base_url=address.url,
            auth=credentials,
            limits=httpx2.Limits(max_keepalive_connections=0),  # a server closes idle ones
            follow_redirects=False,  # credentials stay with the host that the user named
            trust_env=not address.is_local,  # no proxy between here and here
        )

    def get(self, path: str) -> Any:
        """The answer of a path, at once or not at all. Raises ModelError."""
        try:
            status, data = self._send("GET", path, None, LIMIT)
        except httpx2.HTTPError as error:
            raise unreachable(self._address, error) from None
        return self._read(path, status, data)

    def find(self, path: str) -> Any:
        """The same, or None where the server has no such path."""
        try:
            status, data = self._send("GET", path, None, LIMIT)
        except httpx2.HTTPError as error:
            raise unreachable(self._address, error) from None
        return None if status in (404, 405) else self._read(path, status, data)

    def glance(self, path: str) -> Any:
        """The same where it does not matter: None after any fault, or after five seconds."""
        try:
            status, data = self._send("GET", path, None, LIMIT, GLANCE)
            return json.loads(data) if status == 200 else None
        except (httpx2.HTTPError, ModelError, ValueError):
            return None

    def post(self, path: str, body: Any = None) -> None:
        """Tell the server something; whether it listens does not matter."""
        try:
            self._send("POST", path, body, LIMIT)
        except httpx2.HTTPError as error:
            _LOG.warning("%s: %s", path, type(error).__name__)

    def generate(self, path: str, body: Any, limit: int, stop: Event) -> Any:
        """The answer to a request for a picture, of at most `limit` bytes.

        The same request gives the same picture, so it is sent again after a fault that may pass.
        Raises ModelError.
        """
        status, data = self._persist(path, body, limit, stop)
        if is_out_of_memory(status, data) and not stop.is_set():
            _LOG.warning("%s is out of memory: it loads its model again", self._address.url)
            self.post("/sdapi/v1/unload-checkpoint")
            self.post("/sdapi/v1/reload-checkpoint")
            status, data = self._persist(path, body, limit, stop)
        return self._read(path, status, data)

    def _persist(self, path: str, body: Any, limit: int, stop: Event) -> tuple[int, bytes]:
        for seconds in (*PAUSES, 0):
            last = not seconds
            try:
                status, data = self._send("POST", path, body, limit)
                if status not in BUSY or last:
                    return status, data
                fault = f"status {status}"
            except httpx2.HTTPError as error:
                if last or not isinstance(error, _PASSING):
                    raise unreachable(self._address, error) from None
                fault = type(error).__name__
            _LOG.warning("%s: %s; again in %d s", self._address.url, fault, seconds)
            self._pause(stop, seconds)
            if stop.is_set():
                break
        raise ModelError("a frame from the server", "an interrupt", GO_ON)

    def _send(
        self, method: str, path: str, body: Any, limit: int, timeout: httpx2.Timeout = TIMEOUT
    ) -> tuple[int, bytes]:
        data = bytearray()
        with self._http.stream(method, path, json=body, timeout=timeout) as response:
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > limit:
                    expected = f"an answer of at most {limit} bytes from {self._address.url}{path}"
                    raise ModelError(expected, "a longer one", "check what runs at this address")
        return response.status_code, bytes(data)

    def _read(self, path: str, status: int, data: bytes) -> Any:
        if status != 200:
            raise explain(self._address, path, status, data)
        try:
            return json.loads(data)
        except ValueError:
            expected = f"JSON from {self._address.url}{path}"
            hint = "check what runs at this address, and behind which proxy"
            raise ModelError(expected, "something else", hint) from None
