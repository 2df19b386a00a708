"""What the price tests share: one loaded catalogue, and instants as the code takes them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.store import Store, open_embedded
from spanledger_collector.model import Call
from spanledger_collector.price import Catalogue

FIRST_NS = 1_764_547_200_000_000_000  # 2025-12-01T00:00:00Z
LAST_NS = 1_798_761_600_000_000_000  # 2027-01-01T00:00:00Z
UNKNOWN_NAMES = (("acme-gateway", "gpt-4o"), ("openai", "my-gpt-4o"), ("", "gpt-oss-120b"), ("vllm", "llama"), ("", ""))
TIERS = ("", "", "", "default", "flex", "priority", "batch", "flexx")
EDGES = (128_000, 199_999, 200_000, 200_001, 272_000)


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """The catalogue as it ships."""
    return Catalogue.load()


@pytest.fixture(scope="session")
def with_prices(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Catalogue]:
    """A catalogue under a price file with this text."""

    def load(text: str) -> Catalogue:
        path: Path = tmp_path_factory.mktemp("prices") / "own.yaml"
        path.write_text(text)
        return Catalogue.load(path)

    return load


@pytest.fixture(scope="session")
def at_ns() -> Callable[[str], int]:
    """ISO 8601 to nanoseconds since the epoch; a time without a zone is UTC."""

    def convert(text: str) -> int:
        instant = datetime.fromisoformat(text)
        return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()) * 1_000_000_000

    return convert


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A migrated embedded store, one a module, as chDB takes one directory at a time."""
    store = open_embedded(tmp_path_factory.mktemp("store"))
    try:
        migrate(store)
        yield store
    finally:
        store.close()


@pytest.fixture
def store(embedded: Store) -> Store:
    """The module's store with empty tables."""
    for table in (
        "calls",
        "facts",
        "price_card",
        "price_rate",
        "price_alias",
        "repricing",
        "repriced_call",
        "display_rate",
    ):
        embedded.command(f"TRUNCATE TABLE {table}")
    return embedded


@pytest.fixture(scope="session")
def random_calls(catalogue: Catalogue) -> Callable[[int, int], list[Call]]:
    """``random_calls(count, seed)``: calls of all models and tiers, with counts that are missing, odd or impossible."""
    names = sorted({(card.provider, card.model) for card in catalogue.cards()})

    def generate(count: int, seed: int) -> list[Call]:
        rng = random.Random(seed)
        some = rng.sample(names, 400)
        return [random_call(rng, some, number) for number in range(count)]

    return generate


def random_call(rng: random.Random, names: list[tuple[str, str]], number: int) -> Call:
    """One call without a price."""
    provider, model = rng.choice(UNKNOWN_NAMES) if rng.random() < 0.05 else rng.choice(names)
    total = rng.choice(EDGES) if rng.random() < 0.2 else int(10 ** rng.uniform(0, 6))
    output = int(10 ** rng.uniform(0, 5))

    def maybe(count: int, often: float = 0.5) -> int | None:
        return rng.randint(0, count) if rng.random() < often else rng.choice((None, 0))

    write = maybe(total // 3)
    counts: dict[str, int | None] = {
        "input_tokens": total if rng.random() < 0.95 else None,
        "cache_read_tokens": maybe(total // 2),
        "cache_write_tokens": write,
        "cache_write_1h_tokens": maybe(write or 0, 0.3),
        "output_tokens": output if rng.random() < 0.95 else None,
        "reasoning_tokens": maybe(output // 2),
        "input_audio_tokens": maybe(total // 4, 0.1),
        "input_image_tokens": maybe(total // 4, 0.1),
        "output_audio_tokens": maybe(output // 4, 0.1),
        "output_image_tokens": maybe(output // 4, 0.1),
        "web_searches": maybe(5, 0.1),
    }
    strange = rng.random()
    if strange < 0.03:
        counts = dict.fromkeys(counts)
    elif strange < 0.06:
        counts["cache_read_tokens"] = total + 1
    elif strange < 0.07:
        counts["input_tokens"] = 1 << 39
    failed = rng.random() < 0.1
    told = any(value is not None for value in counts.values())
    return Call(
        call_id=f"{rng.getrandbits(128):032x}",
        kind=rng.choice(("llm", "llm", "llm", "embedding", "tool")),
        trace_id="t",
        span_id=f"{number:016x}",
        started_at_ns=rng.randrange(FIRST_NS, LAST_NS),
        duration_ms=1.0,
        ttft_ms=rng.choice((None, 3.5)),
        status="error" if failed else "ok",
        error_type="",
        service="",
        dialect="",
        provider=provider,
        operation="chat",
        request_model=model,
        response_model=rng.choice(("", model, "some-deployment")),
        response_id="" if failed else "r",
        stream=False,
        usage_status=rng.choice(("reported", "estimated")) if told else "missing",
        cost_usd=None,
        reported_cost_usd=Decimal(rng.randrange(1, 10**9)).scaleb(-12) if rng.random() < 0.3 else None,
        price_status="",
        price_card_id="",
        service_tier=rng.choice(TIERS),
        tool_name="",
        tool_call_id="",
        tool_arguments_hash="",
        task=rng.choice(("T-1", "T-2")),
        agent=rng.choice(("coder", "reviewer")),
        team="platform",
        user="",
        session="",
        **counts,
    )
