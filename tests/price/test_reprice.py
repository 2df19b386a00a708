"""Re-pricing: SQL agrees with Python, only what should change changes, and all of it can be undone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from spanledger_collector.errors import BadParameterError
from spanledger_collector.export.ledger import Ledger
from spanledger_collector.export.store import Store
from spanledger_collector.merge import LedgerRow
from spanledger_collector.merge.fold import NS_PER_HOUR
from spanledger_collector.model import CALL_FIELDS, Call
from spanledger_collector.price import Catalogue
from spanledger_collector.price.calls import priced
from spanledger_collector.price.reprice import Interval, Repricer

NS_PER_DAY = 86_400_000_000_000
EVER = Interval("1970-01-01 00:00:00.000000000", "2262-01-01 00:00:00.000000000")
SUMMER = Interval("2026-06-01 00:00:00.000000000", "2026-09-01 00:00:00.000000000")
SUMMER_NS = (1_780_272_000_000_000_000, 1_788_220_800_000_000_000)
OWN_PRICES = """
aliases: [{provider: openai, model: my-gpt-4o, to: {model: gpt-4o}, from: 2026-05-01}]
prices:
  - {provider: openai, model: gpt-4o, reason: negotiated, cards: [{valid_from: 2026-06-01, input: '2', output: '8'}]}
  - {provider: vllm, model: '*', reason: self-hosted, status: not_billed}
