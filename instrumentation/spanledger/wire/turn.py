"""One call of a model as a step of its conversation: what it repeats, which results it brings, what its answer asks."""

from __future__ import annotations

from collections.abc import Iterator

from opentelemetry.trace import Span, get_current_span

from spanledger import conversation, repetition
from spanledger.canonical import canonical_json, short_hash
from spanledger.guard import guarded
from spanledger.identity import identity_of, task_of
from spanledger.wire.format import Attributes, Json, Messages, WireFormat, mappings, text

HISTORIES = ("messages", "input", "contents")
"""Where requests keep the conversation so far."""

MODEL_ROLES = ("assistant", "model")


class Turn:
    """Made in the caller's context when a call starts, before its span."""

    def __init__(self, wire_format: WireFormat, request: Json, started_ns: int) -> None:
        self._format = wire_format
        self._task = task_of()
        self._identity = identity_of()
        self._caller = get_current_span().get_span_context()
        self._input = repetition.measure(request)
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
        for part in _parts(self._format.output_messages(response), "tool_call"):
            call_id, name, arguments = text(part.get("id")), text(part.get("name")), part.get("arguments")
            if call_id and name:
                asked = conversation.Asked(
                    call_id=call_id,
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
        for part in _parts(self._format.input_messages(_since_last_answer(request)), "tool_call_response"):
            if call_id := text(part.get("id")):
                conversation.answer(self._task, call_id, started_ns, failed=part.get("is_error") is True)


@guarded
def begin_turn(wire_format: WireFormat, request: Json, started_ns: int) -> Turn | None:
    """Begin a step of a conversation, or give None for a call that is none."""
    return None if wire_format.operation == "embeddings" else Turn(wire_format, request, started_ns)


def _since_last_answer(request: Json) -> Json:
    """Give the part of a request that no earlier one had: what follows the model's last words."""
    for field in HISTORIES:
        if items := mappings(request.get(field)):
            spoken = (number for number in reversed(range(len(items))) if items[number].get("role") in MODEL_ROLES)
            return {field: items[next(spoken, -1) + 1 :]}
    return {}


def _parts(messages: Messages, kind: str) -> Iterator[Json]:
    return (part for message in messages for part in message["parts"] if part["type"] == kind)
