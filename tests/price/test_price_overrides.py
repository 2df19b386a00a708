"""Corrections over the catalogue: what they do, and what a mistake in them says."""

from __future__ import annotations

import pytest
import yaml
from genai_prices.data import providers

from spanledger_collector.errors import BadInputError
from spanledger_collector.price import Catalogue, Usage
from spanledger_collector.price.card import FOREVER_NS, Card
from spanledger_collector.price.compile import compile_cards
from spanledger_collector.price.names import Resolver
from spanledger_collector.price.rules import NAMES_FILE, read_corrections, read_names, shipped

TOKENS = Usage(input_tokens=1_000_000, output_tokens=0)
OWN_PRICES = """
prices:
  - provider: openai
    model: gpt-4o
    reason: negotiated
    cards:
      - {valid_from: 2026-06-01T00:00:00Z, input: '2', output: '8', cache_write: '1'}
  - {provider: vllm, model: '*', reason: self-hosted, status: not_billed}
  - provider: acme
    model: Acme-1
    reason: a model of our own
    cards:
      - {valid_from: 2026-01-01T00:00:00Z, input: '7'}
"""


@pytest.fixture(scope="module")
def corrected() -> Catalogue:
    """The catalogue under the corrections above."""
    corrections = read_corrections(yaml.safe_load(OWN_PRICES), "own.yaml")
    resolver = Resolver(read_names(shipped(NAMES_FILE)), providers, corrections)
    return Catalogue(compile_cards(providers), resolver, corrections)


def test_a_correction_holds_from_its_date(corrected: Catalogue, at_ns) -> None:
    """The catalogue's card is closed where ours begins."""
    model = ("gpt-4o",)
    before = corrected.price("openai", model, at_ns("2026-06-01") - 1, TOKENS)
    after = corrected.price("openai", model, at_ns("2026-06-01"), TOKENS)
    assert (before.cost_pico_usd, after.cost_pico_usd) == (2_500_000_000_000, 2_000_000_000_000)


def test_a_self_hosted_model_is_not_billed(corrected: Catalogue, at_ns) -> None:
    """A rule for a provider that the catalogue does not know makes its calls an explicit 0."""
    price = corrected.price("vllm", ("llama-3.3-70b",), at_ns("2026-06-01"), TOKENS)
    assert (price.cost_pico_usd, price.status) == (0, "not_billed")


def test_a_model_of_our_own_has_a_price(corrected: Catalogue, at_ns) -> None:
    """A card for a provider and model that the catalogue lacks is found, whatever the case of the name."""
    price = corrected.price("acme", ("acme-1",), at_ns("2026-06-01"), TOKENS)
    assert (price.cost_pico_usd, price.status) == (7_000_000_000_000, "priced")
    assert corrected.price("acme", ("acme-1",), at_ns("2025-12-31"), TOKENS).status == "unknown_model"


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("{model: m, reason: r}", "prices[0]: provider is missing"),
        ("{provider: p, model: m, reason: r}", "prices[0] (p/m): give either cards"),
        ("{provider: p, model: m, reason: r, cards: [{input: '1'}]}", "cards[0]: valid_from must be"),
        (
            "{provider: p, model: m, reason: r, cards: [{valid_from: 2026-01-01T00:00:00Z, inptu: '1'}]}",
            "cards[0]: inptu is no field of a price",
        ),
        (
            "{provider: p, model: m, reason: r, cards: [{valid_from: 2026-01-01T00:00:00Z, input: 0.5}]}",
            "cards[0]: input: 0.5 is no price",
        ),
        (
            "{provider: p, model: m, reason: r, cards: [{valid_from: 2026-01-01T00:00:00Z, input: '-1'}]}",
            "cards[0]: input: '-1' is no price",
        ),
        (
            "{provider: p, model: m, reason: r, cards: [{valid_from: 2026-01-01T00:00:00Z, input: '1', "
            "slots: [{utc: ['04:00', '01:00'], input: '2'}]}]}",
            "cards[0]: slots[0]: utc must be",
        ),
        (
            "{provider: p, model: m, reason: r, cards: [{valid_from: 2026-02-01T00:00:00Z, input: '1'}, "
            "{valid_from: 2026-01-01T00:00:00Z, input: '1'}]}",
            "valid_from must rise",
        ),
    ],
)
def test_a_mistake_is_named(entry: str, complaint: str) -> None:
    """The message says the file, the entry and the field."""
    with pytest.raises(BadInputError) as raised:
        read_corrections({"prices": [yaml.safe_load(entry)]}, "own.yaml")
    assert str(raised.value).startswith("own.yaml: ")
    assert complaint in str(raised.value)


def test_cards_of_one_name_do_not_overlap(catalogue: Catalogue) -> None:
    """At any instant a (provider, model, tier) has at most one card, a whole one, with an id of its own."""
    last: dict[tuple[str, str, str], Card] = {}
    ids = set()
    for card in catalogue.cards():
        key = (card.provider, card.model, card.tier)
        assert card.valid_from_ns < card.valid_to_ns <= FOREVER_NS
        assert key not in last or last[key].valid_to_ns <= card.valid_from_ns
        assert len(card.rates) == len(card.bands) + 1
        assert all(len(band) == len(card.slots) + 1 for band in card.rates)
        last[key] = card
        ids.add(card.card_id)
    assert len(ids) == len(list(catalogue.cards()))


def test_compiling_twice_gives_the_same_cards() -> None:
    """Card ids are made of the content: the same wheel gives the same ids in every process."""
    first = [card.card_id for card in compile_cards(providers)]
    assert first == [card.card_id for card in compile_cards(providers)]
    assert len(first) > 2_500