multipliers: [{provider: anthropic, factor: '0.917', reason: contract, from: 2026-07-01}]
"""
COLUMNS = ", ".join(
    f"toUnixTimestamp64Nano({name.removesuffix('_ns')})" if name.endswith("_ns") else name for name in CALL_FIELDS
)


@pytest.fixture(scope="module")
def negotiated(with_prices: Callable[[str], Catalogue]) -> Catalogue:
    """The catalogue under the price file above."""
    return with_prices(OWN_PRICES)


def write(store: Store, calls: Sequence[Call], version: int = 1) -> None:
    """Put rows into the ledger, made of as many facts as ``version`` says."""
    Ledger(store).write_rows(
        [LedgerRow((call.started_at_ns // NS_PER_HOUR, call.call_id), call, version) for call in calls]
    )


def stored(store: Store) -> dict[str, Call]:
    """The rows of the ledger by id."""
    return {row[0]: Call(*row) for row in store.query(f"SELECT {COLUMNS} FROM calls FINAL").rows}


def by_id(calls: Sequence[Call], catalogue: Catalogue) -> dict[str, Call]:
    """The calls as Python prices them."""
    return {call.call_id: priced(call, catalogue) for call in calls}


def differing(one: dict[str, Call], other: dict[str, Call]) -> list[tuple[Call, Call]]:
    """Pairs that are not equal."""
    assert one.keys() == other.keys()
    return [(one[key], other[key]) for key in one if one[key] != other[key]]


def check_agreement(store: Store, calls: Sequence[Call], catalogue: Catalogue) -> None:
    """SQL gives each unpriced row the very figures of Python."""
    write(store, calls)
    Repricer(store, catalogue, calls_per_portion=20_000).commit(EVER)
    expected = {call.call_id: call if call.kind == "tool" else priced(call, catalogue) for call in calls}
    assert differing(stored(store), expected) == []
    statuses = {call.price_status for call in expected.values()}
    assert statuses >= {
        "priced", "partial", "tier_fallback", "estimated_tokens", "not_billed", "unknown_model", "unknown_provider",
        "no_usage", "bad_usage",
    }  # fmt: skip
    assert any(call.price_card_id == "reported" for call in expected.values())


def test_sql_and_python_agree_to_the_pico_dollar(
    store: Store, random_calls: Callable[[int, int], list[Call]], negotiated: Catalogue
) -> None:
    """50,000 random calls of all models, tiers and dates: cost, status and card are the same, row for row."""
    check_agreement(store, random_calls(50_000, 4), negotiated)


@pytest.mark.slow
def test_sql_and_python_agree_on_many(
    store: Store, random_calls: Callable[[int, int], list[Call]], negotiated: Catalogue
) -> None:
    """The same with 200,000 calls."""
    check_agreement(store, random_calls(200_000, 5), negotiated)


def test_an_override_changes_what_it_should_and_undo_restores(
    store: Store, random_calls: Callable[[int, int], list[Call]], catalogue: Catalogue, negotiated: Catalogue
) -> None:
    """Exactly the rows that Python prices otherwise change; the plan foretells it; twice is nothing; undo restores."""
    calls = random_calls(8_000, 6)
    before, after = by_id(calls, catalogue), by_id(calls, negotiated)
    write(store, list(before.values()))
    first, last = SUMMER_NS
    expected = {key: after[key] if first <= call.started_at_ns < last else call for key, call in before.items()}
    changed = differing(before, expected)
    assert 20 < len(changed) < 2_000

    repricer = Repricer(store, negotiated, calls_per_portion=2_000)
    totals = repricer.plan(SUMMER)
    assert stored(store) == before
    assert sum(total.changed_calls for total in totals) == len(changed)
    done = repricer.commit(SUMMER)
    assert stored(store) == expected
    assert (done.repricing_id, done.changed_calls) == (1, len(changed))
    billed = [call for call in expected.values() if call.kind != "tool" and first <= call.started_at_ns < last]
    assert sum(total.new_cost_usd or 0 for total in totals) == sum(call.cost_usd or 0 for call in billed)
    assert sum(total.new_unpriced_calls for total in totals) == sum(call.cost_usd is None for call in billed)

    assert repricer.commit(SUMMER).changed_calls == 0
    total = {row[0]: row[1] for row in store.query("SELECT agent, sum(cost_usd) FROM calls FINAL GROUP BY agent").rows}
    for agent, cost_usd in total.items():
        assert cost_usd == sum(call.cost_usd or 0 for call in expected.values() if call.agent == agent)
    undone = repricer.undo(1)
    assert stored(store) == before
    assert (undone.changed_calls, undone.left_calls) == (len(changed), 0)
    assert (undone.new_cost_usd, undone.old_cost_usd) == (done.old_cost_usd, done.new_cost_usd)
    audit = store.query("SELECT repricing_id, undoes, changed_calls, complete FROM repricing FINAL ORDER BY ALL").rows
    assert audit == [(1, 0, len(changed), True), (2, 0, 0, True), (3, 1, len(changed), True)]
    repricer.undo(3)
    assert stored(store) == expected


def test_a_merge_after_a_repricing_stands(store: Store, catalogue: Catalogue, negotiated: Catalogue, call) -> None:
    """A row with more facts beats a re-priced one, and undo leaves it alone; a replay of the old row does not."""
    poor = call(output_tokens=10)
    rich = poor._replace(output_tokens=20)
    write(store, [priced(poor, catalogue)])
    repricer = Repricer(store, negotiated)
    done = repricer.commit(EVER)
    assert stored(store)[poor.call_id] == priced(poor, negotiated)
    write(store, [priced(poor, catalogue)])
    assert stored(store)[poor.call_id] == priced(poor, negotiated)
    write(store, [priced(rich, negotiated)], version=2)
    undone = repricer.undo(done.repricing_id)
    assert (undone.changed_calls, undone.left_calls) == (0, 1)
    assert stored(store)[poor.call_id] == priced(rich, negotiated)


def test_calls_are_taken_while_it_runs(
    store: Store, random_calls: Callable[[int, int], list[Call]], catalogue: Catalogue, negotiated: Catalogue
) -> None:
    """Rows that arrive between the portions are written at once, and stand as they were priced."""
    calls = random_calls(3_000, 8)
    early, late = calls[:1_500], [priced(call, negotiated) for call in calls[1_500:]]
    write(store, [priced(call, catalogue) for call in early])
    thread = threading.Thread(target=Repricer(store, negotiated, calls_per_portion=100).commit, args=(EVER,))
    thread.start()
    meanwhile = 0
    for call in late:
        if not thread.is_alive():
            break
        write(store, [call])
        meanwhile += 1
    thread.join()
    assert meanwhile > 10
    assert stored(store) == by_id([*early, *late[:meanwhile]], negotiated)


def test_what_an_emitter_reports_is_taken_where_we_have_no_price(catalogue: Catalogue, call) -> None:
    """The reported cost fills a gap, marked as such; our own price always counts, and a reported 0 is never kept."""
    reported = Decimal("0.0123")
    unknown = priced(call(request_model="house", reported_cost_usd=reported), catalogue)
    assert (unknown.cost_usd, unknown.price_status, unknown.price_card_id) == (reported, "unknown_model", "reported")
    ours = priced(call(reported_cost_usd=reported), catalogue)
    assert (ours.cost_usd, ours.price_status) == (Decimal("0.0026"), "priced")
    silent = priced(call(request_model="house"), catalogue)
    assert (silent.cost_usd, silent.price_card_id) == (None, "")


def test_an_estimate_is_marked(catalogue: Catalogue, call) -> None:
    """Estimated tokens have a cost and a status of their own."""
    row = priced(call(usage_status="estimated"), catalogue)
    assert (row.cost_usd, row.price_status) == (Decimal("0.0026"), "estimated_tokens")


def test_the_history_of_prices_is_kept(store: Store, catalogue: Catalogue, negotiated: Catalogue, call) -> None:
    """Both catalogue versions stay in the tables with when they were recorded; recording again adds nothing."""
    write(store, [priced(call(), catalogue)])
    for each in (catalogue, negotiated, catalogue):
        Repricer(store, each).plan(EVER)
    cards = store.query("SELECT catalogue_version, count() FROM price_card FINAL GROUP BY ALL").rows
    assert dict(cards) == {each.version: len(list(each.cards())) for each in (catalogue, negotiated)}
    assert store.query("SELECT count() FROM price_alias WHERE price_status = 'priced' AND card_id = ''").rows == [(0,)]


def test_an_unknown_repricing_is_named(store: Store, catalogue: Catalogue) -> None:
    """Undoing what never was says how to find what was."""
    with pytest.raises(BadParameterError, match=r"no re-pricing 7.*repricings"):
        Repricer(store, catalogue).undo(7)


@pytest.fixture
def call(random_calls: Callable[[int, int], list[Call]]) -> Callable[..., Call]:
    """A plain call to gpt-4o in July 2026, 1,000 tokens in and 10 out, with other fields as given."""
    plain = next(each for each in random_calls(100, 1) if each.kind == "llm" and each.status == "ok")
    counts: dict[str, Any] = {name: None for name in CALL_FIELDS if name.endswith("_tokens") or name == "web_searches"}

    def make(**fields: Any) -> Call:
        told = {
            "provider": "openai", "request_model": "gpt-4o", "response_model": "", "service_tier": "", "ttft_ms": None,
            "started_at_ns": SUMMER_NS[0] + 40 * NS_PER_DAY, "usage_status": "reported", "reported_cost_usd": None,
            "input_tokens": 1000, "output_tokens": 10,
        }  # fmt: skip
        return plain._replace(**{**counts, **told, **fields})

    return make
