"""``charge`` and ``calls.priced`` once more, in ClickHouse's SQL: the same cards give the same pico-USD.

The statements take ``{version:String}`` (of the catalogue), ``{since}`` and ``{until}``, and a portion of the ledger
(``{first_day}``, ``{last_day}``, ``{first_id}``, ``{end_id}``) that is small enough for one statement.
"""

from __future__ import annotations

from spanledger_collector.model import REPRICING_BITS
from spanledger_collector.price.calls import REPORTED
from spanledger_collector.price.card import KINDS
from spanledger_collector.price.charge import HALF_PICO_FEMTO, LARGEST_COST_PICO_USD, PICO_FEMTO

# A count of units for each kind, named as the kind with n_ before it. Int64: no count is beyond 2**40.
_COUNTS = {
    "cache_read": "toInt64(ifNull(c.cache_read_tokens, 0))",
    "cache_write_1h": "toInt64(ifNull(c.cache_write_1h_tokens, 0))",
    "cache_write": "toInt64(ifNull(c.cache_write_tokens, n_cache_write_1h))",
    "cache_write_5m": "n_cache_write - n_cache_write_1h",
    "reasoning": "toInt64(ifNull(c.reasoning_tokens, 0))",
    "all_audio": "toInt64(ifNull(c.input_audio_tokens, 0))",
    "all_image": "toInt64(ifNull(c.input_image_tokens, 0))",
    "output_audio": "toInt64(ifNull(c.output_audio_tokens, 0))",
    "output_image": "toInt64(ifNull(c.output_image_tokens, 0))",
    "web_search": "toInt64(ifNull(c.web_searches, 0))",
    "total_input": "if(isNull(c.input_tokens), greatest(n_cache_read + n_cache_write, n_all_audio + n_all_image), "
    "toInt64(assumeNotNull(c.input_tokens)))",
    "total_output": "if(isNull(c.output_tokens), n_reasoning + n_output_audio + n_output_image, "
    "toInt64(assumeNotNull(c.output_tokens)))",
    "uncached": "n_total_input - n_cache_read - n_cache_write",
    "input_audio": "least(n_all_audio, n_uncached)",
    "input_image": "least(n_all_image, n_uncached - n_input_audio)",
    "input": "n_uncached - n_input_audio - n_input_image",
    "output": "n_total_output - n_reasoning - n_output_audio - n_output_image",
}
_COUNTED = [kind for kind in KINDS if kind != "request"]
_ALL_BITS = (1 << len(_COUNTED)) - 1
_PARTS = ("n_uncached", "n_cache_write_5m", "n_output", "n_total_input - n_all_audio - n_all_image")


def _bits(condition: str) -> str:
    """A bit for each counted kind for which the condition holds: one number to ask instead of eleven columns."""
    conditions = (condition.format(kind=kind) for kind in _COUNTED)
    return " + ".join(f"bitShiftLeft(toUInt16({each}), {bit})" for bit, each in enumerate(conditions))


_PORTION = """
    c.started_at >= {since:DateTime64(9, 'UTC')} AND c.started_at < {until:DateTime64(9, 'UTC')}
    AND toDate(c.started_at) BETWEEN {first_day:Date} AND {last_day:Date}
    AND c.call_id >= {first_id:String} AND ({end_id:String} = '' OR c.call_id < {end_id:String})
"""

