"""Raw names to canonical ones: whose model it is, and which.

Anchored, provider by provider, never by likeness: a name that is not found is unknown; there is no nearest
match, because a wrong price is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseOr,
    MatchLogic,
    ModelInfo,
    Provider,
)

from spanledger_collector.names import Names
from spanledger_collector.price.overrides import Alias, Overrides

RESOURCE_PATH = re.compile(r"(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/[^/]+/)?models/(?=.)")
BEDROCK_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:[^:]*:[^:]*:(?P<kind>[a-z-]+)/(?P<model>.+)")
# The other kinds (provisioned-model, custom-model, application-inference-profile) do not say what they cost.
PRICED_ARN_KINDS = ("inference-profile", "foundation-model")
COMPACT_DATE = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")
# What may stand before the part of a name that a rule looks for: "us.anthropic.…", "publishers/…/claude-…".
BOUNDARIES = "./:@"


class Resolver:
    """Finds canonical names; what costs time here is remembered by the caller."""

    def __init__(self, names: Names, providers: Sequence[Provider], layers: Sequence[Overrides]) -> None:
        self._names = names
        self._catalogue = {provider.id: provider for provider in providers}
        self._own_models = {(card.provider, card.model.lower()): card.model for layer in layers for card in layer.cards}
        not_billed = {rule[0] for layer in layers for rule in layer.not_billed}
        own_providers = {provider for provider, _ in self._own_models} | not_billed
        self._providers = {name: name for name in (*self._catalogue, *own_providers)} | {
            spelling: names.catalogue.get(name, name) for spelling, name in names.providers.items()
        }
        for layer in layers:
            self._providers |= layer.providers
        self._aliases: dict[str, list[Alias]] = {}
        # Among the aliases that hold, an exact one counts before a prefix, and a longer prefix before a shorter one.
        for alias in sorted(
            (alias for layer in layers for alias in layer.aliases),
            key=lambda alias: (alias.is_prefix, -len(alias.model), -alias.from_ns),
        ):
            self._aliases.setdefault(self._providers.get(alias.provider.lower(), alias.provider), []).append(alias)

    def provider(self, raw: str) -> str | None:
        """The provider's id in the catalogue; '' for a framework or nothing, None for a name that is unknown."""
        name = raw.strip().lower()
        if name in self._providers:
            return self._providers[name]
        name = self._names.provider(name)
        return self._providers.get(name) if name else ""

    def provider_of(self, raw_model: str) -> str:
        """Whose model it is when no provider is named: its prefix or its family tells, else ''."""
        head, slash, _ = raw_model.strip().lower().partition("/")
        if slash and head in self._providers:
            return self._providers[head]
        owner = self._names.provider_of(raw_model)
        return self._names.catalogue.get(owner, owner)

    def aliases(self, provider: str, raw_model: str) -> list[Alias]:
        """The aliases that an operator gave a raw model of a canonical provider, the first that holds to be taken."""
        if provider not in self._aliases:
            return []
        names = (raw_model.strip().lower(), *self.spellings(provider, raw_model))
        return [alias for alias in self._aliases[provider] if alias.meets(names)]

    def model(self, provider: str, raw_model: str) -> str | None:
        """The canonical model of a canonical provider, or None."""
        for name in self.spellings(provider, raw_model):
            own = self._own_models.get((provider, name))
            if own is not None:
                return own
            for seller in self._sellers(provider):
                found = find_model(seller, name)
                if found is not None:
                    return found.id
        return None

    def _sellers(self, provider: str) -> Iterator[Provider]:
        """The provider's own list, then those of the makers whose models it resells."""
        listed = self._catalogue.get(provider)
        if listed is not None:
            yield listed
            yield from (self._catalogue[maker] for maker in listed.fallback_model_providers or ())

    def spellings(self, provider: str, raw_model: str) -> Iterator[str]:
        """The name as given, with a dashed date, then without what repeats the provider."""
        name = raw_model.strip().lower()
        arn = BEDROCK_ARN.fullmatch(name)
        if arn:
            if provider == "aws" and arn["kind"] in PRICED_ARN_KINDS:
                yield arn["model"]
            return
        while name:
            yield name
            dashed = COMPACT_DATE.sub(r"-\1-\2-\3", name)
            if dashed != name:
                yield dashed
            head, slash, rest = name.partition("/")
            if slash and self._providers.get(head) == provider:
                name = rest
            elif provider == "google" and (path := RESOURCE_PATH.match(name)):
                name = name[path.end() :]
            else:
                return

    def tier(self, raw: str) -> str | None:
        """The canonical tier ('' is standard), or None for a name that is none."""
        return self._names.tiers.get(raw.strip().lower())


def find_model(provider: Provider, name: str) -> ModelInfo | None:
    """The first model of the provider whose rule the name meets, else the one whose id it is."""
    ruled = next((model for model in provider.models if meets(model.match, name)), None)
    return ruled or next((model for model in provider.models if model.id.lower() == name), None)


def meets(rule: MatchLogic, name: str) -> bool:
    """Whether a name (lower case) meets a rule; a part that is looked for must begin at a boundary."""
    if isinstance(rule, ClauseOr):
        return any(meets(clause, name) for clause in rule.or_)
    if isinstance(rule, ClauseAnd):
        return all(meets(clause, name) for clause in rule.and_)
    if isinstance(rule, ClauseContains):
        return _stands_in(name, name.find(rule.contains.lower()))
    if isinstance(rule, ClauseEndsWith):
        return name.endswith(rule.ends_with.lower()) and _stands_in(name, len(name) - len(rule.ends_with))
    return rule.is_match(name)


def _stands_in(name: str, start: int) -> bool:
    return start == 0 or (start > 0 and name[start - 1] in BOUNDARIES)
