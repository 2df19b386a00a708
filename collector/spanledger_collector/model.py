"""The records that pass between the stages: a span, what it says of a call (a fact), and the ledger's row (a call).

Every token count follows one convention, whatever the emitter's was: ``input_tokens`` is the TOTAL with cache reads
and writes included, ``output_tokens`` is the TOTAL with reasoning included, the others are parts of these;
``web_searches`` alone counts searches.
``None`` means unknown, which is not zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple

Attributes = dict[str, Any]
"""Attribute values as OTLP carries them: str, bool, int, float, bytes, list, dict or None."""

Kind = Literal["llm", "embedding", "tool", "agent", "context"]
"""What a span is to the ledger: ``llm`` and ``embedding`` are billed, ``tool`` is counted, ``agent`` is a wrapper
(agent, chain, workflow, turn) that repeats what happened below it, ``context`` only says whom the calls below are
for, or links them to their ancestors."""

REPRICING_BITS = 20
"""The lower bits of the version of a stored row name the re-pricing that wrote it, 0 for the pipeline. The upper ones
count the facts it was made from: a re-priced row replaces the former, a later merge with more facts replaces both."""

Status = Literal["ok", "error"]
UsageStatus = Literal["reported", "estimated", "missing"]


@dataclass(slots=True)
class Resource:
    """Who emitted the spans: the OTLP resource, with the two names everybody asks for."""

    attributes: Attributes = field(default_factory=dict)
    service: str = field(init=False)
    """``service.name``, or an empty string."""
    instance: str = field(init=False)
    """``service.instance.id``: tells two processes of one service apart."""

    def __post_init__(self) -> None:
        self.service = str(self.attributes.get("service.name") or "")
        self.instance = str(self.attributes.get("service.instance.id") or "")


@dataclass(slots=True)
class Event:
    """A span event; ``time_ns`` is nanoseconds since the epoch."""

    name: str
    time_ns: int
    attributes: Attributes


@dataclass(slots=True)
class Link:
    """A span link."""

    trace_id: str
    span_id: str
    trace_state: str
    attributes: Attributes


@dataclass(slots=True)
class Span:
    """One span as received. Ids are lower-case hex ('' for no parent), times are nanoseconds since the epoch.

    ``kind`` and ``status_code`` are the numbers of the OTLP enums (kind 3 = CLIENT, status 1 = OK, 2 = ERROR).
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: int
    start_ns: int
    end_ns: int
    status_code: int
    status_message: str
    trace_state: str
    attributes: Attributes
    events: list[Event]
    links: list[Link]
    scope_name: str
    scope_version: str
    resource: Resource


class Fact(NamedTuple):
    """What one span says, in the ledger's terms; copies of a call are several facts.

    Facts are kept beside the ledger, so that the ledger is at any time a function of the set of facts seen: order,
    grouping and repetition of their arrival cannot change it.

    A named tuple, as are calls: of every span one is made, and a frozen dataclass takes many times as long to make.
    """

    trace_id: str
    span_id: str
    parent_span_id: str = ""
    started_at_ns: int = 0
    ended_at_ns: int = 0
    service: str = ""
    instance: str = ""
    scope: str = ""
    dialect: str = ""
    trust: int = 0
    """How far the dialect's token counts are believed when copies of a call differ; more is better."""
    kind: Kind = "context"
    operation: str = ""
    provider: str = ""
    request_model: str = ""
    response_model: str = ""
    response_id: str = ""
    service_tier: str = ""
    stream: bool = False
    status: Status = "ok"
    error_type: str = ""
    ttft_ms: float | None = None
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    usage_estimated: bool = False
    reported_cost_usd: Decimal | None = None
    tool_name: str = ""
    tool_call_id: str = ""
    tool_arguments_hash: str = ""
    task: str = ""
    agent: str = ""
    team: str = ""
    user: str = ""
    session: str = ""
    unread_usage_attributes: str = ""
    """Comma-separated names of attributes that look like token counts or costs and that no dialect reads."""
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    output_image_tokens: int | None = None
    web_searches: int | None = None
    estimated_input_tokens: int | None = None
    """Counted from the text, where the span says nothing of its usage; never mixed with what was reported."""
    estimated_output_tokens: int | None = None
    input_bytes: int | None = None
    """Size of what was sent, near that of its JSON: tool definitions, system prompt and messages."""
    repeated_input_bytes: int | None = None
    """How many of these, from the start, an answered call of the same task had sent before."""
    tool_definitions: int | None = None
    """How many tools the model was offered."""
    tool_definitions_bytes: int | None = None
    tool_definitions_hash: str = ""

    def __hash__(self) -> int:
        # Equal facts have equal places; hashing forty fields would cost more than all that sets are used for.
        return hash((self.trace_id, self.span_id))


class Call(NamedTuple):
    """A row of the ledger: one billable call or tool execution, its copies merged. The contract of ``query calls``.

    ``duration_ms`` and ``ttft_ms`` (time to first token) are milliseconds; money is US dollars, exact to 1e-12.
    """

    call_id: str
    kind: str
    duration_ms: float
    input_tokens: int | None
    output_tokens: int | None
    usage_status: str
    task: str
    agent: str
    team: str
    user: str
    session: str
    # What a fact has under the same name.
    trace_id: str
    span_id: str
    started_at_ns: int
    ttft_ms: float | None
    status: str
    error_type: str
    service: str
    dialect: str
    provider: str
    operation: str
    request_model: str
    response_model: str
    response_id: str
    stream: bool
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cache_write_1h_tokens: int | None
    reasoning_tokens: int | None
    reported_cost_usd: Decimal | None
    service_tier: str
    tool_name: str
    tool_call_id: str
    tool_arguments_hash: str
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    output_image_tokens: int | None = None
    web_searches: int | None = None
    input_bytes: int | None = None
    repeated_input_bytes: int | None = None
    tool_definitions: int | None = None
    tool_definitions_bytes: int | None = None
    tool_definitions_hash: str = ""
    # What the price stage adds.
    cost_usd: Decimal | None = None
    price_status: str = ""
    price_card_id: str = ""

    def at_price(self, cost_usd: Decimal | None, price_status: str, price_card_id: str) -> Call:
        """This call with another price."""
        return Call._make((*self[:-3], cost_usd, price_status, price_card_id))


COUNT_FIELDS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
    "input_image_tokens",
    "output_image_tokens",
    "web_searches",
)
"""What facts and calls count; each is an ``int``, or ``None`` where it is not known."""
SIZE_FIELDS = ("input_bytes", "repeated_input_bytes", "tool_definitions", "tool_definitions_bytes")
"""What was measured of the input, whatever the provider counted; the same."""
BILLABLE: tuple[Kind, ...] = ("llm", "embedding")
"""The kinds that cost money."""
FACT_FIELDS = Fact._fields
CALL_FIELDS = Call._fields
