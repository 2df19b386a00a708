"""Who is meant by a provider's or a tier's name: ``schemas/names.yaml``, read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

NAMES_FILE = "names.yaml"


@dataclass(frozen=True, slots=True)
class Names:
    """The tables of ``names.yaml``; every key is lower case."""

    providers: Mapping[str, str]
    """From every spelling to the canonical name."""
    catalogue: Mapping[str, str]
    """From a canonical name to the provider's id in the price catalogue, where it is another."""
    interfaces: frozenset[str]
    not_providers: frozenset[str]
    families: tuple[tuple[re.Pattern[str], str], ...]
    tiers: Mapping[str, str]

    def provider(self, raw: str) -> str:
        """The canonical provider; '' for a framework or nothing. A name nobody knows is kept, in lower case."""
        name = raw.strip().lower()
        if name in self.not_providers:
            return ""
        head, _, interface = name.rpartition(".")
        if interface in self.interfaces:
            name = head
        return self.providers.get(name, name)

    def provider_of(self, raw_model: str) -> str:
        """The canonical provider of a model when none is named: its prefix or its family tells, else ''."""
        name = raw_model.strip().lower()
        head, slash, _ = name.partition("/")
        if slash and head in self.providers:
            return self.providers[head]
        return next((owner for form, owner in self.families if form.match(name)), "")


@cache
def shipped_names() -> Names:
    """The tables that come with us."""
    return read_names(yaml.safe_load(files("spanledger_schemas").joinpath(NAMES_FILE).read_text(encoding="utf-8")))


def read_names(content: Mapping[str, Any]) -> Names:
    """The tables of a names file."""
    providers: Mapping[str, Mapping[str, Any]] = content["providers"]
    return Names(
        providers=_spellings({name: known.get("spellings", []) for name, known in providers.items()}),
        catalogue={name: known["catalogue"] for name, known in providers.items() if "catalogue" in known},
        interfaces=frozenset(content["interfaces"]),
        not_providers=frozenset(content["not_providers"]),
        families=tuple((re.compile(family["name"]), family["provider"]) for family in content["families"]),
        tiers=_spellings(content["tiers"]),
    )


def _spellings(table: Mapping[str, list[str]]) -> dict[str, str]:
    return {spelling: canonical for canonical, others in table.items() for spelling in (canonical, *others)}
