"""Prices changed under a running collector: a changed file, a re-pricing and its undoing, and who may ask for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from .conftest import CORPUS, Serving, run

PRICES = """
prices:
  - {{provider: openai, model: gpt-4o-mini, reason: own, cards: [{{valid_from: 2026-01-01, input: '{}', output: '1'}}]}}
"""


def costs(data: Path) -> dict[str, str]:
    """Cost of each call to gpt-4o-mini by its id."""
    answer = run("query", "calls", "--param", "model=gpt-4o-mini", "--format", "jsonl", "--data", data)
    return {row["call_id"]: row["cost_usd"] for row in map(json.loads, answer.stdout.splitlines())}


def test_a_running_collector_takes_new_prices(serve: Callable[..., Serving], tmp_path: Path) -> None:
    """Without a restart: calls are booked by the file of the moment, re-priced by a new one, and taken back."""
    prices = tmp_path / "own.yaml"
    prices.write_text(PRICES.format("0.1"))
    serving = serve(prices=str(prices))
    spans = sorted((CORPUS / "genai_openai").glob("traces-*.bin"))
    assert run("import", *spans[:2], "--data", serving.data).returncode == 0
    first = costs(serving.data)

    prices.write_text(PRICES.format("0.2"))
    assert run("prices", "reload", "--data", serving.data).returncode == 0
    assert run("import", *spans, "--data", serving.data).returncode == 0
    mixed = costs(serving.data)
    assert first == {key: mixed[key] for key in first}
    planned = run("reprice", "--since", "2026-01-01", "--dry-run", "--data", serving.data)
    assert costs(serving.data) == mixed
    done = run("reprice", "--since", "2026-01-01", "--yes", "--data", serving.data)
    assert done.stdout.startswith(planned.stdout)
    repriced = costs(serving.data)
    assert {key for key in mixed if mixed[key] != repriced[key]} == {key for key in first if first[key] != "0"}
    told = run("prices", "explain", next(iter(first)), "--data", serving.data)
    assert told.returncode == 0, told.stdout.decode()
    assert run("reprice", "--undo", "1", "--data", serving.data).returncode == 0
    assert costs(serving.data) == mixed

    prices.write_text(PRICES.format("0.3").replace("input", "inptu"))
    refused = run("prices", "reload", "--data", serving.data)
    assert b"own.yaml:3: prices[0].cards[0].inptu" in refused.stderr
    other = run("prices", "reload", "--prices", tmp_path / "other.yaml", "--data", serving.data)
    assert b"leave --prices out" in other.stderr


def test_a_page_of_another_site_cannot_reprice(serve: Callable[..., Serving]) -> None:
    """A form of another site, a wrong body and a wrong time are refused before anything is changed."""
    serving = serve()
    as_json = {"Content-Type": "application/json"}
    for headers, body, code in (
        ({"Content-Type": "text/plain"}, b"{}", 415),
        (as_json, b"[", 400),
        (as_json, b"[]", 400),
        (as_json, b'{"since": "yesterday"}', 400),
        ({**as_json, "Sec-Fetch-Site": "cross-site"}, b"{}", 403),
    ):
        with pytest.raises(HTTPError) as refused:
            urlopen(Request(f"{serving.api}/api/prices/reprice", body, headers))
        assert refused.value.code == code
    assert run("query", "repricings", "--format", "jsonl", "--data", serving.data).stdout == b""
