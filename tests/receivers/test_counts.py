"""One exposition for a collector and its receivers."""

from __future__ import annotations

from prometheus_client import REGISTRY, generate_latest

from spanledger_collector import metrics
from spanledger_collector.receivers.counts import SharedRegistry, counted, from_bytes, to_bytes


def value(registry: SharedRegistry, name: str, **labels: str) -> float | None:
    """One sample of what would be exposed."""
    return next(
        (s.value for family in registry.collect() for s in family.samples if s.name == name and s.labels == labels),
        None,
    )


def test_counts_of_all_processes_add_up() -> None:
    """Counters and histograms are sums, under labels that the collector has used itself and under others."""
    metrics.LIMITS_HIT.labels("future").inc(2)
    metrics.RECEIVE_SECONDS.labels("http").observe(0.02)
    said = from_bytes(to_bytes(counted()))
    registry = SharedRegistry()
    name, seconds = "spanledger_receiver_limits_hit_total", "spanledger_receiver_duration_seconds_count"
    own = REGISTRY.get_sample_value(name, {"limit": "future"})
    observed = REGISTRY.get_sample_value(seconds, {"transport": "http"})
    assert own
    assert observed
    registry.hear(1, said)
    registry.hear(2, {(name, (("limit", "only there"),)): 5.0})
    assert value(registry, name, limit="future") == 2 * own
    assert value(registry, name, limit="only there") == 5
    assert value(registry, seconds, transport="http") == 2 * observed
    assert b'limit="only there"} 5.0' in generate_latest(registry)


def test_what_a_receiver_said_last_holds_and_stays() -> None:
    """Counts since its begin replace each other; those of one that has ended are still part of the sum."""
    registry = SharedRegistry()
    name = "spanledger_receiver_redacted_values_total"
    own = REGISTRY.get_sample_value(name) or 0.0
    registry.hear(1, {(name, ()): 3.0})
    registry.hear(1, {(name, ()): 4.0})
    registry.hear(2, {(name, ()): 1.0})
    assert value(registry, name) == own + 5


def test_ages_and_depths_are_the_collectors_own() -> None:
    """Gauges are not told: a sum of ages would mean nothing."""
    metrics.JOURNAL_LAG_SECONDS.set_function(lambda: 3.0)
    assert not any(name.startswith("spanledger_journal_lag") for name, _ in counted())
