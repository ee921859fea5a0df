/* UTF-8 as RFC 3629 and Go's unicode/utf8 define it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef DORY_BASE_UTF8_H
#define DORY_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes (1 to 4) of the character that s starts with; 0 if s starts with none. */
static inline size_t utf8_sequence(const char *text, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;
    if (size == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || size < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return length;
}

/* The same with the character's number; U+FFFD when there is none. */
static inline size_t utf8_decode(const char *text, size_t size, uint32_t *ret)
{
    static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t length = utf8_sequence(text, size);
    uint32_t c = length ? (unsigned char)text[0] & first[length] : 0xfffd;
    for (size_t i = 1; i < length; i++)
        c = c << 6 | ((unsigned char)text[i] & 0x3f);
    *ret = c;
    return length;
}

/* Writes the character (a valid one) and returns its size. */
static inline size_t utf8_encode(uint32_t c, char ret[4])
{
    static const unsigned char mark[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; c >>= 6)
        ret[i] = (char)(0x80 | (c & 0x3f));
    ret[0] = (char)(mark[length] | c);
    return length;
}

/* The largest size <= limit at which text (of more than limit bytes) can be cut without splitting a character. */
static inline size_t utf8_cut(const char *text, size_t limit)
{
    size_t cut = limit;
    for (int back = 0; back < 3 && cut > 0 && (text[cut] & 0xc0) == 0x80; back++)
        cut--;
    return (text[cut] & 0xc0) == 0x80 ? limit : cut;
}

#endif
