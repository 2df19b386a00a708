"""A price file over the catalogue: what it does, and what a mistake in it says."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices.data import providers

from spanledger_collector.errors import BadInputError
from spanledger_collector.price import Catalogue, Usage
from spanledger_collector.price.card import FOREVER_NS, Card
from spanledger_collector.price.compile import compile_cards
from spanledger_collector.price.leaps import accept
from spanledger_collector.price.overrides import parse_overrides

TOKENS = Usage(input_tokens=1_000_000, output_tokens=0)
OWN_PRICES = """
providers: {acme-cloud: acme, corp.azure: azure}
aliases:
  - {provider: azure, model: Prod-Chat, to: {model: gpt-4o}, from: 2026-06-01}
  - {provider: azure, model: prod-chat, to: {model: gpt-4o-mini}, from: 2026-09-01}
  - {provider: azure, model_prefix: prod-, to: {provider: azure, model: gpt-4.1}}
  - provider: aws
    model_prefix: 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc'
    to: {model: 'regional.anthropic.claude-sonnet-4-5-20250929-v1:0'}
prices:
  - provider: openai
    model: gpt-4o
    reason: negotiated
    cards:
      - {valid_from: 2026-06-01T00:00:00Z, valid_to: 2026-07-01, input: '2', output: '8', cache_write: '1'}
  - {provider: openai, model: o3, tier: flex, reason: own, cards: [{valid_from: 2026-06-01, input: '0.9', output: '3'}]}
  - {provider: vllm, model: '*', reason: self-hosted, status: not_billed}
  - {provider: vllm, model: Rented-1, reason: rented, cards: [{valid_from: 2026-01-01, input: '1', output: '1'}]}
  - provider: acme
    model: Acme-1
    reason: a model of our own
    cards:
      - valid_from: 2026-01-01T00:00:00Z
        input: '7'
        output: '9'
        bands: [{above_input_tokens: 999999, input: '14'}]
  - provider: acme
    model: night
    reason: by the hour
    cards:
      - {valid_from: 2026-01-01, input: '4', output: '8', slots: [{utc: ['00:00', '06:00'], input: '2'}]}
multipliers:
  - {provider: anthropic, factor: '0.9', reason: contract, from: 2026-06-01, to: 2026-07-01}
display:
  currency: EUR
  rates: [{from: 2026-01-01, rate: '0.92'}, {from: 2026-06-01, rate: '0.95'}]
"""


@pytest.fixture(scope="module")
def corrected(with_prices: Callable[[str], Catalogue]) -> Catalogue:
    """The catalogue under the file above."""
    return with_prices(OWN_PRICES)


def costs(catalogue: Catalogue, at_ns, provider: str, model: str, *instants: str, tier: str = "") -> list[str]:
    """Cost in US dollars of a million input tokens at each instant, or the status where there is none."""
    prices = [catalogue.price(provider, (model,), at_ns(instant), TOKENS, tier) for instant in instants]
    return [price.status if price.cost_usd is None else f"{price.cost_usd.normalize():f}" for price in prices]


def test_a_price_of_ones_own_holds_in_its_interval(corrected: Catalogue, at_ns) -> None:
    """The catalogue's card is closed where ours begins, and goes on where ours ends."""
    instants = ("2026-05-31T23:59:59", "2026-06-01", "2026-06-30T23:59:59", "2026-07-01")
    assert costs(corrected, at_ns, "openai", "gpt-4o", *instants) == ["2.5", "2", "2", "2.5"]


def test_a_tier_may_have_a_price_of_its_own(corrected: Catalogue, at_ns) -> None:
    """A negotiated flex price holds for flex calls alone."""
    assert costs(corrected, at_ns, "openai", "o3", "2026-06-01", tier="flex") == ["0.9"]
    assert costs(corrected, at_ns, "openai", "o3", "2026-06-01") == ["2"]


def test_a_self_hosted_model_is_not_billed(corrected: Catalogue, at_ns) -> None:
    """A pattern for a provider that the catalogue does not know makes its calls an explicit 0; an own price wins."""
    price = corrected.price("vllm", ("llama-3.3-70b",), at_ns("2026-06-01"), TOKENS)
    assert (price.cost_pico_usd, price.status) == (0, "not_billed")
    assert costs(corrected, at_ns, "vllm", "rented-1", "2026-06-01") == ["1"]


