"""The HTTP clients whose traffic is read."""

from __future__ import annotations

from spanledger.patching import Patching
from spanledger.wire import aiohttp, httpx, urllib3

CLIENTS = Patching((*httpx.PATCHES, *urllib3.PATCHES, *aiohttp.PATCHES))
