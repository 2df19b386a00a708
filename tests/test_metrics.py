"""The collector's own metrics: each is documented, and a running pipeline counts what it does."""

import re
from pathlib import Path

from prometheus_client import REGISTRY

from spanledger_collector import metrics
from spanledger_collector.receive.limits import MEANINGS
from spanledger_collector.receive.otlp_protobuf import parse_protobuf
from spanledger_collector.testing import MemoryCollector

ROOT = Path(__file__).parents[1]


def exposed() -> set[str]:
    """The names that Prometheus sees, without the parts of histograms."""
    assert metrics.RECEIVED
    return {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in REGISTRY.collect()
        if family.name.startswith("spanledger_")
    }


def test_every_metric_is_documented_and_every_documented_one_exists() -> None:
    """docs/metrics.md and the registry name the same metrics, and each limit that is counted."""
    text = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    assert set(re.findall(r"`(spanledger_\w+)`(?! here)", text)) == exposed()
    assert all(f"`{limit}`" in text for limit in MEANINGS)


def test_the_pipeline_counts_what_it_wrote() -> None:
    """Spans, written calls and merged copies are counted as they come; what was there already writes no call."""
    names = ("processed_spans", "written_calls", "merged_duplicates")

    def values() -> list[float]:
        return [REGISTRY.get_sample_value(f"spanledger_pipeline_{name}_total") or 0.0 for name in names]

    body = (ROOT / "tests" / "corpus" / "genai_openai" / "traces-001.bin").read_bytes()
    collector = MemoryCollector()
    before = values()
    for calls in (len, lambda _: 0):
        collector.send(parse_protobuf("traces", body))
        spans, written, merged = (after - earlier for after, earlier in zip(values(), before, strict=True))
        assert (spans, written, merged) == (2, calls(collector.calls()), 0)
        before = values()
