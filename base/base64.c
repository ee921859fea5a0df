#include "base/base64.h"

#include <errno.h>
#include <string.h>

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const char *at = c ? strchr(digits, c) : NULL;

    if (at)
        return (int)(at - digits);
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

int base64_decode(const char *text, struct strbuf *out)
{
    unsigned bits = 0, value = 0;

    for (; *text && *text != '='; text++) {
        int digit = base64_value(*text);

        if (digit < 0)
            return -EINVAL;
        value = value << 6 | (unsigned)digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            strbuf_addc(out, (char)(value >> bits));
            value &= (1U << bits) - 1;
        }
    }
    return text[strspn(text, "=")] ? -EINVAL : 0;
}

void base64_encode(const void *data, size_t size, bool url, struct strbuf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const unsigned char *p = data;
    for (size_t i = 0; i < size; i += 3) {
        size_t have = size - i < 3 ? size - i : 3;
        unsigned bits = (unsigned)p[i] << 16 | (have > 1 ? (unsigned)p[i + 1] << 8 : 0) | (have > 2 ? p[i + 2] : 0);
        for (size_t n = 0; n < 4; n++) {
            unsigned digit = bits >> (18 - 6 * n) & 63;
            strbuf_addc(out, n > have ? '=' : digit < 62 ? digits[digit] : "+/-_"[digit - 62 + (url ? 2 : 0)]);
        }
    }
}
