"""Ports: free after a process that served them, and refused beside one that serves them."""

from __future__ import annotations

import socket

import pytest

from spanledger_collector.receive.address import AddressUnavailableError, bound_socket


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_whose_connections_just_ended_is_free(shared: bool) -> None:
    """The side that closes first is remembered for a minute: the next process, with receivers or without, starts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()
            assert client.recv(1) == b""
    bound_socket("127.0.0.1", port, "--otlp-grpc", shared=shared).close()


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_that_another_process_serves_is_refused(shared: bool) -> None:
    """It would get a part of the requests."""
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(AddressUnavailableError, match="--otlp-grpc"):
        bound_socket("127.0.0.1", server.getsockname()[1], "--otlp-grpc", shared=shared)
