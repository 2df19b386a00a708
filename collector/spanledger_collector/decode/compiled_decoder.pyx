# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of ``decoder``: from the bytes of requests to columns, without an object per span.

It walks the wire format itself, and holds every length against what is there. What a well-behaved client never writes
(a field said twice, of another type, out of order, text that is none) is not judged here: the whole request then goes
to protobuf and the pure decoder, and its rows follow in a block of their own.
"""

import sys

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from spanledger_collector.decode.compiled_attributes cimport AttributeReader, Attributes, Shape
from spanledger_collector.decode.compiled_columns cimport Columns
from spanledger_collector.decode.compiled_plain cimport PlainSpans
from spanledger_collector.decode.compiled_span cimport Emitter, FactReader, Scope, Sources, SpanView, Text, span_of
from spanledger_collector.wire cimport Place, is_utf8, read_fixed64, read_size, read_tag, read_varint, skip

from spanledger_collector.decode.batch import Batch
from spanledger_collector.decode.decoder import Decoder as PureDecoder

if sys.byteorder != "little":
    raise ModuleNotFoundError("the compiled decoder writes numbers as a little-endian machine has them")

cdef inline int _once(unsigned int* seen, unsigned int field) noexcept nogil:
    """Whether a field comes for the first time."""
    if seen[0] >> field & 1:
        return False
    seen[0] |= <unsigned int>1 << field
    return True


cdef inline Place _text(Place at, Place end, Text* into) noexcept nogil:
    at = read_size(at, end, &into.size)
    if at == NULL:
        return NULL
    into.at = at
    return at + into.size


cdef inline Place _next(Place at, Place end, Text* holder, Text* part) noexcept nogil:
    """The next of the parts (field 2) into ``part``, and where it ends; after the last one ``part.at`` is NULL.

    What all parts are of (field 1) comes before them, once, and is put into ``holder``.
    """
    cdef uint32_t field = 0, wire_type = 0
    cdef bint begun = part.at != NULL
    part.at = NULL
    while at < end:
        at = read_tag(at, end, &field, &wire_type)
        if at == NULL:
            return NULL
        if field > 2:
            at = skip(at, end, wire_type)
        elif wire_type != 2:
            return NULL
        elif field == 2:
            return _text(at, end, part)
        elif begun or holder.at != NULL:
            return NULL
        else:
            at = _text(at, end, holder)
        if at == NULL:
            return NULL
    return at


cdef inline int64_t _time(uint64_t time_ns) noexcept nogil:
    # As ``LATEST_NS`` of the pure decoder.
    return <int64_t>(time_ns if time_ns >> 63 == 0 else ~(<uint64_t>1 << 63))


cdef class Decoder:
    """Remembers between batches what repeats, up to a bound. For one thread."""

    cdef AttributeReader _reader
    cdef FactReader _fact_reader
    cdef Sources _sources
    cdef object _pure
    cdef Columns _columns
    cdef SpanView _span
    # The attributes of an event or a link; those of the span are in ``_span``.
    cdef Attributes _part
    cdef list _blocks, _telling, _facts
    cdef PlainSpans _plain
    cdef size_t _rows_before

    def __init__(self, scope_tells, name_tells, FactReader fact_reader=None):
        """Make one for a ledger that wants spans of these scopes, and with attributes of these names.

        With a ``fact_reader`` most of these become facts at once.
        """
        self._reader, self._columns = AttributeReader(name_tells), Columns()
        self._fact_reader = fact_reader
        self._sources = Sources(scope_tells)
        self._pure = PureDecoder(scope_tells, name_tells)

    def __dealloc__(self):
        free(self._span.attributes.items)
        free(self._part.items)

    def decode(self, requests):
        """Decode requests in their order.

        Raises:
            BadInputError: bytes that are no request.
        """
        self._blocks, self._telling, self._facts, self._plain = [], [], [], PlainSpans()
        self._rows_before = 0
        self._columns.empty()
        for request in requests:
            self._add(request if isinstance(request, bytes) else request.SerializeToString())
        self._end_block()
        # Of one block this is no copy.
        block = b"".join(self._blocks)
        batch = Batch(self._rows_before, block, self._telling, self._plain, self._facts)
        self._blocks = self._telling = self._facts = self._plain = None
        return batch

    cdef int _add(self, bytes request) except -1:
        """Take all of a request, or leave it to the pure decoder as if nothing had been taken."""
        cdef Place at = <Place>PyBytes_AS_STRING(request)
        self._columns.mark()
        telling, facts, marks = len(self._telling), len(self._facts), self._plain.marks
        self._reader.let_go()
        if not self._read_request(at, at + PyBytes_GET_SIZE(request), request):
            return 0
        self._columns.rewind()
        del self._telling[telling:]
        del self._facts[facts:]
        self._plain.cut(marks)
        batch = self._pure.decode((request,))
        self._end_block()
        self._blocks.append(batch.block)
        self._telling.extend(batch.telling)
        self._plain.update(batch.plain)
        self._rows_before += batch.size
        return 0

    cdef int _end_block(self) except -1:
        self._rows_before += self._columns.counts.rows
        self._blocks.append(self._columns.take())
        return 0

    # All that read return 0, or 1 for what is left to the pure decoder.

    cdef int _read_request(self, Place at, Place end, bytes request) except -1:
        cdef size_t size = 0
        cdef uint32_t field = 0, wire_type = 0
        cdef bint empty = at != end
        while at < end:
            at = read_tag(at, end, &field, &wire_type)
            if at == NULL:
                return 1
            if field == 1:
                if wire_type != 2:
                    return 1
                at = read_size(at, end, &size)
                if at == NULL or self._read_resource_spans(at, at + size, request):
                    return 1
                at += size
                empty = False
            else:
                at = skip(at, end, wire_type)
                if at == NULL:
                    return 1
        return empty

    cdef int _read_resource_spans(self, Place at, Place end, bytes request) except -1:
        cdef Text resource, part
        cdef Emitter emitter = None
        resource.at = part.at = NULL
        resource.size = 0
        while True:
            at = _next(at, end, &resource, &part)
            if at == NULL:
                return 1
            if emitter is None:
                emitter = self._sources.emitter(&resource)
                if emitter is None:
                    return 1
            if part.at == NULL:
                return 0
            if self._read_scope_spans(part.at, at, emitter, request):
                return 1

    cdef int _read_scope_spans(self, Place at, Place end, Emitter emitter, bytes request) except -1:
        cdef Text text, part
        cdef size_t rows = self._columns.counts.rows
        cdef Scope scope = None
        text.at = part.at = NULL
        text.size = 0
        while True:
            at = _next(at, end, &text, &part)
            if at == NULL:
                return 1
            if scope is None:
                scope = self._sources.scope(&text)
                if scope is None:
                    return 1
                self._plain.hold(request, scope.name, scope.version, emitter.resource)
            if part.at == NULL:
                break
            if self._read_span(part.at, at, scope, emitter):
                return 1
        self._columns.put_shared(scope, emitter, self._columns.counts.rows - rows)
        return 0

    cdef int _read_span(self, Place at, Place end, Scope scope, Emitter emitter) except -1:
        cdef SpanView* span = &self._span
        cdef Attributes attributes = span.attributes
        cdef Text part
        cdef uint64_t number = 0, start_ns = 0, end_ns = 0
        cdef uint32_t field = 0, wire_type = 0
        cdef unsigned int seen = 0, tag
        cdef size_t size = 0
        memset(span, 0, sizeof(SpanView))
        attributes.size = 0
        span.attributes = attributes
        span.begin, span.end = at, end
        while at < end:
            tag = at[0]
            if tag == 0x4A:  # attributes
                at = read_size(at + 1, end, &size)
                if at == NULL or self._reader.read(at, at + size, &span.attributes):
                    return 1
                at += size
                continue
            if tag == 0x5A or tag == 0x6A:  # events, links
                at = read_size(at + 1, end, &size)
                if at == NULL:
                    return 1
                if tag == 0x5A:
                    span.events += 1
                    if self._read_event(at, at + size):
                        return 1
                else:
                    span.links += 1
                    if self._read_link(at, at + size):
                        return 1
                at += size
                continue
            at = read_tag(at, end, &field, &wire_type)
            if at == NULL:
                return 1
            if field > 15 or (wire_type == 0 and (field == 10 or field == 12 or field == 14)):  # flags, dropped counts
                at = skip(at, end, wire_type)
                if at == NULL:
                    return 1
                continue
            if not _once(&seen, field):
                return 1
            if wire_type == 2:
                if field == 1:
                    at = _text(at, end, &span.trace_id)
                elif field == 2:
                    at = _text(at, end, &span.span_id)
                elif field == 3:
                    at = _text(at, end, &span.state)
                elif field == 4:
                    at = _text(at, end, &span.parent_span_id)
                elif field == 5:
                    at = _text(at, end, &span.name)
                elif field == 15:
                    at = _text(at, end, &part)
                    if at == NULL or self._read_status(part.at, at):
                        return 1
                else:
                    return 1
            elif wire_type == 0 and field == 6:
                at = read_varint(at, end, &number)
                span.kind = <int32_t>number
            elif wire_type == 1 and field == 7:
                at = read_fixed64(at, end, &start_ns)
            elif wire_type == 1 and field == 8:
                at = read_fixed64(at, end, &end_ns)
            else:
                return 1
            if at == NULL:
                return 1
        if span.trace_id.size != 16 or span.span_id.size != 8 or span.parent_span_id.size not in (0, 8):
            return 1
        if not (is_utf8(span.name.at, span.name.size) and is_utf8(span.state.at, span.state.size)):
            return 1
        span.start_ns = _time(start_ns)
        # A span that was never ended, or that ended before it began on a skewed clock, took no time.
        span.end_ns = max(_time(end_ns), span.start_ns)
        return self._take(span, scope, emitter)

    cdef int _take(self, SpanView* span, Scope scope, Emitter emitter) except -1:
        """Put the span into its row, and where it belongs beside."""
        cdef Shape shape = self._reader.settle(&span.attributes)
        self._columns.put_span(span, shape)
        if not (scope.tells or shape.telling):
            return self._plain.add(span.begin, span.end, span.trace_id.at, span.span_id.at)
        fact = None if self._fact_reader is None else self._fact_reader.read(span, shape, scope, emitter)
        if fact is not None:
            self._facts.append(fact)
        else:
            self._telling.append(span_of(span, scope, emitter))
        return 0

    cdef int _read_status(self, Place at, Place end) except -1:
        cdef uint64_t number = 0
        cdef uint32_t field = 0, wire_type = 0
        cdef unsigned int seen = 0
        while at < end:
            at = read_tag(at, end, &field, &wire_type)
            if at == NULL:
                return 1
            if field == 2 and wire_type == 2 and _once(&seen, 2):
                at = _text(at, end, &self._span.message)
            elif field == 3 and wire_type == 0 and _once(&seen, 3):
                at = read_varint(at, end, &number)
                self._span.code = <int32_t>number
            elif field == 1 or field > 3:
                at = skip(at, end, wire_type)
            else:
                return 1
            if at == NULL:
                return 1
        return not is_utf8(self._span.message.at, self._span.message.size)

    cdef int _read_event(self, Place at, Place end) except -1:
        cdef Text name
        cdef uint64_t time_ns = 0
        cdef size_t size = 0
        cdef uint32_t field = 0, wire_type = 0
        cdef unsigned int seen = 0
        memset(&name, 0, sizeof(name))
        self._part.size = 0
        while at < end:
            at = read_tag(at, end, &field, &wire_type)
            if at == NULL:
                return 1
            if field == 3 and wire_type == 2:
                at = read_size(at, end, &size)
                if at == NULL or self._reader.read(at, at + size, &self._part):
                    return 1
                at += size
            elif field == 1 and wire_type == 1 and _once(&seen, 1):
                at = read_fixed64(at, end, &time_ns)
            elif field == 2 and wire_type == 2 and _once(&seen, 2):
                at = _text(at, end, &name)
            elif field > 3:
                at = skip(at, end, wire_type)
            else:
                return 1
            if at == NULL:
                return 1
        if not is_utf8(name.at, name.size):
            return 1
        return self._columns.put_event(_time(time_ns), &name, &self._part, self._reader.settle(&self._part))

    cdef int _read_link(self, Place at, Place end) except -1:
        cdef Text texts[4]
        cdef size_t size = 0
        cdef uint32_t field = 0, wire_type = 0
        cdef unsigned int seen = 0
        memset(texts, 0, sizeof(texts))
        self._part.size = 0
        while at < end:
            at = read_tag(at, end, &field, &wire_type)
            if at == NULL:
                return 1
            if field == 4 and wire_type == 2:
                at = read_size(at, end, &size)
                if at == NULL or self._reader.read(at, at + size, &self._part):
                    return 1
                at += size
            elif field < 4 and wire_type == 2 and _once(&seen, field):
                at = _text(at, end, &texts[field])
            elif field > 4:
                at = skip(at, end, wire_type)
            else:
                return 1
            if at == NULL:
                return 1
        if not is_utf8(texts[3].at, texts[3].size):
            return 1
        return self._columns.put_link(&texts[1], &texts[3], &self._part, self._reader.settle(&self._part))
