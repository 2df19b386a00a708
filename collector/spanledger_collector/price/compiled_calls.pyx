# cython: language_level=3
"""The compiled twin of ``calls``: the same price on the same row.

What it charges itself is what nearly all calls are: totals that were reported, no audio, images or searches, a card
with all rates, and sums that cannot leave 64 bits. Everything else goes to ``charge``.
"""

from cpython.long cimport PyLong_AsLongLongAndOverflow, PyLong_CheckExact
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int64_t

from bisect import bisect_right
from decimal import Decimal

from spanledger_collector.model import CALL_FIELDS, Call
from spanledger_collector.price import calls as pure
from spanledger_collector.price.card import KINDS, NS_PER_SECOND, SECONDS_PER_DAY
from spanledger_collector.price.catalogue import NAMES_REMEMBERED
from spanledger_collector.price.charge import HALF_PICO_FEMTO, ONLY_WEB_SEARCH, PICO_FEMTO, Tariff, charge

include "../record.pxi"

cdef int _SIZE = len(CALL_FIELDS)
cdef int _KIND = CALL_FIELDS.index("kind")
cdef int _STATUS = CALL_FIELDS.index("status")
cdef int _USAGE_STATUS = CALL_FIELDS.index("usage_status")
cdef int _TTFT_MS = CALL_FIELDS.index("ttft_ms")
cdef int _STARTED_AT_NS = CALL_FIELDS.index("started_at_ns")
cdef int _PROVIDER = CALL_FIELDS.index("provider")
cdef int _REQUEST_MODEL = CALL_FIELDS.index("request_model")
cdef int _RESPONSE_MODEL = CALL_FIELDS.index("response_model")
cdef int _RESPONSE_ID = CALL_FIELDS.index("response_id")
cdef int _SERVICE_TIER = CALL_FIELDS.index("service_tier")
cdef int _REPORTED_COST_USD = CALL_FIELDS.index("reported_cost_usd")
cdef int _COST_USD = CALL_FIELDS.index("cost_usd")
cdef int _INPUT_TOKENS = CALL_FIELDS.index("input_tokens")
cdef int _CACHE_READ_TOKENS = CALL_FIELDS.index("cache_read_tokens")
cdef int _CACHE_WRITE_TOKENS = CALL_FIELDS.index("cache_write_tokens")
cdef int _CACHE_WRITE_1H_TOKENS = CALL_FIELDS.index("cache_write_1h_tokens")
cdef int _OUTPUT_TOKENS = CALL_FIELDS.index("output_tokens")
cdef int _REASONING_TOKENS = CALL_FIELDS.index("reasoning_tokens")
cdef int[5] _RARE
for _number, _name in enumerate(
    ("input_audio_tokens", "output_audio_tokens", "input_image_tokens", "output_image_tokens", "web_searches")
):
    _RARE[_number] = CALL_FIELDS.index(_name)
if CALL_FIELDS[_COST_USD:] != ("cost_usd", "price_status", "price_card_id"):
    raise ImportError("the fields of a call have another order than the compiled prices were made for")

cdef int _INPUT = KINDS.index("input")
cdef int _CACHE_READ = KINDS.index("cache_read")
cdef int _CACHE_WRITE_5M = KINDS.index("cache_write_5m")
cdef int _CACHE_WRITE_1H = KINDS.index("cache_write_1h")
cdef int _OUTPUT = KINDS.index("output")
cdef int _REASONING = KINDS.index("reasoning")
cdef int _REQUEST = KINDS.index("request")
cdef int _KINDS = len(KINDS)

cdef int64_t _PICO_FEMTO = PICO_FEMTO
cdef int64_t _HALF_PICO_FEMTO = HALF_PICO_FEMTO
cdef int64_t _NS_PER_SECOND = NS_PER_SECOND
cdef int64_t _SECONDS_PER_DAY = SECONDS_PER_DAY
cdef Py_ssize_t _NAMES_REMEMBERED = NAMES_REMEMBERED
cdef double _LARGEST_SUM = 2.0**62
"""Of femto-dollars: what may be more is left to Python's integers."""
cdef object _Call = Call
cdef object _Decimal = Decimal
cdef object _PICO = Decimal(-12)
cdef object _nothing = pure.NOTHING
cdef object _reported = pure.REPORTED
cdef object _usage_of = pure.usage_of
cdef object _charge = charge