def test_a_model_of_our_own_has_a_price(corrected: Catalogue, at_ns) -> None:
    """A card for a provider that the catalogue lacks is found under its raw names, by band and by hour."""
    assert costs(corrected, at_ns, "acme", "acme-1", "2026-06-01", "2025-12-31") == ["14", "unknown_model"]
    below = corrected.price("Acme-Cloud", ("ACME-1",), at_ns("2026-06-01"), Usage(999_999, output_tokens=0))
    assert below.cost_usd == Decimal("6.999993")
    hours = ("2026-06-01T05:59:59", "2026-06-01T06:00:00")
    assert costs(corrected, at_ns, "acme", "night", *hours) == ["2", "4"]


def test_an_alias_holds_from_its_date(corrected: Catalogue, at_ns) -> None:
    """A deployment means another model after it was moved; an exact alias is taken before a prefix."""
    instants = ("2026-05-31", "2026-06-01", "2026-09-01")
    assert costs(corrected, at_ns, "corp.azure", "prod-chat", *instants) == ["2", "2.5", "0.15"]
    assert costs(corrected, at_ns, "azure", "azure/prod-chat", "2026-06-01") == ["2.5"]
    assert costs(corrected, at_ns, "azure", "my-prod-chat", "2026-06-01") == ["unknown_model"]


def test_an_inference_profile_has_the_price_it_was_given(corrected: Catalogue, at_ns) -> None:
    """An application inference profile says nothing of its price; an alias by prefix does."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/"
    assert costs(corrected, at_ns, "aws.bedrock", f"{arn}abc123", "2026-06-01") == ["3.3"]
    assert costs(corrected, at_ns, "aws.bedrock", f"{arn}xyz", "2026-06-01") == ["unknown_model"]


def test_a_multiplier_is_for_one_provider_and_time(corrected: Catalogue, at_ns) -> None:
    """All of a provider's prices are multiplied in the interval, those of its resellers are not."""
    instants = ("2026-05-31", "2026-06-01", "2026-07-01")
    assert costs(corrected, at_ns, "anthropic", "claude-haiku-4-5", *instants) == ["1", "0.9", "1"]
    assert costs(corrected, at_ns, "google", "claude-haiku-4-5@20251001", "2026-06-01") == ["1"]


