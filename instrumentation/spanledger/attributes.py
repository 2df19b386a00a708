"""Every attribute name that spanledger writes on a span, once.

Source: the OpenTelemetry GenAI, HTTP, server and error conventions, and the ``anthropic.*`` and ``openai.*``
attributes beside them. Token counts follow one rule: ``input_tokens`` is the TOTAL with cache reads and
writes included, ``output_tokens`` is the TOTAL with reasoning included, the others are parts of these.
"""

from __future__ import annotations

from typing import Final

OPERATION_NAME: Final = "gen_ai.operation.name"
EXECUTE_TOOL: Final = "execute_tool"
"""The operation of a tool's execution."""
PROVIDER_NAME: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
"""Seconds from the start of the attempt to the first event that bears content."""

INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
REPORTED_COST_USD: Final = "gen_ai.usage.cost"
"""What the provider says that it billed, in US dollars; gateways do."""

ANTHROPIC_CACHE_WRITE_5M_TOKENS: Final = "anthropic.usage.cache_creation.ephemeral_5m_input_tokens"
ANTHROPIC_CACHE_WRITE_1H_TOKENS: Final = "anthropic.usage.cache_creation.ephemeral_1h_input_tokens"
ANTHROPIC_SERVICE_TIER: Final = "anthropic.response.service_tier"
OPENAI_SERVICE_TIER: Final = "openai.response.service_tier"

SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"

AGENT_NAME: Final = "gen_ai.agent.name"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_CALL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_ARGUMENTS_HASH: Final = "spanledger.tool.arguments.hash"
TOOL_INFERRED: Final = "spanledger.tool.inferred"
"""True on an execution that nobody saw: a request of the conversation brought the result of the call."""

INPUT_BYTES: Final = "spanledger.input.bytes"
"""Size of tools, system prompt and messages in the form that is hashed; near that of their JSON."""
INPUT_REPEATED_BYTES: Final = "spanledger.input.repeated_bytes"
"""How many of these, from the start, an answered call of the same task had already sent."""
INPUT_REPEATED_TOKENS: Final = "spanledger.input.repeated_tokens"
"""An estimate: four of these bytes make a token."""
INPUT_SYSTEM_HASH: Final = "spanledger.input.system.hash"
INPUT_TOOLS_HASH: Final = "spanledger.input.tools.hash"
INPUT_TOOLS_BYTES: Final = "spanledger.input.tools.bytes"
INPUT_TOOLS_COUNT: Final = "spanledger.input.tools.count"

UNCOUNTED_INPUT_BYTES: Final = "spanledger.uncounted.input_bytes"
"""Size of the text that was sent, on a call whose tokens nobody has counted."""
UNCOUNTED_OUTPUT_BYTES: Final = "spanledger.uncounted.output_bytes"

SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
HTTP_REQUEST_RESEND_COUNT: Final = "http.request.resend_count"
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
ERROR_TYPE: Final = "error.type"
TOOL_ERROR: Final = "tool_error"
"""``error.type`` of a tool whose result says that it is a failure. Source: the MCP conventions."""
LOGICAL_CALL_ID: Final = "spanledger.logical_call.id"
"""Equal for the attempts of one call that was tried again; the span id of the first. Absent where nothing failed."""

TASK: Final = "spanledger.task"
AGENT: Final = "spanledger.agent"
TEAM: Final = "spanledger.team"
USER: Final = "spanledger.user"
SESSION: Final = "spanledger.session"
IDENTITY: Final = (TASK, AGENT, TEAM, USER, SESSION)
"""Whom a call is for; the same names are the keys of the W3C baggage that carries them."""