# Calls of one model come after one another.
cdef tuple _last = (None, "", "", "", "", None)
"""What was found last, of which catalogue and for which names: one object, as the pipeline prices in two threads."""


cdef class Ready:
    """A tariff with its rates in C; ``is_whole`` where all that this twin charges has one."""

    cdef object tariff
    cdef object status
    cdef object card_id
    cdef Py_ssize_t bands
    cdef Py_ssize_t slots
    cdef int64_t *edges
    """The thresholds of the bands, then those of the slots, then the rates of each slot of each band."""
    cdef int64_t *rates
    cdef double largest_rate
    cdef bint is_whole

    def __cinit__(self, tariff):
        cdef Py_ssize_t number = 0
        self.tariff, self.status, self.card_id = tariff, tariff.status, tariff.card_id
        self.bands, self.slots = len(tariff.bands), len(tariff.slots)
        cells = [cell for band in tariff.table for cell in band]
        self.is_whole = all(not gaps or gaps == ONLY_WEB_SEARCH for _, gaps in cells)
        numbers = [*tariff.bands, *tariff.slots, *(rate for rates, _ in cells for rate in rates)]
        self.is_whole = self.is_whole and all(0 <= number < 2**53 for number in numbers)
        self.edges = <int64_t *>PyMem_Malloc(max(1, len(numbers)) * sizeof(int64_t))
        if self.edges == NULL:
            raise MemoryError
        if self.is_whole:
            for number in range(len(numbers)):
                self.edges[number] = numbers[number]
        self.rates = self.edges + self.bands + self.slots
        self.largest_rate = max([rate for rates, _ in cells for rate in rates], default=0)

    def __dealloc__(self):
        PyMem_Free(self.edges)

    cdef int64_t *rates_of(self, int64_t total_input, int64_t at_ns) noexcept:
        """The rates that hold for a call of so many tokens at an instant after 1970."""
        cdef Py_ssize_t band = 0, slot = 0
        cdef int64_t second
        while band < self.bands and self.edges[band] < total_input:
            band += 1
        if self.slots:
            second = at_ns // _NS_PER_SECOND % _SECONDS_PER_DAY
            while slot < self.slots and self.edges[self.bands + slot] <= second:
                slot += 1
        return self.rates + (band * (self.slots + 1) + slot) * _KINDS


def priced(call, catalogue):
    """See ``calls.priced``."""
    if not isinstance(call, tuple) or PyTuple_GET_SIZE(call) != _SIZE:
        raise TypeError("a call is wanted")
    cdef object usage_status = field(call, _USAGE_STATUS)
    cdef object cost_usd = None, status, card_id
    cdef int64_t pico_usd
    if field(call, _KIND) == "tool" or (
        usage_status == "missing"
        and field(call, _STATUS) == "error"
        and not field(call, _RESPONSE_ID)
        and field(call, _TTFT_MS) is None
    ):
        return _at_price(call, _nothing, "not_billed", "")
    step = _step(call, catalogue)
    if type(step) is Ready:
        pico_usd = _charged(<Ready>step, call)
        if pico_usd >= 0:
            status = (<Ready>step).status
            if usage_status == "estimated" and (status == "priced" or status == "tier_fallback"):
                status = "estimated_tokens"
            return _at_price(call, _Decimal(pico_usd).scaleb(_PICO), status, (<Ready>step).card_id)
        step = _charge((<Ready>step).tariff, field(call, _STARTED_AT_NS), _usage_of(call))
    cost_usd, status, card_id = step.cost_usd, step.status, step.card_id
    if cost_usd is None and field(call, _REPORTED_COST_USD):
        return _at_price(call, field(call, _REPORTED_COST_USD), status, _reported)
    if usage_status == "estimated" and status in ("priced", "tier_fallback", "partial"):
        status = "estimated_tokens"
    return _at_price(call, cost_usd, status, card_id)


def priced_all(calls, catalogue):
    """See ``calls.priced_all``."""
    return [None if call is None else priced(call, catalogue) for call in calls]


