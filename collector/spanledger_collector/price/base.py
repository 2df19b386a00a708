"""The price list that everything is laid over: the installed genai-prices, or a newer ``data.json`` of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

from genai_prices.types import Provider

from spanledger_collector.errors import BadInputError
from spanledger_collector.price.compile import SOURCE, installed_release


def base_list(newer: Path | None = None) -> tuple[Sequence[Provider], str]:
    """The providers, and the name of the release: that of ``newer`` where there is such a file.

    Raises:
        BadInputError: the file is none of genai-prices'.
    """
    if newer is not None and newer.is_file():
        return read_list(newer)
    from genai_prices.data import providers

    return providers, installed_release()


def read_list(path: Path) -> tuple[Sequence[Provider], str]:
    """The providers in a genai-prices ``data.json``, and a release name made of its content.

    Raises:
        BadInputError: it cannot be read, or is no such file.
    """
    # The wheel's own reader of such files has no public name; the wheel is pinned.
    from genai_prices.types import _providers_from_raw

    try:
        content = path.read_bytes()
        providers = _providers_from_raw(json.loads(content))
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInputError(f"{path} is no data.json of genai-prices: {reason}") from None
    return providers, f"{SOURCE} {blake2b(content, digest_size=4).hexdigest()}"
