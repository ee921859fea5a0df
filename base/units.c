#include "base/units.h"

#include <stdio.h>

static void scaled(char *buf, size_t size, double value, double base, const char *const names[], int precision)
{
    /* names ends with NULL; the last unit takes whatever is left. */
    while (value >= base && names[1]) {
        value /= base;
        names++;
    }
    snprintf(buf, size, "%.*g%s", precision, value, names[0]);
}

void units_size(char *buf, size_t size, double bytes)
{
    units_size_precision(buf, size, bytes, 4);
}

void units_size_precision(char *buf, size_t size, double bytes, int precision)
{
    static const char *const names[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB", NULL};
    scaled(buf, size, bytes, 1000, names, precision);
}

void units_bytes_size(char *buf, size_t size, double bytes)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB", NULL};
    scaled(buf, size, bytes, 1024, names, 4);
}

void units_duration(char *buf, size_t size, int64_t seconds)
{
    int64_t minutes = seconds / 60;
    int64_t hours = seconds / 3600 + (seconds % 3600 >= 1800); /* rounded */
    if (seconds < 1)
        snprintf(buf, size, "Less than a second");
    else if (seconds == 1)
        snprintf(buf, size, "1 second");
    else if (seconds < 60)
        snprintf(buf, size, "%lld seconds", (long long)seconds);
    else if (minutes == 1)
        snprintf(buf, size, "About a minute");
    else if (minutes < 60)
        snprintf(buf, size, "%lld minutes", (long long)minutes);
    else if (hours == 1)
        snprintf(buf, size, "About an hour");
    else if (hours < 48)
        snprintf(buf, size, "%lld hours", (long long)hours);
    else if (hours < 24 * 7 * 2)
        snprintf(buf, size, "%lld days", (long long)(hours / 24));
    else if (hours < 24 * 30 * 2)
        snprintf(buf, size, "%lld weeks", (long long)(hours / 24 / 7));
    else if (hours < 24 * 365 * 2)
        snprintf(buf, size, "%lld months", (long long)(hours / 24 / 30));
    else
        snprintf(buf, size, "%lld years", (long long)(seconds / 3600 / 24 / 365));
}

/* "12.5" for 12.5 of a unit of `unit` ns; zeros at the end of the fraction are left out. */
static int put_fraction(char *buf, size_t size, int64_t ns, int64_t unit, const char *name)
{
    char fraction[24];
    int digits = 9;
    snprintf(fraction, sizeof(fraction), "%09lld", (long long)(ns % unit * (1000000000 / unit)));
    while (digits > 0 && fraction[digits - 1] == '0')
        digits--;
    return snprintf(buf, size, "%lld%s%.*s%s", (long long)(ns / unit), digits > 0 ? "." : "", digits, fraction, name);
}

void units_go_duration(char *buf, size_t size, int64_t ns)
{
    const int64_t second = 1000000000, minute = 60 * second, hour = 60 * minute;
    int n = 0;
    if (ns == 0)
        snprintf(buf, size, "0s");
    else if (ns < 1000)
        snprintf(buf, size, "%lldns", (long long)ns);
    else if (ns < second)
        put_fraction(buf, size, ns, ns < 1000000 ? 1000 : 1000000, ns < 1000000 ? "\xc2\xb5s" : "ms");
    if (ns < second)
        return;
    if (ns >= hour)
        n += snprintf(buf, size, "%lldh", (long long)(ns / hour));
    if (ns >= minute)
        n += snprintf(buf + n, size - (size_t)n, "%lldm", (long long)(ns % hour / minute));
    put_fraction(buf + n, size - (size_t)n, ns % minute, second, "s");
}
