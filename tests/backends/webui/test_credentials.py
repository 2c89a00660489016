"""Names and passwords come from the environment or netrc, and stay out of every file."""

from traceback import TracebackException

import pytest

from flopslab.backends.webui.address import Address, find_credentials
from flopslab.backends.webui.generator import WebuiGenerator
from flopslab.core.study import Study
from flopslab.errors import FlopslabWarning, ModelError, ParameterError


def test_without_credentials_the_error_says_where_to_put_them(ask, server):
    server.credentials = "ada:secret"
    with pytest.raises(ModelError, match="FLOPSLAB_SERVER_USER"):
        ask()


def test_credentials_reach_the_server_and_no_file_and_no_log(
    ask, server, monkeypatch, caplog, capfd
):
    server.credentials = "ada:secret"
    monkeypatch.setenv("FLOPSLAB_SERVER_USER", "ada")
    monkeypatch.setenv("FLOPSLAB_SERVER_PASSWORD", "secret")
    server.faults = [lambda fake, body: "reset"]
    run = ask()
    assert {headers["Authorization"] for headers in server.headers} == {"Basic YWRhOnNlY3JldA=="}
    files = [path for path in run.directory.rglob("*") if path.is_file()]
    everything = b"".join(path.read_bytes() for path in files)
    everything += caplog.text.encode() + "".join(capfd.readouterr()).encode()
    assert b"again in 1 s" in everything
    assert not [word for word in (b"secret", b"YWRhOnNlY3JldA") if word in everything]


@pytest.mark.parametrize("fault", ["a wrong password", "no answer"])
def test_no_traceback_holds_a_password_even_with_the_values_of_variables(
    ask, server, monkeypatch, fault
):
    monkeypatch.setenv("FLOPSLAB_SERVER_USER", "ada")
    monkeypatch.setenv("FLOPSLAB_SERVER_PASSWORD", "secret")
    server.credentials = "ada:other" if fault == "a wrong password" else ""
    server.faults = [lambda fake, body: "reset"] * 6
    with pytest.raises(ModelError) as error:
        ask()
    lines = TracebackException.from_exception(error.value, capture_locals=True).format()
    text = "".join(lines)
    assert "study = " in text
    assert not [word for word in ("secret", "YWRhOnNlY3JldA") if word in text]


def test_netrc_is_read_for_the_host_alone(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text(
        "machine server.test login ada password secret\ndefault login eve password other\n"
    )
    assert find_credentials("server.test") == ("ada", "secret")
    assert find_credentials("elsewhere.test") is None
    (tmp_path / "netrc").write_text("machine server.test login ada secret\n")
    with pytest.raises(ParameterError, match="cannot be read") as error:
        find_credentials("server.test")
    assert "secret" not in str(error.value)


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(ParameterError, match="name or password") as error:
        Address.parse("http://ada:secret@127.0.0.1:7860")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "model", ["http://", "http://host:port", "http://a:0", "http://a/?b=c", "http://a#sha256=12"]
)
def test_an_address_that_is_none_is_refused(model):
    with pytest.raises(ParameterError):
        Address.parse(model)


def test_an_address_may_name_a_checkpoint_or_a_digest():
    named = Address.parse("http://127.0.0.1:7860/#my model.safetensors [0123456789]")
    assert (named.url, named.checkpoint) == (
        "http://127.0.0.1:7860",
        "my model.safetensors [0123456789]",
    )
    assert Address.parse(f"https://a.test/gpu#sha256={'B' * 64}").sha256 == "b" * 64


def test_a_load_warns_of_plain_http_to_another_host(server, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(Address, "is_local", property(lambda self: False))
    with pytest.warns(FlopslabWarning, match="words and pictures can be read on the way"):
        WebuiGenerator.load(Study(model=server.url))


def test_plain_http_to_another_host_is_a_warning():
    with pytest.warns(FlopslabWarning, match="the password can be read"):
        Address.parse("http://192.0.2.1:7860").warn_if_readable(True)
    for model in ("https://192.0.2.1", "http://localhost:7860", "http://[::1]:7860"):
        Address.parse(model).warn_if_readable(True)
