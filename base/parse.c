#include "base/parse.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits at *s, which moves behind them. -EINVAL if there are none, -ERANGE above max. */
static int scan_digits(const char **s, uint64_t max, uint64_t *ret)
{
    uint64_t n = 0;
    bool over = false;
    const char *p = *s;
    if (!is_digit(*p))
        return -EINVAL;
    for (; is_digit(*p); p++)
        over |= __builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n);
    *s = p;
    if (over || n > max)
        return -ERANGE;
    *ret = n;
    return 0;
}

int parse_uint64(const char *s, uint64_t max, uint64_t *ret)
{
    uint64_t n = 0;
    int r = scan_digits(&s, max, &n);
    if (r == -EINVAL || *s)
        return -EINVAL;
    if (r == 0)
        *ret = n;
    return r;
}

int parse_int64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
    bool negative = *s == '-';
    if (*s == '-' || *s == '+')
        s++;
    uint64_t n = 0;
    int r = parse_uint64(s, (uint64_t)INT64_MAX + negative, &n);
    if (r < 0)
        return r;
    int64_t value = (int64_t)(negative ? -n : n);
    if (value < min || value > max)
        return -ERANGE;
    *ret = value;
    return 0;
}

int parse_bool(const char *s, bool *ret)
{
    static const char *const words[] = {"0", "f", "F", "FALSE", "false", "False",
                                        "1", "t", "T", "TRUE",  "true",  "True"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(s, words[i]) == 0) {
            *ret = i >= 6;
            return 0;
        }
    }
    return -EINVAL;
}

/* What stands behind a size's number: "", b, k, kb, kib and so on. The shift, or -EINVAL. */
static int size_suffix(const char *s)
{
    static const char letters[] = "kmgtp";
    if (!*s)
        return 0;
    char lower = (char)(*s | 0x20);
    if (lower == 'b')
        return s[1] ? -EINVAL : 0;
    const char *letter = strchr(letters, lower);
    if (!letter || !((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z')))
        return -EINVAL;
    s++;
    if ((*s | 0x20) == 'i' && (s[1] | 0x20) == 'b' && !s[2])
        s += 2;
    else if ((*s | 0x20) == 'b')
        s++;
    return *s ? -EINVAL : 10 * (int)(letter - letters + 1);
}

/* More than any size needs, and bounds the copy that strtod(3) reads. */
#define NUMBER_MAX 64

int parse_size(const char *s, bool allow_minus_one, int64_t *ret_bytes)
{
    if (allow_minus_one && strcmp(s, "-1") == 0) {
        *ret_bytes = -1;
        return 0;
    }
    size_t whole = strspn(s, "0123456789");
    size_t size = whole;
    size_t decimals = 0;
    if (s[size] == '.') {
        decimals = strspn(s + size + 1, "0123456789");
        size += 1 + decimals;
    }
    if (whole + decimals == 0 || size >= NUMBER_MAX)
        return -EINVAL;
    /* go-units forgives one blank before the suffix. */
    const char *suffix = s + size;
    if (*suffix == ' ' && suffix[1])
        suffix++;
    int shift = size_suffix(suffix);
    if (shift < 0)
        return shift;

    if (decimals == 0) {
        uint64_t n;
        const char *p = s;
        int r = scan_digits(&p, (uint64_t)INT64_MAX >> shift, &n);
        if (r < 0)
            return r;
        *ret_bytes = (int64_t)(n << shift);
        return 0;
    }
    char number[NUMBER_MAX];
    memcpy(number, s, size);
    number[size] = '\0';
    double bytes = ldexp(strtod(number, NULL), shift);
    if (!(bytes < 0x1p63))
        return -ERANGE;
    *ret_bytes = (int64_t)bytes;
    return 0;
}

/* The unit at *s in nanoseconds; *s moves behind it. 0 if there is none. */
static uint64_t duration_unit(const char **s)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {
        {"ns", 1},       {"us", 1000},      {"\xc2\xb5s", 1000},       {"\xce\xbcs", 1000},
        {"ms", 1000000}, {"s", 1000000000}, {"m", 60 * 1000000000ull}, {"h", 3600 * 1000000000ull},
    };
    size_t size = strcspn(*s, ".0123456789");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i].name) == size && memcmp(units[i].name, *s, size) == 0) {
            *s += size;
            return units[i].ns;
        }
    }
    return 0;
}

