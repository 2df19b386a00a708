# Bytes that grow: the columns of a Native block while they are filled.

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

ctypedef struct Buffer:
    uint8_t* data
    size_t size
    size_t room


cdef inline uint8_t* reserve(Buffer* buffer, size_t more) except NULL:
    """Where ``more`` bytes may be written; ``size`` is the writer's to move on."""
    cdef size_t room
    cdef uint8_t* data
    if buffer.size + more > buffer.room or buffer.data == NULL:
        room = buffer.size + more + buffer.room + 4096
        data = <uint8_t*>realloc(buffer.data, room)
        if data == NULL:
            raise MemoryError
        buffer.data, buffer.room = data, room
    return buffer.data + buffer.size


cdef inline void release(Buffer* buffer) noexcept:
    free(buffer.data)
    buffer.data, buffer.size, buffer.room = NULL, 0, 0


cdef inline uint8_t* write_varint(uint8_t* at, uint64_t number) noexcept nogil:
    """Where what follows the number is to be written; it takes up to ten bytes."""
    while number > 127:
        at[0] = <uint8_t>(number & 127 | 128)
        at += 1
        number >>= 7
    at[0] = <uint8_t>number
    return at + 1


cdef inline int put(Buffer* buffer, const void* content, size_t size) except -1:
    """Append bytes as they are."""
    if size:
        memcpy(reserve(buffer, size), content, size)
        buffer.size += size
    return 0


cdef inline int put_sized(Buffer* buffer, const void* content, size_t size) except -1:
    """Append a text: its length, then its bytes."""
    cdef uint8_t* at = write_varint(reserve(buffer, size + 10), size)
    if size:
        memcpy(at, content, size)
    buffer.size = <size_t>(at - buffer.data) + size
    return 0


cdef inline int put_uint64(Buffer* buffer, uint64_t number) except -1:
    """Append a number, the lowest byte first."""
    memcpy(reserve(buffer, 8), &number, 8)
    buffer.size += 8
    return 0


cdef inline int put_decimal(Buffer* buffer, int64_t number) except -1:
    """Append a number as the text of its digits."""
    cdef char digits[24]
    cdef int first = 24
    cdef uint64_t left = <uint64_t>number if number >= 0 else 0 - <uint64_t>number
    while True:
        first -= 1
        digits[first] = <char>(48 + left % 10)
        left //= 10
        if left == 0:
            break
    if number < 0:
        first -= 1
        digits[first] = 45
    return put_sized(buffer, digits + first, 24 - first)


cdef inline void write_hex(uint8_t* at, const uint8_t* content, size_t size) noexcept nogil:
    """Two digits a byte, in lower case."""
    cdef const char* digits = "0123456789abcdef"
    cdef size_t index
    for index in range(size):
        at[2 * index] = digits[content[index] >> 4]
        at[2 * index + 1] = digits[content[index] & 15]


cdef inline int put_hex(Buffer* buffer, const uint8_t* content, size_t size) except -1:
    """Append an id: the length of its digits, then these."""
    cdef uint8_t* at = write_varint(reserve(buffer, 2 * size + 10), 2 * size)
    write_hex(at, content, size)
    buffer.size = <size_t>(at - buffer.data) + 2 * size
    return 0
