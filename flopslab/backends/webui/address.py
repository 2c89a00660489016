"""Where a server is, which weights it should use, and with whose name it is asked."""

import ipaddress
import netrc
import os
import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from flopslab.errors import FlopslabWarning, ParameterError

USER, PASSWORD = "FLOPSLAB_SERVER_USER", "FLOPSLAB_SERVER_PASSWORD"
_FORM = "http://127.0.0.1:7860, http://127.0.0.1:7860#checkpoint or ...#sha256=digest"
_DIGEST = re.compile(r"sha256=([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a `model` that is a server."""

    url: str  # without a slash at its end
    host: str
    checkpoint: str = ""  # a title or name; empty: the one that is loaded
    sha256: str = ""  # of the weights; empty: as the server says

    @classmethod
    def parse(cls, model: str) -> Self:
        """The address in `model`. Raises ParameterError, which never repeats a password."""
        text, _, fragment = model.partition("#")
        try:
            parts = urlsplit(text.rstrip("/"))
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host, parts, port = "", urlsplit(""), None
        if "@" in text:
            hint = f"leave them out of the address; set {USER} and {PASSWORD}, or use ~/.netrc"
            raise ParameterError("the address of a server", "a name or password in it", hint)
        if parts.scheme not in ("http", "https") or not host or parts.query or port == 0:
            raise ParameterError("the address of a server", repr(model), f"write {_FORM}")
        if not fragment.startswith("sha256="):
            return cls(parts.geturl(), host, checkpoint=fragment.strip())
        if not (match := _DIGEST.fullmatch(fragment.strip())):
            hint = "write its 64 hexadecimal digits"
            raise ParameterError("the SHA-256 of a model's file", repr(fragment), hint)
        return cls(parts.geturl(), host, sha256=match[1].lower())

    @property
    def is_local(self) -> bool:
        """Whether it is this machine."""
        with suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return self.host == "localhost"

    def warn_if_readable(self, has_password: bool) -> None:
        """Warn if what is sent can be read on its way."""
        if self.url.startswith("http:") and not self.is_local:
            secret = "words, pictures and the password" if has_password else "words and pictures"
            sentence = f"{self.url} is asked over plain http: {secret} can be read on the way"
            warnings.warn(sentence, FlopslabWarning, stacklevel=2)


def find_credentials(host: str) -> tuple[str, str] | None:
    """(name, password) from the environment or else the host's entry in netrc, if there is one.

    netrc's default entry is not used: it would send a password to any host.
    """
    name, password = os.environ.get(USER), os.environ.get(PASSWORD)
    if name is not None and password is not None:
        return name, password
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        entry = netrc.netrc(path).hosts.get(host)
    except OSError:
        return None
    except netrc.NetrcParseError as error:  # whose text may hold a password
        expected, actual = f"credentials in {path}", f"a line near {error.lineno} cannot be read"
        raise ParameterError(expected, actual, "correct it") from None
    return (entry[0], entry[2] or "") if entry else None
