# Protobuf's wire format, for the scan and for the decoder: read from the front and never past an end. Whatever reads
# returns NULL where the bytes lie.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

ctypedef const uint8_t* Place

cdef enum:
    VARINT_TYPE = 0
    FIXED64_TYPE = 1
    SIZED_TYPE = 2
    FIXED32_TYPE = 5


cdef inline Place read_varint(Place at, Place end, uint64_t* number) noexcept nogil:
    """A number of at most 64 bits, and where it ends."""
    cdef uint64_t byte, read = 0
    cdef int shift = 0
    if at < end and at[0] < 128:
        number[0] = at[0]
        return at + 1
    while at < end and shift < 64:
        byte = at[0]
        at += 1
        read |= (byte & 127) << shift
        if byte < 128:
            if shift == 63 and byte > 1:
                return NULL
            number[0] = read
            return at
        shift += 7
    return NULL


cdef inline Place read_shortest_varint(Place at, Place end, uint64_t* number) noexcept nogil:
    """The same, where it is written in the fewest bytes that hold it."""
    cdef Place begin = at
    at = read_varint(at, end, number)
    if at == NULL or (at[-1] == 0 and at - begin > 1):
        return NULL
    return at


cdef inline Place read_size(Place at, Place end, size_t* size) noexcept nogil:
    """The length of what follows, which is all there, and where it begins."""
    cdef uint64_t number = 0
    at = read_varint(at, end, &number)
    if at == NULL or number > <uint64_t>(end - at):
        return NULL
    size[0] = <size_t>number
    return at


cdef inline Place read_fixed64(Place at, Place end, uint64_t* number) noexcept nogil:
    """Eight bytes, the lowest first."""
    if end - at < 8:
        return NULL
    memcpy(number, at, 8)
    return at + 8


cdef inline Place read_tag(Place at, Place end, uint32_t* field, uint32_t* wire_type) noexcept nogil:
    """The number and the wire type of a field; groups are none that anybody reads here."""
    cdef uint64_t tag = 0
    at = read_varint(at, end, &tag)
    if at == NULL or tag >> 32 or tag < 8:
        return NULL
    field[0] = <uint32_t>(tag >> 3)
    wire_type[0] = <uint32_t>(tag & 7)
    return at


cdef inline Place skip(Place at, Place end, uint32_t wire_type) noexcept nogil:
    """The end of a field that nobody reads."""
    cdef uint64_t number = 0
    cdef size_t size = 0
    if wire_type == VARINT_TYPE:
        return read_varint(at, end, &number)
    if wire_type == SIZED_TYPE:
        at = read_size(at, end, &size)
    elif wire_type == FIXED64_TYPE:
        size = 8
    elif wire_type == FIXED32_TYPE:
        size = 4
    else:
        return NULL
    if at == NULL or <size_t>(end - at) < size:
        return NULL
    return at + size


cdef inline bint _follows(Place at, int lowest, int highest) noexcept nogil:
    return lowest <= at[0] <= highest


cdef inline bint is_utf8(Place at, size_t size) noexcept nogil:
    """Whether the bytes are text, as strictly as protobuf and Python look at it."""
    cdef Place end = at + size
    cdef uint64_t words[4]
    cdef uint64_t word
    cdef int byte
    while True:
        while end - at >= 32:
            memcpy(words, at, 32)
            if (words[0] | words[1] | words[2] | words[3]) & 0x8080808080808080ULL:
                break
            at += 32
        while end - at >= 8:
            memcpy(&word, at, 8)
            if word & 0x8080808080808080ULL:
                break
            at += 8
        while at < end and at[0] < 0x80:
            at += 1
        if at == end:
            return True
        # The length of a character is in its first byte; what may follow it excludes surrogates and what is too long.
        byte = at[0]
        if 0xC2 <= byte <= 0xDF:
            if end - at < 2 or not _follows(at + 1, 0x80, 0xBF):
                return False
            at += 2
        elif 0xE0 <= byte <= 0xEF:
            if (
                end - at < 3
                or not _follows(at + 1, 0xA0 if byte == 0xE0 else 0x80, 0x9F if byte == 0xED else 0xBF)
                or not _follows(at + 2, 0x80, 0xBF)
            ):
                return False
            at += 3
        elif 0xF0 <= byte <= 0xF4:
            if (
                end - at < 4
                or not _follows(at + 1, 0x90 if byte == 0xF0 else 0x80, 0x8F if byte == 0xF4 else 0xBF)
                or not _follows(at + 2, 0x80, 0xBF)
                or not _follows(at + 3, 0x80, 0xBF)
            ):
                return False
            at += 4
        else:
            return False