cdef object _step(object call, object catalogue):
    """The tariff made ready, or the answer itself, that holds for a call."""
    global _last
    cdef dict ready = catalogue.ready
    cdef tuple last = _last
    if (
        ready is last[0]
        and field(call, _RESPONSE_MODEL) == <str>last[1]
        and field(call, _REQUEST_MODEL) == <str>last[2]
        and field(call, _PROVIDER) == <str>last[3]
        and field(call, _SERVICE_TIER) == <str>last[4]
    ):
        return _holding(<tuple>last[5], call)
    cdef tuple models = (field(call, _RESPONSE_MODEL), field(call, _REQUEST_MODEL))
    cdef tuple key = (field(call, _PROVIDER), models, field(call, _SERVICE_TIER))
    cdef object found = ready.get(key)
    if found is None:
        if len(ready) >= _NAMES_REMEMBERED:
            ready.clear()
        ladder = catalogue.ladder(key)
        steps = [Ready(step) if type(step) is Tariff else step for step in ladder.steps]
        found = ready[key] = (ladder.starts_ns, steps)
    _last = (ready, *models, field(call, _PROVIDER), field(call, _SERVICE_TIER), found)
    return _holding(found, call)


cdef inline object _holding(tuple found, object call):
    cdef list steps_of = found[1]
    if len(steps_of) == 1:
        return steps_of[0]
    return steps_of[bisect_right(found[0], field(call, _STARTED_AT_NS)) - 1]


cdef inline int64_t _count(object value, int64_t unknown) noexcept:
    """A count, or -1 for what is left to Python."""
    cdef int overflow = 0
    cdef int64_t count
    if value is None:
        return unknown
    if not PyLong_CheckExact(value):
        return -1
    count = PyLong_AsLongLongAndOverflow(value, &overflow)
    return -1 if overflow or count < 0 or count >= <int64_t>1 << 53 else count


cdef int64_t _charged(Ready ready, object call) except? -2:
    """What ``charge`` says the call costs in pico-dollars; -1 for what is left to it."""
    cdef int number
    if not ready.is_whole:
        return -1
    for number in range(5):
        value = field(call, _RARE[number])
        if value is not None and value != 0:
            return -1
    cdef int64_t total_input = _count(field(call, _INPUT_TOKENS), -1)
    cdef int64_t total_output = _count(field(call, _OUTPUT_TOKENS), -1)
    cdef int64_t cache_read = _count(field(call, _CACHE_READ_TOKENS), 0)
    cdef int64_t cache_write_1h = _count(field(call, _CACHE_WRITE_1H_TOKENS), 0)
    cdef int64_t cache_write = _count(field(call, _CACHE_WRITE_TOKENS), cache_write_1h)
    cdef int64_t reasoning = _count(field(call, _REASONING_TOKENS), 0)
    cdef int64_t at_ns = 0
    cdef int overflow = 0
    if (total_input | total_output | cache_read | cache_write_1h | cache_write | reasoning) < 0:
        return -1
    cdef int64_t uncached = total_input - cache_read - cache_write
    cdef int64_t cache_write_5m = cache_write - cache_write_1h
    cdef int64_t output_text = total_output - reasoning
    if (uncached | cache_write_5m | output_text) < 0:
        return -1
    if (<double>total_input + <double>total_output + 1) * ready.largest_rate > _LARGEST_SUM:
        return -1
    if ready.slots:
        at_ns = PyLong_AsLongLongAndOverflow(field(call, _STARTED_AT_NS), &overflow)
        if overflow or at_ns < 0:
            return -1
    cdef int64_t *rates = ready.rates_of(total_input, at_ns)
    cdef int64_t cost_femto_usd = (
        rates[_REQUEST]
        + uncached * rates[_INPUT]
        + output_text * rates[_OUTPUT]
        + cache_read * rates[_CACHE_READ]
        + cache_write_5m * rates[_CACHE_WRITE_5M]
        + cache_write_1h * rates[_CACHE_WRITE_1H]
        + reasoning * rates[_REASONING]
    )
    return (cost_femto_usd + _HALF_PICO_FEMTO) // _PICO_FEMTO


cdef object _at_price(object call, object cost_usd, object status, object card_id):
    """See ``Call.at_price``."""
    cdef object values = begun(_Call, _SIZE)
    cdef int number
    for number in range(_COST_USD):
        set_item(values, number, field(call, number))
    set_item(values, _COST_USD, cost_usd)
    set_item(values, _COST_USD + 1, status)
    set_item(values, _COST_USD + 2, card_id)
    return done(_Call, values)
