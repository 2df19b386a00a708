"""One exposition for all processes: what receivers have counted is added to the collector's own counts."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping

from prometheus_client import REGISTRY, CollectorRegistry, Metric
from prometheus_client.samples import Sample

_OURS = "spanledger_"
_ADD_UP = ("_total", "_bucket", "_sum", "_count")
"""How the samples of counters and histograms end; of others (ages, depths) a sum would mean nothing."""

_Key = tuple[str, tuple[tuple[str, str], ...]]
"""The name of a sample, and its labels."""
Counts = Mapping[_Key, float]


def counted() -> Counts:
    """What this process has counted so far."""
    return {
        _key(sample): sample.value
        for family in REGISTRY.collect()
        if family.name.startswith(_OURS)
        for sample in family.samples
        if sample.name.endswith(_ADD_UP)
    }


def to_bytes(counts: Counts) -> bytes:
    """The counts, to be sent to another process."""
    return json.dumps([[name, labels, value] for (name, labels), value in counts.items()]).encode()


def from_bytes(body: bytes) -> Counts:
    """What ``to_bytes`` made."""
    return {(name, tuple((label, text) for label, text in labels)): value for name, labels, value in json.loads(body)}


class SharedRegistry(CollectorRegistry):
    """The process's registry, with what receivers said last added to it; those that have ended still count."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[int, Counts] = {}

    def hear(self, process_id: int, counts: Counts) -> None:
        """Take what a receiver has counted since it began."""
        self._said[process_id] = counts

    def collect(self) -> Iterable[Metric]:
        """Every family, with the sums of all processes."""
        more: dict[_Key, float] = defaultdict(float)
        for counts in list(self._said.values()):
            for key, value in counts.items():
                more[key] += value
        for family in REGISTRY.collect():
            family.samples = [
                sample._replace(value=sample.value + more.pop(_key(sample), 0.0)) for sample in family.samples
            ]
            names = {f"{family.name}{end}" for end in _ADD_UP}
            # Under labels that this process itself has not counted under.
            for name, labels in [key for key in more if key[0] in names]:
                family.add_sample(name, dict(labels), more.pop((name, labels)))
            yield family


def _key(sample: Sample) -> _Key:
    return sample.name, tuple(sorted(sample.labels.items()))
