"""Calls of all kinds for ledgers that are asked with and without roll-ups."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.store import Store
from spanledger_collector.merge import LedgerRow
from spanledger_collector.merge.fold import NS_PER_HOUR
from spanledger_collector.model import Call
from spanledger_collector.price import Catalogue
from spanledger_collector.price.calls import priced
from spanledger_collector.query.library import load
from spanledger_collector.query.run import StoreAsker

QUESTIONS = [name for name, query in load().items() if "rolled_period" in query.sql]
MODELS = (("openai", "gpt-4o"), ("google", "gemini-2.5-pro"), ("openai", "nobody-knows"), ("", ""))


def call(number: int, chance: random.Random, first_ns: int, length_ns: int) -> Call:
    """A call of any kind, at any time of an interval, that tells more or less."""
    kind = chance.choice(("llm", "llm", "tool", "embedding"))
    provider, model = ("", "") if kind == "tool" else chance.choice(MODELS)
    tells = kind != "tool" and chance.random() < 0.8
    input_tokens = chance.choice((10, 5_000, 250_000)) if tells and chance.random() < 0.9 else None
    failed = chance.random() < 0.2
    return Call(
        call_id=f"call-{number:04d}", kind=kind, trace_id=f"trace-{number % 50}", span_id=f"span-{number}",
        started_at_ns=first_ns + chance.randrange(length_ns), duration_ms=chance.random() * 1000,
        ttft_ms=chance.choice((None, 1.5, 20.25)), status="error" if failed else "ok",
        error_type="timeout" if failed else "", service=f"app-{number % 2}", dialect="spanledger", provider=provider,
        operation="chat", request_model=model, response_model=chance.choice(("", model)), response_id="r",
        stream=False, input_tokens=input_tokens, cache_read_tokens=chance.choice((None, 0, 4)) if tells else None,
        cache_write_tokens=chance.choice((None, 5)) if tells else None,
        cache_write_1h_tokens=None, output_tokens=chance.choice((None, 100)) if tells else None, reasoning_tokens=None,
        usage_status="reported" if tells else "missing", cost_usd=None,
        reported_cost_usd=Decimal("0.25") if chance.random() < 0.1 else None, price_status="", price_card_id="",
        service_tier="", tool_name=chance.choice(("", "search", "read")) if kind == "tool" else "", tool_call_id="",
        tool_arguments_hash=chance.choice(("", "a", "b")) if kind == "tool" else "",
        task=chance.choice(("", "", *(f"task-{n}" for n in range(12)))), agent=f"agent-{chance.randrange(4)}",
        team=f"team-{number % 3}", user=f"user-{number % 7}", session="",
    )  # fmt: skip


def write(store: Store, calls: list[Call], version: int) -> None:
    """Write priced rows as the pipeline does."""
    catalogue = Catalogue.load()
    Ledger(store).write_rows(
        [LedgerRow((one.started_at_ns // NS_PER_HOUR, one.call_id), priced(one, catalogue), version) for one in calls]
    )


def answers(store: Store, ranges: Sequence[Mapping[str, str]]) -> dict[tuple[str, int], Any]:
    """Every question that reads roll-ups, over each range."""
    asker = StoreAsker(store)
    found = {}
    for name in QUESTIONS:
        known = {parameter.name for parameter in load()[name].parameters}
        for number, texts in enumerate(ranges):
            found[name, number] = asker.ask(name, {key: text for key, text in texts.items() if key in known}).rows
    return found
