"""A collector that forwards to itself would send each span round and round: that is refused at the start."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from spanledger_collector.config import Address
from spanledger_collector.errors import PermanentError

_PORTS = {"http": 80, "https": 443}


class ForwardsToItselfError(PermanentError):
    """The forward target is one of the collector's own listeners."""


def check_leads_elsewhere(url: str, listeners: Iterable[Address]) -> None:
    """Look whether ``url`` is one of ``listeners``, whose ports are the real ones. A detour over others is not seen.

    Raises:
        ForwardsToItselfError: it is.
    """
    parts = urlsplit(url)
    port = parts.port or _PORTS[parts.scheme]
    targets = _hosts(parts.hostname or "")
    for listener in listeners:
        if listener.port == port and any(_is_served(target, listener.host) for target in targets):
            raise ForwardsToItselfError(
                f"forward.url leads to {listener}, where this collector listens itself; every span would go round for "
                "ever: name another back end with --forward URL, or listen elsewhere with --otlp-http, --otlp-grpc"
            )


def _hosts(name: str) -> set[str]:
    """The addresses of ``name``; none where it is not known now."""
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except (socket.gaierror, UnicodeError):
        return set()


def _is_served(target: str, host: str) -> bool:
    if ip_address(target).is_unspecified:
        # Where a connection to 0.0.0.0 ends: on this machine.
        return True
    hosts = _hosts(host)
    return target in hosts or (any(ip_address(each).is_unspecified for each in hosts) and _is_of_this_machine(target))


def _is_of_this_machine(host: str) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True
