"""Which ports a stack takes."""

import socket

import pytest

from libs.devstack import ports
from libs.devstack.errors import StackError


def test_a_usual_port_that_is_free_is_taken() -> None:
    port = _free_port()

    assert ports.choose({"gateway": port}) == {"gateway": port}


def test_a_taken_port_is_replaced_by_the_next_free_one_and_that_is_said() -> None:
    with socket.socket() as other:
        other.bind((ports.HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        wanted = {"gateway": taken, "auth": taken + 1}

        chosen = ports.choose(wanted)

    assert chosen["gateway"] > taken
    assert chosen["gateway"] != chosen["auth"]
    assert f"gateway {taken} → {chosen['gateway']}" in ports.moved(wanted, chosen)


def test_nothing_is_said_when_no_port_moved() -> None:
    assert ports.moved({"gateway": 8000}, {"gateway": 8000}) == ""


def test_when_nothing_is_free_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _port: False)

    with pytest.raises(StackError, match="--port-base"):
        ports.choose({"gateway": 8000})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ports.HOST, 0))
        return int(probe.getsockname()[1])
