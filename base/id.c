#include "base/id.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

static void random_bytes(unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = getrandom(data, size, 0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            /* Predictable identifiers would be worse than none. */
            abort();
        }
        data += n;
        size -= (size_t)n;
    }
}

void id_random_hex(char *out, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[64];
    while (count > 0) {
        size_t n = count < sizeof bytes ? count : sizeof bytes;
        random_bytes(bytes, n);
        for (size_t i = 0; i < n; i++) {
            *out++ = digits[bytes[i] >> 4];
            *out++ = digits[bytes[i] & 15];
        }
        count -= n;
    }
    *out = '\0';
}

void id_generate(char id[ID_SIZE + 1])
{
    bool letter = false;
    while (!letter) {
        id_random_hex(id, ID_SIZE / 2);
        for (size_t i = 0; i < ID_SHORT_SIZE; i++)
            letter |= id[i] >= 'a';
    }
}

bool id_is_hex(const char *s, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
            return false;
    return true;
}