_COUNTED_CALLS = f"""
SELECT
    c.call_id AS call_id, c.started_at AS started_at, c.version AS version,
    c.provider AS provider, if(c.response_model = '', c.request_model, c.response_model) AS model,
    c.cost_usd AS old_cost_usd, c.price_status AS old_price_status, c.price_card_id AS old_price_card_id,
    c.reported_cost_usd AS reported_cost_usd,
    c.usage_status = 'estimated' AS is_estimated,
    c.status = 'error' AND c.response_id = '' AND isNull(c.ttft_ms) AND c.usage_status = 'missing' AS is_refused,
    isNull(c.input_tokens) AS no_input, isNull(c.output_tokens) AS no_output,
    a.card_id AS found_card_id, a.price_status AS found_status, k.slots AS slots,
    {", ".join(f"{expression} AS n_{name}" for name, expression in _COUNTS.items())},
    least({", ".join(_PARTS)}) < 0 AS is_bad,
    {_bits("n_{kind} > 0")} AS used,
    toUInt8(arrayCount(threshold -> threshold < n_total_input, k.bands)) AS band,
    toUInt8(arrayCount(second -> second <= toUnixTimestamp(c.started_at) % 86400, k.slots)) AS slot
FROM (SELECT * FROM calls AS c FINAL WHERE c.kind != 'tool' AND {_PORTION}) AS c
ASOF JOIN (SELECT * FROM price_alias WHERE catalogue_version = {{version:String}}) AS a
    ON c.provider = a.provider AND c.response_model = a.response_model AND c.request_model = a.request_model
    AND c.service_tier = a.service_tier AND c.started_at >= a.valid_from
ANY LEFT JOIN (
    SELECT card_id, bands, slots FROM price_card WHERE catalogue_version = {{version:String}}
) AS k ON a.card_id = k.card_id
"""  # noqa: S608 - our own expressions; values are parameters

_FEMTO_USD = " + ".join(f"n_{kind} * r.{kind}" for kind in _COUNTED)

_RATES = f"""
SELECT card_id, band, slot, {_bits("isNull(price_rate.{kind})")} AS gaps,
    {", ".join(f"toInt128(ifNull(price_rate.{kind}, 0)) AS {kind}" for kind in KINDS)}
FROM price_rate
WHERE card_id IN (SELECT card_id FROM price_alias WHERE catalogue_version = {{version:String}})
"""  # noqa: S608

# A fraction of a Decimal: the integer number of pico-USD, moved by twelve places.
_PICO_USD = (
    f"toDecimal64(toInt64(if(pico_usd > {LARGEST_COST_PICO_USD}, 0, pico_usd)), 0) * toDecimal64('0.000000000001', 12)"
)

PRICED_CALLS = f"""
SELECT
    u.call_id AS call_id, u.started_at AS started_at, u.provider AS provider, u.model AS model,
    u.old_cost_usd AS old_cost_usd, u.old_price_status AS old_price_status, u.old_price_card_id AS old_price_card_id,
    intDiv({_FEMTO_USD} + r.request + {HALF_PICO_FEMTO}, {PICO_FEMTO}) AS pico_usd,
    multiIf(
        is_refused, 'not_billed',
        found_card_id = '', found_status,
        is_bad OR pico_usd > {LARGEST_COST_PICO_USD}, 'bad_usage',
        no_input AND no_output AND used = 0, 'no_usage',
        bitAnd(used, r.gaps) != 0,
            multiIf(
                bitAnd(used, {_ALL_BITS} - r.gaps) = 0 AND pico_usd = 0, 'unknown_model',
                is_estimated, 'estimated_tokens',
                'partial'
            ),
        is_estimated, 'estimated_tokens',
        no_input AND NOT bitTest(r.gaps, {_COUNTED.index("input")}), 'partial',
        no_output AND NOT bitTest(r.gaps, {_COUNTED.index("output")}), 'partial',
        found_status
    ) AS new_price_status,
    new_price_status IN ('unknown_model', 'unknown_provider', 'no_usage', 'bad_usage') AS is_missing,
    is_missing AND ifNull(reported_cost_usd > 0, 0) AS is_reported,
    multiIf(
        is_reported, reported_cost_usd,
        is_missing, NULL,
        new_price_status = 'not_billed', toDecimal64(0, 12),
        {_PICO_USD}
    ) AS new_cost_usd,
    multiIf(
        is_reported, '{REPORTED}', is_missing OR new_price_status = 'not_billed', '', found_card_id
    ) AS new_price_card_id,
    ifNull(old_cost_usd, toDecimal64(-1, 12)) != ifNull(new_cost_usd, toDecimal64(-1, 12))
        OR old_price_status != new_price_status OR old_price_card_id != new_price_card_id AS is_changed,
    u.version AS old_version
FROM ({_COUNTED_CALLS}) AS u
ANY LEFT JOIN ({_RATES}) AS r ON u.found_card_id = r.card_id AND u.band = r.band AND u.slot = r.slot
"""  # noqa: S608

