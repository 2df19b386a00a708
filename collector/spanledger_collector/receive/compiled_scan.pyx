# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Whether a request of spans can be kept as the bytes it came as, because the screen would change nothing of it.

One walk over the wire format, without a message made. What passes is a request whose fields are all known, in
ascending order, the singular ones once, with lengths that fit and numbers in the fewest bytes, and texts in UTF-8: as
protobuf itself writes it, except that zeroes may be written out, as protobuf.js does. Beyond that every span has valid
ids and lies within the limits of time, and nothing is over a limit. All else is left to ``Screen``, in Python.
"""

from libc.stdint cimport uint8_t, uint64_t

from spanledger_collector.wire cimport Place, is_utf8, read_shortest_varint

cdef enum:
    DEEPEST = 64  # messages in messages; protobuf itself refuses more than 100

# Messages.
cdef enum:
    REQUEST, RESOURCE_SPANS, RESOURCE, SCOPE_SPANS, SCOPE, SPAN, EVENT, LINK, STATUS
    ATTRIBUTE  # a KeyValue whose value is held to the limit of bytes, with all that is in it
    PAIR  # one within a value
    ANY_VALUE, ARRAY, MAP
    MESSAGES

# Kinds of fields.
cdef enum:
    UNKNOWN, TEXT, BYTES, TRACE_ID, SPAN_ID, PARENT_ID, MESSAGE, VALUE
    BOOL, UINT32, INT64, ENUM, FIXED64, FIXED32, START, END

# How often a field may be there.
cdef enum:
    UNBOUNDED, MAX_ATTRIBUTES, MAX_EVENTS, MAX_LINKS, ONCE
    BOUNDS

cdef enum:
    MOST_FIELDS = 17
    NEEDED_OF_A_SPAN = 1 << 1 | 1 << 2 | 1 << 7  # by field number: the ids, and the start, else it is of 1970

cdef struct Field:
    uint8_t kind
    uint8_t message
    uint8_t bound
    uint8_t wire_type

cdef struct Limits:
    uint64_t most[BOUNDS]
    uint64_t attribute_bytes
    uint64_t earliest_ns
    uint64_t latest_ns
    long spans

cdef struct Part:
    Place at
    Place end

cdef Field fields[MESSAGES][MOST_FIELDS]


cdef void field(int of, int number, int kind, int message=REQUEST, int bound=ONCE) noexcept:
    cdef uint8_t wire_type = 2
    if kind == BOOL or kind == UINT32 or kind == INT64 or kind == ENUM:
        wire_type = 0
    elif kind == FIXED64 or kind == START or kind == END:
        wire_type = 1
    elif kind == FIXED32:
        wire_type = 5
    fields[of][number] = Field(kind, message, bound, wire_type)


field(REQUEST, 1, MESSAGE, RESOURCE_SPANS, UNBOUNDED)
field(RESOURCE_SPANS, 1, MESSAGE, RESOURCE)
field(RESOURCE_SPANS, 2, MESSAGE, SCOPE_SPANS, UNBOUNDED)
field(RESOURCE_SPANS, 3, TEXT)  # schema_url
field(RESOURCE, 1, MESSAGE, ATTRIBUTE, MAX_ATTRIBUTES)
field(RESOURCE, 2, UINT32)  # dropped_attributes_count
field(SCOPE_SPANS, 1, MESSAGE, SCOPE)
field(SCOPE_SPANS, 2, MESSAGE, SPAN, UNBOUNDED)
field(SCOPE_SPANS, 3, TEXT)  # schema_url
field(SCOPE, 1, TEXT)  # name
field(SCOPE, 2, TEXT)  # version
field(SCOPE, 3, MESSAGE, ATTRIBUTE, MAX_ATTRIBUTES)
field(SCOPE, 4, UINT32)  # dropped_attributes_count
field(SPAN, 1, TRACE_ID)
field(SPAN, 2, SPAN_ID)
field(SPAN, 3, TEXT)  # trace_state
field(SPAN, 4, PARENT_ID)
field(SPAN, 5, TEXT)  # name
field(SPAN, 6, ENUM)  # kind
field(SPAN, 7, START)
field(SPAN, 8, END)
field(SPAN, 9, MESSAGE, ATTRIBUTE, MAX_ATTRIBUTES)
field(SPAN, 10, UINT32)  # dropped_attributes_count
field(SPAN, 11, MESSAGE, EVENT, MAX_EVENTS)
field(SPAN, 12, UINT32)  # dropped_events_count
field(SPAN, 13, MESSAGE, LINK, MAX_LINKS)
field(SPAN, 14, UINT32)  # dropped_links_count
field(SPAN, 15, MESSAGE, STATUS)
field(SPAN, 16, FIXED32)  # flags
field(EVENT, 1, FIXED64)  # time_unix_nano
field(EVENT, 2, TEXT)  # name
field(EVENT, 3, MESSAGE, ATTRIBUTE, MAX_ATTRIBUTES)
field(EVENT, 4, UINT32)  # dropped_attributes_count
field(LINK, 1, BYTES)  # trace_id
field(LINK, 2, BYTES)  # span_id
field(LINK, 3, TEXT)  # trace_state
field(LINK, 4, MESSAGE, ATTRIBUTE, MAX_ATTRIBUTES)
field(LINK, 5, UINT32)  # dropped_attributes_count
field(LINK, 6, FIXED32)  # flags
field(STATUS, 2, TEXT)  # message
field(STATUS, 3, ENUM)  # code
field(ATTRIBUTE, 1, TEXT)  # key
field(ATTRIBUTE, 2, VALUE, ANY_VALUE)
field(PAIR, 1, TEXT)  # key
field(PAIR, 2, MESSAGE, ANY_VALUE)
field(ANY_VALUE, 1, TEXT)
field(ANY_VALUE, 2, BOOL)
field(ANY_VALUE, 3, INT64)
field(ANY_VALUE, 4, FIXED64)
field(ANY_VALUE, 5, MESSAGE, ARRAY)
field(ANY_VALUE, 6, MESSAGE, MAP)
field(ANY_VALUE, 7, BYTES)
field(ARRAY, 1, MESSAGE, ANY_VALUE, UNBOUNDED)
field(MAP, 1, MESSAGE, PAIR, UNBOUNDED)


def clean_spans(
    bytes body not None,
    uint64_t max_attributes,
    uint64_t max_attribute_bytes,
    uint64_t max_events,
    uint64_t max_links,
    uint64_t earliest_ns,
    uint64_t latest_ns,
):
    """How many spans ``body`` holds, where it can be kept as it is; -1 where the screen has to look at it.

    The limits are those of ``config.Limits``; the last two are between what nanoseconds a span may lie.
    """
    cdef Limits limits
    cdef Part request
    limits.most[UNBOUNDED] = <uint64_t> -1
    limits.most[ONCE] = 1
    limits.most[MAX_ATTRIBUTES] = max_attributes
    limits.most[MAX_EVENTS] = max_events
    limits.most[MAX_LINKS] = max_links
    limits.attribute_bytes = max_attribute_bytes
    limits.earliest_ns = earliest_ns
    limits.latest_ns = latest_ns
    limits.spans = 0
    request.at = body
    request.end = request.at + len(body)
    return limits.spans if is_clean(request, REQUEST, &limits, 0) else -1


cdef bint is_clean(Part rest, int message, Limits *limits, int depth) noexcept nogil:
    """Whether these bytes are a message that can stay as it is."""
    cdef uint64_t tag, number = 0, last = 0, count = 0, seen = 0
    cdef const Field *what
    if depth > DEEPEST:
        return False
    while rest.at < rest.end:
        rest.at = read_shortest_varint(rest.at, rest.end, &tag)
        if rest.at == NULL:
            return False
        number = tag >> 3
        if number < last or number >= MOST_FIELDS:
            return False
        # Of a oneof only one field is written.
        if message == ANY_VALUE and last:
            return False
        count = count + 1 if number == last else 1
        last = number
        what = &fields[message][number]
        if what.kind == UNKNOWN or what.wire_type != (tag & 7) or count > limits.most[what.bound]:
            return False
        seen |= <uint64_t> 1 << number
        if what.wire_type == 2:
            if not is_clean_part(&rest, what, limits, depth):
                return False
        elif not is_clean_number(&rest, what.kind, limits):
            return False
    if message == SPAN:
        limits.spans += 1
        return seen & NEEDED_OF_A_SPAN == NEEDED_OF_A_SPAN
    return True


cdef inline bint is_clean_part(Part *rest, const Field *what, Limits *limits, int depth) noexcept nogil:
    cdef Part part
    cdef uint64_t size
    rest.at = read_shortest_varint(rest.at, rest.end, &size)
    if rest.at == NULL or size > <uint64_t> (rest.end - rest.at):
        return False
    part.at = rest.at
    rest.at += size
    part.end = rest.at
    if what.kind == TEXT:
        return size <= limits.attribute_bytes and is_utf8(part.at, size)
    if what.kind == MESSAGE:
        return is_clean(part, what.message, limits, depth + 1)
    if what.kind == VALUE:
        return size <= limits.attribute_bytes and is_clean(part, what.message, limits, depth + 1)
    if what.kind == TRACE_ID:
        return size == 16 and is_not_zero(part)
    if what.kind == SPAN_ID:
        return size == 8 and is_not_zero(part)
    if what.kind == PARENT_ID:
        return size == 8 or size == 0
    return True


cdef inline bint is_clean_number(Part *rest, int kind, const Limits *limits) noexcept nogil:
    cdef uint64_t value = 0
    cdef int size, index
    if kind == FIXED64 or kind == START or kind == END or kind == FIXED32:
        size = 4 if kind == FIXED32 else 8
        if rest.end - rest.at < size:
            return False
        for index in range(size):
            value |= <uint64_t> rest.at[index] << (8 * index)
        rest.at += size
        if kind == START:
            return limits.earliest_ns <= value <= limits.latest_ns
        return kind != END or value <= limits.latest_ns
    rest.at = read_shortest_varint(rest.at, rest.end, &value)
    if rest.at == NULL:
        return False
    # A larger one would be another when it is written again.
    if kind == BOOL:
        return value <= 1
    if kind == UINT32:
        return value <= <uint64_t> 0xFFFFFFFF
    if kind == ENUM:
        return value <= <uint64_t> 0x7FFFFFFF
    return True


cdef inline bint is_not_zero(Part part) noexcept nogil:
    while part.at < part.end:
        if part.at[0]:
            return True
        part.at += 1
    return False
