#include "api/base64.h"

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