def test_the_currency_of_display_has_dated_rates(corrected: Catalogue, catalogue: Catalogue, at_ns) -> None:
    """The rate of the day is found; before the first there is none, and none without a currency."""
    assert corrected.display is not None
    rates = [corrected.display.rate(at_ns(day)) for day in ("2025-12-31", "2026-01-01", "2026-11-20")]
    assert rates == [None, Decimal("0.92"), Decimal("0.95")]
    assert catalogue.display is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("prices: [", "own.yaml:1: this is not YAML"),
        ("- a", "own.yaml:1: expected fields at the top"),
        ("price: []", "own.yaml:1: price: there is no such field here; known are aliases"),
        ("prices:\n  - {model: m, reason: r}", "own.yaml:2: prices[0].provider: provider is missing"),
        ("prices:\n  - {provider: p, provider: q}", "own.yaml:2: this is not YAML: provider is there twice"),
        ("prices:\n  - {provider: p, model: m, reason: r}", "own.yaml:2: prices[0].status: give either cards"),
        ("prices: [{provider: p, model: m, reason: r, tier: slow, cards: [{}]}]", "there is no tier 'slow'"),
        ("CARDS [{input: '1'}]", "own.yaml:5: prices[0].cards[0].valid_from: write a time"),
        ("CARDS [{valid_from: 2026-01-01}]", "own.yaml:5: prices[0].cards[0]: the card itself must have a price"),
        ("CARDS\n  - valid_from: 2026-01-01\n    inptu: '1'", "own.yaml:7: prices[0].cards[0].inptu: there is no"),
        ("CARDS\n  - valid_from: 2026-01-01\n    input: 0.5", "own.yaml:7: prices[0].cards[0].input: 0.5 is no amount"),
        ("CARDS [{valid_from: 2026-01-01, input: '-1'}]", "input: '-1' is no amount"),
        ("CARDS [{valid_from: 2026-01-01, valid_to: 2025-01-01, input: '1'}]", "valid_to: it must come after"),
        (
            "CARDS [{valid_from: 2026-01-01, input: '1', slots: [{utc: ['04:00', '01:00'], input: '2'}]}]",
            "own.yaml:5: prices[0].cards[0].slots[0].utc: write two times",
        ),
        (
            "CARDS [{valid_from: 2026-01-01, input: '1', slots: [{utc: ['01:00', '04:00']}, {utc: ['3:00', '5:00']}]}]",
            "slots: two of them overlap",
        ),
        (
            "CARDS [{valid_from: 2026-02-01, input: '1'}, {valid_from: 2026-01-01, input: '1'}]",
            "cards: valid_from must rise",
        ),
        (
            "prices:\n- {provider: p, model: m, reason: r, cards: [{valid_from: 2026-01-01, input: '1'}]}\n"
            "- {provider: p, model: m, reason: r, cards: [{valid_from: 2026-02-01, input: '1'}]}",
            "own.yaml:3: prices[1].cards[0]: it overlaps with the card at own.yaml:2",
        ),
        ("multipliers: [{provider: p, factor: '0.9'}]", "multipliers[0].reason: reason is missing"),
        ("aliases: [{provider: p, model: m, to: x}]", "aliases[0].to: write fields"),
        ("display: {currency: EUR, rates: []}", "display.rates: give at least one rate"),
    ],
)
def test_a_mistake_is_named(text: str, complaint: str) -> None:
    """The message says the file, the line and the field, and what to write instead."""
    cards = "prices:\n- provider: p\n  model: m\n  reason: r\n  cards:"
    with pytest.raises(BadInputError) as raised:
        parse_overrides(text.replace("CARDS", cards), "own.yaml")
    assert complaint in str(raised.value)
    assert str(raised.value).startswith("own.yaml:")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file is an error with the way out, not an empty price list."""
    with pytest.raises(BadInputError, match=r"none\.yaml cannot be read.*--prices or SPANLEDGER_PRICES"):
        Catalogue.load(tmp_path / "none.yaml")


@pytest.mark.parametrize(("price", "leaps"), [("2500", True), ("1249", False), ("0.0025", True), ("0.0026", False)])
def test_a_price_a_thousand_times_off_asks(tmp_path: Path, price: str, leaps: bool) -> None:
    """Dollars per thousand or cents per million are caught; `confirmed: true` or a yes lets them pass."""
    path = tmp_path / "own.yaml"
    text = (
        "prices:\n  - provider: openai\n    model: gpt-4o\n    reason: ours{}\n"
        f"    cards: [{{valid_from: 2026-06-01, input: '{price}', output: '10'}}]\n"
    )
    path.write_text(text.replace("{}", ""))
    asked: list[str] = []

    def no(question: str) -> bool:
        asked.append(question)
        return False

    if leaps:
        with pytest.raises(BadInputError, match=r"own\.yaml:5: prices\[0\]\.cards\[0\]: .*`confirmed: true`"):
            Catalogue.load(path, confirm=no)
        assert f"input is ${price} per million, $2.5 before" in asked[0]
    Catalogue.load(path, confirm=accept if leaps else no)
    path.write_text(text.replace("{}", "\n    confirmed: true"))
    Catalogue.load(path, confirm=no)
    assert len(asked) == leaps


def test_the_version_names_all_that_counts(corrected: Catalogue, catalogue: Catalogue) -> None:
    """Two price files make two versions, one file the same in every process."""
    assert len({corrected.version, catalogue.version}) == 2
    assert Catalogue.load().version == catalogue.version
    assert catalogue.version.startswith("genai-prices ")


def test_cards_of_one_name_do_not_overlap(catalogue: Catalogue, corrected: Catalogue) -> None:
    """At any instant a (provider, model, tier) has at most one card, a whole one; an id is one set of rates."""
    for each in (catalogue, corrected):
        last: dict[tuple[str, str, str], Card] = {}
        rates: dict[str, object] = {}
        for card in each.cards():
            key = (card.provider, card.model, card.tier)
            assert card.valid_from_ns < card.valid_to_ns <= FOREVER_NS
            assert key not in last or last[key].valid_to_ns <= card.valid_from_ns
            assert len(card.rates) == len(card.bands) + 1
            assert all(len(band) == len(card.slots) + 1 for band in card.rates)
            assert rates.setdefault(card.card_id, (key, card.content())) == (key, card.content())
            last[key] = card


def test_compiling_twice_gives_the_same_cards() -> None:
    """Card ids are made of the content: the same wheel gives the same ids in every process."""
    first = [card.card_id for card in compile_cards(providers, "r")]
    assert first == [card.card_id for card in compile_cards(providers, "r")]
    assert len(first) > 2_500
