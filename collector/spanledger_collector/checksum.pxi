# CRC-32 as zlib and ClickHouse have it, sixteen bytes at a time. It begins with all bits set, and ends turned over.

from libc.stdint cimport uint32_t

cdef extern from *:
    """
    #include <stdint.h>

    static uint32_t spl_crc_of[16][256];

    static void spl_crc_ready(void) {
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t crc = byte;
            for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xEDB88320u ^ crc >> 1 : crc >> 1;
            spl_crc_of[0][byte] = crc;
        }
        for (int ahead = 1; ahead < 16; ahead++)
            for (int byte = 0; byte < 256; byte++) {
                uint32_t crc = spl_crc_of[ahead - 1][byte];
                spl_crc_of[ahead][byte] = spl_crc_of[0][crc & 255] ^ crc >> 8;
            }
    }

    #define SPL_CRC(n) spl_crc_of[15 - (n)][at[n]]

    static uint32_t spl_crc(uint32_t crc, const char *text, size_t size) {
        const unsigned char *at = (const unsigned char *)text;
        for (; size >= 16; size -= 16, at += 16) {
            crc ^= (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
            crc = spl_crc_of[15][crc & 255] ^ spl_crc_of[14][crc >> 8 & 255] ^ spl_crc_of[13][crc >> 16 & 255]
                ^ spl_crc_of[12][crc >> 24] ^ SPL_CRC(4) ^ SPL_CRC(5) ^ SPL_CRC(6) ^ SPL_CRC(7) ^ SPL_CRC(8) ^ SPL_CRC(9)
                ^ SPL_CRC(10) ^ SPL_CRC(11) ^ SPL_CRC(12) ^ SPL_CRC(13) ^ SPL_CRC(14) ^ SPL_CRC(15);
        }
        for (; size; size--) crc = spl_crc_of[0][(crc ^ *at++) & 255] ^ crc >> 8;
        return crc;
    }
    """
    void crc_ready "spl_crc_ready"() noexcept nogil
    uint32_t crc_of "spl_crc"(uint32_t crc, const char *text, size_t size) noexcept nogil

crc_ready()
