"""Who is meant by a provider's or a tier's name: ``schemas/prices/names.yaml``, read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

NAMES_FILE = "names.yaml"


@dataclass(frozen=True, slots=True)
class Names:
    """The tables of ``names.yaml``; every key is lower case."""

    providers: Mapping[str, str]
    interfaces: frozenset[str]
    not_providers: frozenset[str]
    families: tuple[tuple[re.Pattern[str], str], ...]
    tiers: Mapping[str, str]


def shipped_names() -> Mapping[str, Any]:
    """The content of ``names.yaml``."""
    text = files("spanledger_schemas").joinpath("prices", NAMES_FILE).read_text(encoding="utf-8")
    content: Mapping[str, Any] = yaml.safe_load(text)
    return content


def read_names(content: Mapping[str, Any]) -> Names:
    """The tables of a names file."""
    return Names(
        providers=_spellings(content["providers"]),
        interfaces=frozenset(content["interfaces"]),
        not_providers=frozenset(content["not_providers"]),
        families=tuple((re.compile(family["name"]), family["provider"]) for family in content["families"]),
        tiers=_spellings(content["tiers"]),
    )


def _spellings(table: Mapping[str, list[str]]) -> dict[str, str]:
    return {spelling: canonical for canonical, others in table.items() for spelling in (canonical, *others)}
