"""How a command reaches a running collector: without a proxy, with its token, trusting the certificate it announced."""

from __future__ import annotations

import ssl
from urllib.request import BaseHandler, HTTPSHandler, OpenerDirector, ProxyHandler, build_opener


def opener(token: str = "", certificate: str = "") -> OpenerDirector:
    """Opens URLs of a collector.

    ``certificate`` is the file of the very certificate that the collector shows; without one, the system's authorities
    and the host name decide.
    """
    # The collector is this machine's or this network's: a proxy set for the internet is not asked.
    handlers: list[BaseHandler] = [ProxyHandler({})]
    if certificate:
        handlers.append(HTTPSHandler(context=_trusting_only(certificate)))
    opened = build_opener(*handlers)
    if token:
        opened.addheaders.append(("Authorization", f"Bearer {token}"))
    return opened


def _trusting_only(certificate: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificate)
    # It is known by its file, and is made for the name that clients elsewhere use.
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
