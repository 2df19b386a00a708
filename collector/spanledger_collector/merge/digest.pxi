# BLAKE2b (RFC 7693) of 16 bytes without a key, as `hashlib.blake2b(text, digest_size=16)` gives it, for short texts.

from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    static const uint64_t SPL_IV[8] = {
        0x6a09e667f3bcc908ULL, 0xbb67ae8584caa73bULL, 0x3c6ef372fe94f82bULL, 0xa54ff53a5f1d36f1ULL,
        0x510e527fade682d1ULL, 0x9b05688c2b3e6c1fULL, 0x1f83d9abfb41bd6bULL, 0x5be0cd19137e2179ULL};

    static const uint8_t SPL_SIGMA[10][16] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
        {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
        {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
        {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
        {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
        {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
        {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
        {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
        {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
        {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

    #define SPL_ROTATED(word, by) (((word) >> (by)) | ((word) << (64 - (by))))
    #define SPL_MIX(a, b, c, d, x, y) \\
        a += b + (x); d = SPL_ROTATED(d ^ a, 32); c += d; b = SPL_ROTATED(b ^ c, 24); \\
        a += b + (y); d = SPL_ROTATED(d ^ a, 16); c += d; b = SPL_ROTATED(b ^ c, 63);

    #define SPL_WORD(round, n) m[SPL_SIGMA[round][n]]
    #define SPL_ROUND(r) \\
        SPL_MIX(v[0], v[4], v[8], v[12], SPL_WORD(r, 0), SPL_WORD(r, 1)) \\
        SPL_MIX(v[1], v[5], v[9], v[13], SPL_WORD(r, 2), SPL_WORD(r, 3)) \\
        SPL_MIX(v[2], v[6], v[10], v[14], SPL_WORD(r, 4), SPL_WORD(r, 5)) \\
        SPL_MIX(v[3], v[7], v[11], v[15], SPL_WORD(r, 6), SPL_WORD(r, 7)) \\
        SPL_MIX(v[0], v[5], v[10], v[15], SPL_WORD(r, 8), SPL_WORD(r, 9)) \\
        SPL_MIX(v[1], v[6], v[11], v[12], SPL_WORD(r, 10), SPL_WORD(r, 11)) \\
        SPL_MIX(v[2], v[7], v[8], v[13], SPL_WORD(r, 12), SPL_WORD(r, 13)) \\
        SPL_MIX(v[3], v[4], v[9], v[14], SPL_WORD(r, 14), SPL_WORD(r, 15))

    static uint64_t spl_little(const unsigned char *at) {
        uint64_t word = 0;
        for (int byte = 7; byte >= 0; byte--) word = word << 8 | at[byte];
        return word;
    }

    static void spl_compress(uint64_t state[8], const unsigned char block[128], uint64_t count, int last) {
        uint64_t m[16], v[16];
        for (int n = 0; n < 16; n++) m[n] = spl_little(block + 8 * n);
        for (int n = 0; n < 8; n++) { v[n] = state[n]; v[n + 8] = SPL_IV[n]; }
        v[12] ^= count;
        if (last) v[14] = ~v[14];
        SPL_ROUND(0) SPL_ROUND(1) SPL_ROUND(2) SPL_ROUND(3) SPL_ROUND(4) SPL_ROUND(5)
        SPL_ROUND(6) SPL_ROUND(7) SPL_ROUND(8) SPL_ROUND(9) SPL_ROUND(0) SPL_ROUND(1)
        for (int n = 0; n < 8; n++) state[n] ^= v[n] ^ v[n + 8];
    }

    static void spl_digest(const unsigned char *text, size_t size, uint64_t digest[2]) {
        uint64_t state[8];
        unsigned char block[128];
        size_t done = 0;
        memcpy(state, SPL_IV, sizeof state);
        state[0] ^= 0x01010000 ^ 16;
        for (; size - done > 128; done += 128) spl_compress(state, text + done, done + 128, 0);
        memset(block, 0, 128);
        memcpy(block, text + done, size - done);
        spl_compress(state, block, size, 1);
        digest[0] = state[0];
        digest[1] = state[1];
    }
    """
    void digest_of "spl_digest"(const unsigned char *text, size_t size, uint64_t *digest) noexcept nogil
