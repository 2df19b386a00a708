# The row of a fact that is a call by itself: what `fold._call` makes of it, and `fold.LedgerRow`.

from cpython.long cimport PyLong_AsLongLongAndOverflow

from spanledger_collector.merge.fold import NS_PER_HOUR, LedgerRow
from spanledger_collector.merge.keys import own_call_id
from spanledger_collector.model import CALL_FIELDS, COUNT_FIELDS, Call

cdef long long _NS_PER_HOUR = NS_PER_HOUR
cdef object _LedgerRow = LedgerRow
cdef object _Call = Call
cdef object _own_call_id = own_call_id
cdef int _USAGE_ESTIMATED = FACT_FIELDS.index("usage_estimated")
cdef int _ESTIMATED_INPUT_TOKENS = FACT_FIELDS.index("estimated_input_tokens")
cdef int _ESTIMATED_OUTPUT_TOKENS = FACT_FIELDS.index("estimated_output_tokens")

cdef int[16] _counts
cdef int _counts_size = len(COUNT_FIELDS)
for _number, _name in enumerate(COUNT_FIELDS):
    _counts[_number] = FACT_FIELDS.index(_name)

cdef int _CALL_SIZE = len(CALL_FIELDS)
cdef int _TAKEN_OVER = CALL_FIELDS.index("trace_id")
cdef int _PRICED = CALL_FIELDS.index("cost_usd")
cdef int[64] _sources
"""Which field of a fact each field of a call is, from ``_TAKEN_OVER`` to before ``_PRICED``."""
for _number in range(_TAKEN_OVER, _PRICED):
    _sources[_number] = FACT_FIELDS.index(CALL_FIELDS[_number])
if _PRICED != _CALL_SIZE - 3 or CALL_FIELDS[:_TAKEN_OVER] != (
    *("call_id", "kind", "duration_ms", "input_tokens", "output_tokens", "usage_status"),
    *("task", "agent", "team", "user", "session"),
):
    raise ImportError("the fields of a call have another order than the compiled merge was made for")


cdef object row_of(object fact, tuple said, object version):
    """The row of a fact that is a call by itself, for whom ``said`` says."""
    cdef object values = begun(_Call, _CALL_SIZE)
    cdef int number
    cdef int overflow = 0, other_overflow = 0
    cdef object hour
    cdef object call_id = _own_call_id(fact)
    cdef object started_at_ns = field(fact, _STARTED_AT_NS)
    set_item(values, 0, call_id)
    set_item(values, 1, field(fact, _KIND))
    cdef long long start_ns = PyLong_AsLongLongAndOverflow(started_at_ns, &overflow)
    cdef long long end_ns = PyLong_AsLongLongAndOverflow(field(fact, _ENDED_AT_NS), &other_overflow)
    if overflow or other_overflow or start_ns < 0 or end_ns < 0:
        hour = started_at_ns // NS_PER_HOUR
        set_item(values, 2, (field(fact, _ENDED_AT_NS) - started_at_ns) / 1e6)
    else:
        hour = start_ns // _NS_PER_HOUR
        set_item(values, 2, <double>(end_ns - start_ns) / 1e6)
    _set_totals(values, fact)
    for number in range(5):
        set_item(values, 6 + number, said[number])
    for number in range(_TAKEN_OVER, _PRICED):
        set_item(values, number, field(fact, _sources[number]))
    set_item(values, _PRICED, None)
    set_item(values, _PRICED + 1, "")
    set_item(values, _PRICED + 2, "")
    return made(_LedgerRow, (untracked((hour, call_id)), done(_Call, values), version, untracked((fact,))))


cdef int _set_totals(object values, object fact) except -1:
    """See ``fold._totals``."""
    cdef object input_tokens = field(fact, _INPUT_TOKENS)
    cdef object output_tokens = field(fact, _OUTPUT_TOKENS)
    cdef object usage_status = "missing"
    cdef int number
    if input_tokens is not None or output_tokens is not None:
        usage_status = "estimated" if field(fact, _USAGE_ESTIMATED) else "reported"
    else:
        input_tokens = field(fact, _ESTIMATED_INPUT_TOKENS)
        output_tokens = field(fact, _ESTIMATED_OUTPUT_TOKENS)
        if (input_tokens is not None or output_tokens is not None) and (
            output_tokens
            or (
                field(fact, _STATUS) == "ok"
                and (field(fact, _KIND) == "embedding" or field(fact, _RESPONSE_ID))
            )
        ):
            usage_status = "estimated"
            for number in range(_counts_size):
                if field(fact, _counts[number]) is not None:
                    usage_status = "missing"
        if usage_status == "missing":
            input_tokens = output_tokens = None
    set_item(values, 3, input_tokens)
    set_item(values, 4, output_tokens)
    set_item(values, 5, usage_status)
    return 0
