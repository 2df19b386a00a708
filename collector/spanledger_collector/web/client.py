"""A client of the API, for a command that finds the data directory held by a running collector."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, build_opener

from spanledger_collector.errors import (
    BadInputError,
    BadParameterError,
    SpanledgerError,
    StoreUnavailableError,
    UnknownQueryError,
)
from spanledger_collector.query.library import Column, find
from spanledger_collector.query.ports import Answer, Result

_TIMEOUT_S = 120
_ERRORS: dict[int, type[SpanledgerError]] = {400: BadParameterError, 404: UnknownQueryError}


class ApiAsker:
    """Answers questions through the API at ``url``, such as ``http://127.0.0.1:8600``."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        # The collector is this machine's or this network's: a proxy set for the internet is not asked.
        self._opener = build_opener(ProxyHandler({}))

    def ask(self, name: str, texts: Mapping[str, str]) -> Result:
        """Answer the question ``name``; errors as ``Asker.ask`` tells them.

        Raises:
            BadInputError: the collector is of another version, and answers other columns.
        """
        columns = find(name).columns
        rows = self._get(f"/api/queries/{quote(name, safe='')}?{urlencode(texts)}")
        try:
            values = [tuple(_value(column, row[column.name]) for column in columns) for row in rows]
        except KeyError as missing:
            raise BadInputError(
                f"the collector at {self._url} answers {name!r} without {missing}: "
                "it is of another version than this command; restart it"
            ) from None
        return Answer(tuple(column.name for column in columns), values)

    def _get(self, path: str) -> Any:
        try:
            with self._opener.open(self._url + path, timeout=_TIMEOUT_S) as response:
                return json.load(response)
        except HTTPError as refusal:
            raise _ERRORS.get(refusal.code, StoreUnavailableError)(_reason(refusal)) from None
        except (URLError, HTTPException, TimeoutError, ConnectionError, json.JSONDecodeError) as error:
            reason = f"the collector's API at {self._url} did not answer: {error}"
            raise StoreUnavailableError(reason) from error


def _value(column: Column, value: Any) -> Any:
    return Decimal(value) if column.unit == "USD" and value is not None else value


def _reason(refusal: HTTPError) -> str:
    try:
        return str(json.load(refusal)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the collector's API answered {refusal.code} {refusal.reason}"