/* "5." ".5" "1.25": up to 18 places count, the rest is read over. */
static int scan_decimal(const char **s, uint64_t *ret_whole, uint64_t *ret_fraction, uint64_t *ret_scale)
{
    const char *p = *s;
    uint64_t whole = 0;
    uint64_t fraction = 0;
    uint64_t scale = 1;
    bool digits = is_digit(*p);
    if (digits) {
        int r = scan_digits(&p, (uint64_t)1 << 63, &whole);
        if (r < 0)
            return r;
    }
    if (*p == '.') {
        for (p++; is_digit(*p); p++) {
            digits = true;
            if (scale < 1000000000000000000ull) {
                fraction = fraction * 10 + (uint64_t)(*p - '0');
                scale *= 10;
            }
        }
    }
    if (!digits)
        return -EINVAL;
    *s = p;
    *ret_whole = whole;
    *ret_fraction = fraction;
    *ret_scale = scale;
    return 0;
}

int parse_duration(const char *s, int64_t *ret_ns)
{
    bool negative = *s == '-';
    if (*s == '-' || *s == '+')
        s++;
    if (strcmp(s, "0") == 0) {
        *ret_ns = 0;
        return 0;
    }
    if (!*s)
        return -EINVAL;
    uint64_t total = 0;
    bool over = false;
    while (*s) {
        uint64_t whole;
        uint64_t fraction;
        uint64_t scale;
        int r = scan_decimal(&s, &whole, &fraction, &scale);
        if (r == -EINVAL)
            return r;
        if (r < 0)
            return r;
        uint64_t unit = duration_unit(&s);
        if (unit == 0)
            return -EINVAL;
        over |= __builtin_mul_overflow(whole, unit, &whole) || __builtin_add_overflow(total, whole, &total);
        total += (uint64_t)((__uint128_t)fraction * unit / scale);
        over |= total > (uint64_t)1 << 63;
    }
    if (over || (!negative && total > INT64_MAX))
        return -ERANGE;
    *ret_ns = (int64_t)(negative ? -total : total);
    return 0;
}

int parse_nano_cpus(const char *s, int64_t *ret_nano)
{
    uint64_t whole = 0;
    uint64_t nano = 0;
    bool digits = is_digit(*s);
    if (digits) {
        int r = scan_digits(&s, INT64_MAX / 1000000000, &whole);
        if (r < 0)
            return r;
    }
    if (*s == '.') {
        uint64_t place = 100000000;
        for (s++; is_digit(*s); s++) {
            digits = true;
            if (place == 0 && *s != '0')
                return -EINVAL; /* finer than a billionth */
            nano += place * (uint64_t)(*s - '0');
            place /= 10;
        }
    }
    if (!digits || *s)
        return -EINVAL;
    uint64_t total = whole * 1000000000 + nano;
    if (total > INT64_MAX)
        return -ERANGE;
    *ret_nano = (int64_t)total;
    return 0;
}

int parse_hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *parse_escapes(const char *text, size_t n, bool plus_is_space)
{
    CLEANUP_FREE char *out = xmalloc(n + 1);
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] != '%') {
            out[used++] = plus_is_space && text[i] == '+' ? ' ' : text[i];
            continue;
        }
        int high = n - i > 2 ? parse_hex_digit(text[i + 1]) : -1, low = n - i > 2 ? parse_hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0 || high + low == 0)
            return NULL;
        out[used++] = (char)(high << 4 | low);
        i += 2;
    }
    out[used] = '\0';
    return TAKE_PTR(out);
}
