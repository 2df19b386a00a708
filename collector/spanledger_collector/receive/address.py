"""Addresses to listen on, with errors that say what to do."""

from __future__ import annotations

import errno
import socket

from spanledger_collector.config import Address
from spanledger_collector.receive.errors import AddressUnavailableError


def listening_socket(host: str, port: int, flag: str) -> socket.socket:
    """A TCP socket that listens on ``host`` and ``port``; port 0 is a free one.

    ``flag`` is the command-line option that names another address; errors tell it.

    Raises:
        AddressUnavailableError: the port is in use or not permitted, or the host is not this machine's.
    """
    bound = bound_socket(host, port, flag)
    try:
        bound.listen()
    except OSError as error:
        bound.close()
        raise _refused(host, port, flag, error) from None
    return bound


def bound_socket(host: str, port: int, flag: str, *, shared: bool = False) -> socket.socket:
    """A TCP socket on ``host`` and ``port`` that does not listen; with ``shared``, other processes may have one too.

    Raises:
        AddressUnavailableError: the port is in use or not permitted, or the host is not this machine's.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise unavailable(host, port, flag, error.strerror or "unknown host") from None
    # `localhost` is both: clients that know one family only know IPv4.
    family, kind, protocol, _, address = min(addresses, key=lambda found: found[0] != socket.AF_INET)
    bound = socket.socket(family, kind, protocol)
    try:
        # Connections of an earlier process, which the system remembers for a minute, are no hindrance.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise _refused(host, port, flag, error) from None
    return bound


def _refused(host: str, port: int, flag: str, error: OSError) -> AddressUnavailableError:
    in_use = error.errno == errno.EADDRINUSE
    return unavailable(
        host, port, flag, "another process listens there" if in_use else error.strerror or "no reason given"
    )


def unavailable(host: str, port: int, flag: str, reason: str) -> AddressUnavailableError:
    """The error for an address that cannot be listened on."""
    return AddressUnavailableError(
        f"cannot listen on {Address(host, port)}: {reason}; choose another address with {flag} HOST:PORT"
    )
