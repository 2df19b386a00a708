"""Cards, differences of price lists and worked-out costs as text for a terminal. Nothing is rounded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import click

from spanledger_collector.price.calls import REPORTED
from spanledger_collector.price.card import FOREVER_NS, KINDS, NO_RATES, NS_PER_SECOND, Card, Rates, quoted, quoted_text
from spanledger_collector.price.charge import Usage
from spanledger_collector.price.compare import Difference
from spanledger_collector.price.explain import Explanation, explain
from spanledger_collector.price.overrides import Display

_FEMTO_OF_USD_PER_MILLION = 10**9
_TOLD_IN_BRIEF = ("input", "cache_read", "output")


@dataclass(frozen=True, slots=True)
class CallPrice:
    """A row of the question ``call_usage``."""

    call_id: str
    kind: str
    started_at_ns: int
    provider: str
    request_model: str
    response_model: str
    service_tier: str
    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cache_write_1h_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    input_audio_tokens: int | None
    output_audio_tokens: int | None
    web_searches: int | None
    input_image_tokens: int | None
    output_image_tokens: int | None
    usage_status: str
    cost_usd: Decimal | None
    reported_cost_usd: Decimal | None
    price_status: str
    price_card_id: str

    @property
    def has_card(self) -> bool:
        """Whether a price card was used."""
        return self.price_card_id not in ("", REPORTED)

    @property
    def usage(self) -> Usage:
        """What was used, as ``charge`` takes it."""
        return Usage(
            self.input_tokens, self.cache_read_tokens, self.cache_write_tokens, self.cache_write_1h_tokens,
            self.output_tokens, self.reasoning_tokens, self.input_audio_tokens or 0, self.output_audio_tokens or 0,
            self.web_searches or 0, self.input_image_tokens or 0, self.output_image_tokens or 0,
        )  # fmt: skip


def write_call(call: CallPrice, cards: Sequence[Card], display: Display | None) -> bool:
    """Write what a cost is made of; whether it adds up to what is booked.

    ``cards`` are those of the row's card id: one set of rates, perhaps in several intervals.
    """
    model = call.response_model or call.request_model
    click.echo(f"call {call.call_id}  {call.provider or '-'} / {model or '-'}  {day(call.started_at_ns)}")
    click.echo(f"usage {call.usage_status}, price {call.price_status}, tier {call.service_tier or 'standard'}")
    if not call.has_card:
        click.echo(f"cost {_usd(call.cost_usd)}: {_why_no_card(call)}")
        return True
    at_ns = call.started_at_ns
    card = next((c for c in cards if c.valid_from_ns <= at_ns < c.valid_to_ns), None)
    if card is None:
        click.echo(f"cost {_usd(call.cost_usd)}: the price tables do not have card {call.price_card_id}")
        return False
    found = explain(card, at_ns, call.usage)
    click.echo(_headline(card))
    _write_lines(found)
    click.echo(f"sum {_usd(found.total_usd)}{_displayed(found.total_usd, display, at_ns)}")
    if found.total_usd == call.cost_usd:
        click.echo("which is what is booked")
        return True
    click.echo(f"but {_usd(call.cost_usd)} is booked")
    return False


def write_card(card: Card, display: Display | None, at_ns: int) -> None:
    """Write a card and its rates, by band and slot."""
    click.echo(_headline(card))
    for band, slots in enumerate(card.rates):
        for slot, rates in enumerate(slots):
            when = _when(card.bands[band - 1] if band else None, card.slots[slot - 1] if slot else 0, card)
            if when:
                click.echo(f"  {when}")
            for kind, rate in zip(KINDS, rates, strict=True):
                if rate is not None:
                    usd, units = quoted(kind, rate)
                    click.echo(f"  {kind:15}{_usd(usd):>14} {units}{_displayed(usd, display, at_ns)}")


def write_difference(difference: Difference) -> None:
    """Write one difference of two price lists on a line."""
    provider, model, tier = difference.name
    name = f"{provider}/{model}{f' ({tier})' if tier else ''}"
    click.echo(
        f"{difference.kind:10} {name} from {day(difference.from_ns)}: "
        f"{_brief(difference.old)} -> {_brief(difference.new)}"
    )


def cards_from_rates(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Card]:
    """Cards from rows of the question ``price_rates``."""
    grouped: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        record = dict(zip(columns, row, strict=True))
        grouped[record["card_id"], record["valid_from"], record["valid_to"]].append(record)
    return [_card(records) for records in grouped.values()]


def day(at_ns: int) -> str:
    """An instant as text: the day alone where it is midnight UTC."""
    if at_ns == FOREVER_NS:
        return "open"
    moment = datetime.fromtimestamp(at_ns // NS_PER_SECOND, UTC)
    midnight = at_ns % (86_400 * NS_PER_SECOND) == 0
    return f"{moment:%Y-%m-%d}" if midnight else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _card(records: list[dict[str, Any]]) -> Card:
    bands = sorted({int(r["above_input_tokens"]) for r in records} - {-1})
    slots = sorted({int(r["from_utc_second"]) for r in records} - {0})
    rates: dict[tuple[int, int, str], int] = {
        (int(r["above_input_tokens"]), int(r["from_utc_second"]), r["kind"]): int(
            r["usd_per_million"] * _FEMTO_OF_USD_PER_MILLION
        )
        for r in records
    }
    first = records[0]
    return Card(
        card_id=first["card_id"],
        provider=first["provider"],
        model=first["model"],
        tier=first["tier"],
        valid_from_ns=_ns(first["valid_from"]),
        valid_to_ns=FOREVER_NS if first["valid_to"].startswith("2299") else _ns(first["valid_to"]),
        bands=tuple(bands),
        slots=tuple(slots),
        rates=tuple(
            tuple(tuple(rates.get((band, slot, kind)) for kind in KINDS) for slot in (0, *slots))
            for band in (-1, *bands)
        ),
        source=first["source"],
        catalogue_version=first["source_version"],
    )


def _write_lines(found: Explanation) -> None:
    when = _when(found.above_input_tokens, found.from_utc_second, found.card)
    if when:
        click.echo(f"  {when}")
    for line in found.lines:
        rate = "no price" if line.rate_femto_usd is None else quoted_text(line.kind, line.rate_femto_usd)
        click.echo(f"  {line.kind:15}{line.count:>12,} x {rate:24} = {_usd(line.cost_usd)}")


def _headline(card: Card) -> str:
    return (
        f"card {card.card_id}  {card.provider} / {card.model}, tier {card.tier or 'standard'}, "
        f"{day(card.valid_from_ns)} to {day(card.valid_to_ns)}, from {card.catalogue_version}"
    )


def _when(above: int | None, from_second: int, card: Card) -> str:
    parts = [f"above {above:,} input tokens" if above is not None else ""]
    if card.slots:
        parts.append(f"from {from_second // 3600:02}:{from_second % 3600 // 60:02} UTC")
    return ", ".join(filter(None, parts))


def _why_no_card(call: CallPrice) -> str:
    if call.price_card_id == REPORTED:
        return "what the emitter reported, as no price of ours was found"
    if call.price_status == "not_billed":
        return "nothing is charged for it"
    return "there is no price; see `spanledger prices unpriced`"


def _brief(card: Card | None) -> str:
    rates: Rates = card.rates[0][0] if card else NO_RATES
    told = {kind: _usd(quoted(kind, rate)[0]) for kind, rate in zip(KINDS, rates, strict=True) if rate is not None}
    return ", ".join(f"{kind} {usd}" for kind, usd in told.items() if kind in _TOLD_IN_BRIEF) or "no price"


def _displayed(usd: Decimal, display: Display | None, at_ns: int) -> str:
    rate = display.rate(at_ns) if display else None
    if display is None or rate is None:
        return ""
    return f"  ({(usd * rate).normalize():f} {display.currency})"


def _usd(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"${amount.normalize():f}"


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()) * NS_PER_SECOND
