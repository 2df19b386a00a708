"""A client of the API, for a command that finds the data directory held by a running collector."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request

from spanledger_collector.access import ForbiddenError, UnauthenticatedError
from spanledger_collector.errors import (
    BadInputError,
    BadParameterError,
    SpanledgerError,
    StoreUnavailableError,
    UnknownQueryError,
)
from spanledger_collector.price.desk import Loaded
from spanledger_collector.price.reprice import ModelTotal, Repricing
from spanledger_collector.query.library import Column, find
from spanledger_collector.query.ports import Answer, Result
from spanledger_collector.web.connection import opener

_TIMEOUT_S = 120
_REPRICING_TIMEOUT_S = 4 * 3600
_ERRORS: dict[int, type[SpanledgerError]] = {
    400: BadParameterError,
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: UnknownQueryError,
}


class _Api:
    """The API at ``url``, such as ``http://127.0.0.1:8600``."""

    def __init__(self, url: str, *, token: str = "", certificate: str = "") -> None:
        """``certificate`` is the file of the one that the collector announced, as ``connection.opener`` takes it."""
        self._url = url.rstrip("/")
        self._opener = opener(token, certificate)

    def _open(self, request: str | Request, timeout_s: float = _TIMEOUT_S) -> Any:
        try:
            with self._opener.open(request, timeout=timeout_s) as response:
                return json.load(response)
        except HTTPError as refusal:
            hint = "; commands take their token from SPANLEDGER_TOKEN" if refusal.code in (401, 403) else ""
            raise _ERRORS.get(refusal.code, StoreUnavailableError)(_reason(refusal) + hint) from None
        except (URLError, HTTPException, TimeoutError, ConnectionError, json.JSONDecodeError) as error:
            reason = f"the collector's API at {self._url} did not answer: {error}"
            raise StoreUnavailableError(reason) from error


class ApiAsker(_Api):
    """Answers questions through the API."""

    def ask(self, name: str, texts: Mapping[str, str]) -> Result:
        """Answer the question ``name``; errors as ``Asker.ask`` tells them.

        Raises:
            BadInputError: the collector is of another version, and answers other columns.
        """
        columns = find(name).columns
        rows = self._open(f"{self._url}/api/queries/{quote(name, safe='')}?{urlencode(texts)}")
        try:
            values = [tuple(_value(column, row[column.name]) for column in columns) for row in rows]
        except KeyError as missing:
            raise BadInputError(
                f"the collector at {self._url} answers {name!r} without {missing}: "
                "it is of another version than this command; restart it"
            ) from None
        return Answer(tuple(column.name for column in columns), values)


class ApiStatus(_Api):
    """The state of the collector and its store."""

    def status(self) -> dict[str, Any]:
        """What ``GET /api/status`` answers: ``export.status.status_of``, and what waits."""
        return dict(self._open(f"{self._url}/api/status"))


class ApiPriceDesk(_Api):
    """``price.desk.PriceDesk`` in the running collector; see there for what is returned."""

    def price_file(self) -> str:
        """The operator's file that the collector prices by, '' where there is none."""
        return Loaded(**self._post("status", {})).prices

    def reload(self, *, yes: bool = False) -> Loaded:
        """Have new calls priced by what the collector's price files have now."""
        return Loaded(**self._post("reload", {"yes": yes}))

    def plan(self, since: str | None, until: str | None, *, yes: bool = False) -> list[ModelTotal]:
        """What re-pricing would change; times as a user writes them."""
        totals = self._post("plan", {"since": since, "until": until, "yes": yes})
        return [ModelTotal(**_with_money(total)) for total in totals]

    def reprice(self, since: str | None, until: str | None, *, yes: bool = False) -> Repricing:
        """Re-price the interval."""
        return Repricing(**_with_money(self._post("reprice", {"since": since, "until": until, "yes": yes})))

    def undo(self, repricing_id: int) -> Repricing:
        """Take a re-pricing back."""
        return Repricing(**_with_money(self._post("undo", {"repricing_id": repricing_id})))

    def _post(self, what: str, body: Mapping[str, Any]) -> Any:
        url = f"{self._url}/api/prices/{what}"
        headers = {"Content-Type": "application/json"}
        # The address is the collector's own announcement; a large ledger takes its time.
        return self._open(Request(url, json.dumps(body).encode(), headers), _REPRICING_TIMEOUT_S)  # noqa: S310


def _with_money(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: Decimal(value) if key.endswith("_usd") and value is not None else value for key, value in record.items()
    }


def _value(column: Column, value: Any) -> Any:
    return Decimal(value) if column.unit == "USD" and value is not None else value


def _reason(refusal: HTTPError) -> str:
    try:
        return str(json.load(refusal)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the collector's API answered {refusal.code} {refusal.reason}"