# A portion in few large parts, and no merging at the insert of what FINAL merges when it is read.
_WRITING = "SETTINGS optimize_on_insert = 0, min_insert_block_size_rows = 400000, min_insert_block_size_bytes = 0"

NEW_NAMES = f"""
SELECT c.provider, c.response_model, c.request_model, c.service_tier
FROM calls AS c
WHERE c.kind != 'tool' AND {_PORTION}
GROUP BY ALL
HAVING (c.provider, c.response_model, c.request_model, c.service_tier) NOT IN (
    SELECT provider, response_model, request_model, service_tier
    FROM price_alias WHERE catalogue_version = {{version:String}}
)
"""  # noqa: S608

DAYS = """
SELECT toString(toDate(started_at)) AS day, count() AS calls
FROM calls
WHERE kind != 'tool' AND started_at >= {since:DateTime64(9, 'UTC')} AND started_at < {until:DateTime64(9, 'UTC')}
GROUP BY day ORDER BY day
"""

TOTALS_BY_MODEL = f"""
SELECT
    provider, model, count() AS calls, countIf(is_changed) AS changed_calls,
    sum(toDecimal128(old_cost_usd, 12)) AS old_cost_usd, sum(toDecimal128(new_cost_usd, 12)) AS new_cost_usd,
    countIf(isNull(p.old_cost_usd)) AS old_unpriced_calls, countIf(isNull(p.new_cost_usd)) AS new_unpriced_calls
FROM ({PRICED_CALLS}) AS p
GROUP BY provider, model
"""  # noqa: S608


def _repriced(version: str) -> str:
    """The version that the re-pricing gives a row that has ``version``."""
    return f"bitOr(bitShiftLeft(bitShiftRight({version}, {REPRICING_BITS}), {REPRICING_BITS}), toUInt64({{id:UInt32}}))"


RECORD_CHANGES = f"""
INSERT INTO repriced_call
SELECT
    {{id:UInt32}}, call_id, started_at, old_cost_usd, old_price_status, old_price_card_id,
    new_cost_usd, new_price_status, new_price_card_id, old_version, {_repriced("old_version")}
FROM ({PRICED_CALLS})
WHERE is_changed
{_WRITING}
"""  # noqa: S608

# Only rows that still are as the re-pricing left them: what a later merge or re-pricing wrote stands.
RECORD_UNDOING = f"""
INSERT INTO repriced_call
SELECT
    {{id:UInt32}}, c.call_id, c.started_at, c.cost_usd, c.price_status, c.price_card_id,
    r.old_cost_usd, r.old_price_status, r.old_price_card_id, c.version, {_repriced("c.version")}
FROM (SELECT * FROM calls AS c FINAL WHERE {_PORTION}) AS c
INNER JOIN (SELECT * FROM repriced_call FINAL WHERE repricing_id = {{undone:UInt32}}) AS r
    ON c.call_id = r.call_id AND c.started_at = r.started_at AND c.version = r.new_version
"""  # noqa: S608

APPLY_CHANGES = f"""
INSERT INTO calls
SELECT c.* REPLACE (
    r.new_cost_usd AS cost_usd, r.new_price_status AS price_status, r.new_price_card_id AS price_card_id,
    r.new_version AS version
)
FROM (SELECT * FROM calls AS c FINAL WHERE {_PORTION}) AS c
INNER JOIN (
    SELECT * FROM repriced_call AS c FINAL WHERE c.repricing_id = {{id:UInt32}} AND {_PORTION}
) AS r ON c.call_id = r.call_id AND c.started_at = r.started_at AND c.version = r.old_version
{_WRITING}
"""  # noqa: S608

CHANGES = """
SELECT count(), sum(toDecimal128(old_cost_usd, 12)), sum(toDecimal128(new_cost_usd, 12))
FROM repriced_call FINAL WHERE repricing_id = {id:UInt32}
"""
