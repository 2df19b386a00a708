"""One call of a model as a step of its conversation: what it repeats, which results it brings, what its answer asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from opentelemetry.trace import Span, SpanContext

from spanledger import conversation, repetition
from spanledger.attributes import TASK
from spanledger.canonical import canonical_json, short_hash
from spanledger.guard import guarded
from spanledger.wire.format import Attributes, Json, Messages, WireFormat, mappings, text

HISTORIES = ("messages", "input", "contents")
"""Where requests keep the conversation so far."""

MODEL_ROLES = ("assistant", "model")


class Turn:
    """Made in the caller's context when a call starts, before its span."""

    __slots__ = ("_caller", "_format", "_identity", "_input", "_task", "attributes")

    def __init__(
        self, wire_format: WireFormat, request: Json, started_ns: int, identity: dict[str, str], caller: SpanContext
    ) -> None:
        self._format = wire_format
        self._identity = identity
        self._caller = caller
        self._task = identity.get(TASK, caller.trace_id)
        self._input = repetition.measure(request, self._task)
        self.attributes: Attributes = self._input.attributes if self._input is not None else {}
        """What the call's span says of its input."""
        if conversation.is_waiting():
            self._bring_results(request, started_ns)

    @guarded
    def end(self, response: Json, span: Span) -> None:
        """Remember the input that was answered and the tools that ``response`` asks for; ``span`` has ended."""
        ended_ns = getattr(span, "end_time", None)
        if ended_ns is None:
            return
        if self._input is not None:
            repetition.remember(self._input)
        if self._format.may_ask_for_tools(response):
            self._remember_tools(response, span, ended_ns)

    def _remember_tools(self, response: Json, span: Span, ended_ns: int) -> None:
        for call_id, part in _told_apart(_parts(self._format.output_messages(response), "tool_call")):
            name, arguments = text(part.get("name")), part.get("arguments")
            if name:
                asked = conversation.Asked(
                    call_id=call_id,
                    has_id=call_id == part.get("id"),
                    name=name,
                    arguments_hash=short_hash(canonical_json(arguments).encode()),
                    argument_hashes=conversation.argument_hashes(arguments),
                    asked_ns=ended_ns,
                    task=self._task,
                    parent=self._caller if self._caller.is_valid else span.get_span_context(),
                    identity=self._identity,
                )
                conversation.remember(asked)

    @guarded
    def _bring_results(self, request: Json, started_ns: int) -> None:
        last_answer, since = _split_at_last_answer(request)
        results = list(_parts(self._format.input_messages(since), "tool_call_response"))
        if not all(part.get("id") for part in results):
            calls = list(_told_apart(_parts(self._format.input_messages(last_answer), "tool_call")))
            _name_results(results, [(call_id, part) for call_id, part in calls if not part.get("id")])
        for part in results:
            if call_id := text(part.get("id")):
                conversation.answer(self._task, call_id, started_ns, failed=part.get("is_error") is True)


def _split_at_last_answer(request: Json) -> tuple[Json, Json]:
    """Give the model's last words in a request, and what follows them: that part no earlier request had."""
    for field in HISTORIES:
        if items := mappings(request.get(field)):
            spoken = (number for number in reversed(range(len(items))) if items[number].get("role") in MODEL_ROLES)
            last = next(spoken, -1)
            return {field: items[max(last, 0) : last + 1]}, {field: items[last + 1 :]}
    return {}, {}


def _told_apart(calls: Iterable[Json]) -> Iterator[tuple[str, Json]]:
    """Give each tool call with its id; where it has none, name, arguments and place among equals stand for it."""
    seen: Counter[str] = Counter()
    for part in calls:
        call_id = text(part.get("id"))
        if call_id is None:
            call = f"{part.get('name')} {canonical_json(part.get('arguments'))}"
            seen[call] += 1
            call_id = f"{short_hash(call.encode())} {seen[call]}"
        yield call_id, part


def _name_results(results: list[Json], calls: list[tuple[str, Json]]) -> None:
    """Give results without an id that of the call they answer: those of one tool come in the order of its calls."""
    for part in results:
        if not part.get("id"):
            answered = next((call for call in calls if call[1].get("name") == part.get("name")), None)
            if answered is not None:
                calls.remove(answered)
                part["id"] = answered[0]


def _parts(messages: Messages, kind: str) -> Iterator[Json]:
    return (part for message in messages for part in message["parts"] if part["type"] == kind)
