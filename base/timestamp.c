#include "base/timestamp.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/parse.h"

#define SECOND_NS 1000000000LL
#define DAY_SECONDS 86400

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * SECOND_NS + t.tv_nsec;
}

int64_t timestamp_now(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t timestamp_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/*
 * The calendar, with years that begin on 1 March: a leap day is then the last of its year, and the months' lengths from
 * March on follow (153 m + 2) / 5.
 */
static int64_t days_before_year(int64_t march_year)
{
    return march_year * 365 + march_year / 4 - march_year / 100 + march_year / 400;
}

/* From 1 March of year 0 to 1 January 1970. */
#define EPOCH_DAYS 719468

static int64_t days_from_date(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int m = month > 2 ? month - 3 : month + 9;
    return days_before_year(y) + (153 * m + 2) / 5 + day - 1 - EPOCH_DAYS;
}

static void date_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    days += EPOCH_DAYS;
    int64_t y = days * 400 / 146097;
    /* The average year may be one off at its edges. */
    while (days_before_year(y) > days)
        y--;
    while (days_before_year(y + 1) <= days)
        y++;
    int left = (int)(days - days_before_year(y));
    int m = (5 * left + 2) / 153;
    *ret_day = left - (153 * m + 2) / 5 + 1;
    *ret_month = m < 10 ? m + 3 : m - 9;
    *ret_year = (int)(m < 10 ? y : y + 1);
}

static char *put_digits(char *p, unsigned n, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        p[i] = (char)('0' + n % 10);
        n /= 10;
    }
    return p + count;
}

/* Up to the nine digits of the fraction, without the Z; returns the end. */
static char *put_time(char *p, int64_t ns)
{
    int64_t seconds = ns / SECOND_NS;
    int64_t fraction = ns % SECOND_NS;
    if (fraction < 0) {
        fraction += SECOND_NS;
        seconds--;
    }
    int64_t days = seconds / DAY_SECONDS;
    int64_t rest = seconds % DAY_SECONDS;
    if (rest < 0) {
        rest += DAY_SECONDS;
        days--;
    }
    int year;
    int month;
    int day;
    date_from_days(days, &year, &month, &day);
    p = put_digits(p, (unsigned)year, 4);
    *p++ = '-';
    p = put_digits(p, (unsigned)month, 2);
    *p++ = '-';
    p = put_digits(p, (unsigned)day, 2);
    *p++ = 'T';
    p = put_digits(p, (unsigned)rest / 3600, 2);
    *p++ = ':';
    p = put_digits(p, (unsigned)rest / 60 % 60, 2);
    *p++ = ':';
    p = put_digits(p, (unsigned)rest % 60, 2);
    *p++ = '.';
    return put_digits(p, (unsigned)fraction, 9);
}

void timestamp_format(char buf[TIMESTAMP_MAX], int64_t ns)
{
    if (ns == 0) {
        memcpy(buf, TIMESTAMP_ZERO_TEXT, sizeof TIMESTAMP_ZERO_TEXT);
        return;
    }
    char *end = put_time(buf, ns);
    while (end[-1] == '0')
        end--;
    if (end[-1] == '.')
        end--;
    end[0] = 'Z';
    end[1] = '\0';
}

void timestamp_format_fixed(char buf[TIMESTAMP_MAX], int64_t ns)
{
    char *end = put_time(buf, ns);
    end[0] = 'Z';
    end[1] = '\0';
}

struct moment {
    int year, month, day, hour, minute, second;
    int64_t fraction;       /* nanoseconds */
    int64_t offset_seconds; /* east of UTC */
};

/* `count` digits at *s into *ret, within [min, max]. */
static bool take_number(const char **s, int count, int min, int max, int *ret)
{
    int n = 0;
    for (int i = 0; i < count; i++) {
        char c = (*s)[i];
        if (c < '0' || c > '9')
            return false;
        n = n * 10 + (c - '0');
    }
    if (n < min || n > max)
        return false;
    *s += count;
    *ret = n;
    return true;
}

static bool take_char(const char **s, char c)
{
    if (**s != c)
        return false;
    (*s)++;
    return true;
}

static bool take_date(const char **s, struct moment *m)
{
    static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!take_number(s, 4, 0, 9999, &m->year) || !take_char(s, '-') || !take_number(s, 2, 1, 12, &m->month) ||
        !take_char(s, '-') || !take_number(s, 2, 1, lengths[m->month - 1], &m->day))
        return false;
    bool leap = m->year % 4 == 0 && (m->year % 100 != 0 || m->year % 400 == 0);
    return m->month != 2 || m->day < 29 || leap;
}

/* ".5" after the seconds, 1 to 9 digits. */
static bool take_fraction(const char **s, struct moment *m)
{
    if (!take_char(s, '.'))
        return true;
    int64_t place = SECOND_NS / 10;
    int digits = 0;
    for (; **s >= '0' && **s <= '9'; (*s)++, digits++) {
        if (digits == 9)
            return false;
        m->fraction += place * (**s - '0');
        place /= 10;
    }
    return digits > 0;
}

/* "Z" or "+02:00". */
static bool take_offset(const char **s, struct moment *m)
{
    if (take_char(s, 'Z'))
        return true;
    int sign = **s == '-' ? -1 : 1;
    if (**s != '+' && **s != '-')
        return false;
    (*s)++;
    int hours;
    int minutes;
    if (!take_number(s, 2, 0, 23, &hours) || !take_char(s, ':') || !take_number(s, 2, 0, 59, &minutes))
        return false;
    m->offset_seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

static int moment_to_ns(const struct moment *m, int64_t *ret_ns)
{
    /* Go's zero time is ours. */
    if (m->year == 1 && m->month == 1 && m->day == 1 && !m->hour && !m->minute && !m->second && !m->fraction) {
        *ret_ns = 0;
        return 0;
    }
    int64_t seconds = days_from_date(m->year, m->month, m->day) * DAY_SECONDS + m->hour * 3600 + m->minute * 60 +
                      m->second - m->offset_seconds;
    int64_t ns;
    /* The seconds of a time before the epoch lie below, the fraction above: only together they may just fit. */
    if (seconds < 0 && m->fraction > 0) {
        if (__builtin_mul_overflow(seconds + 1, SECOND_NS, &ns) ||
            __builtin_add_overflow(ns, m->fraction - SECOND_NS, &ns))
            return -EINVAL;
    } else if (__builtin_mul_overflow(seconds, SECOND_NS, &ns) || __builtin_add_overflow(ns, m->fraction, &ns)) {
        return -EINVAL;
    }
    *ret_ns = ns;
    return 0;
}

static bool take_seconds(const char **s, struct moment *m)
{
    return take_char(s, ':') && take_number(s, 2, 0, 59, &m->second) && take_fraction(s, m);
}

int timestamp_parse(const char *s, int64_t *ret_ns)
{
    struct moment m = {0};
    if (!take_date(&s, &m) || !take_char(&s, 'T') || !take_number(&s, 2, 0, 23, &m.hour) || !take_char(&s, ':') ||
        !take_number(&s, 2, 0, 59, &m.minute) || !take_seconds(&s, &m) || !take_offset(&s, &m) || *s)
        return -EINVAL;
    return moment_to_ns(&m, ret_ns);
}

/* What is east of UTC where we are, at the time `now` (docker takes the zone of that moment too). */
static int64_t local_offset(int64_t now_ns)
{
    time_t seconds = (time_t)(now_ns / SECOND_NS);
    struct tm tm;
    return localtime_r(&seconds, &tm) ? tm.tm_gmtoff : 0;
}

/* 2006-01-02[T15[:04[:05[.999999999]]]][zone] */
static int parse_partial(const char *s, int64_t now_ns, int64_t *ret_ns)
{
    struct moment m = {0};
    if (!take_date(&s, &m))
        return -EINVAL;
    if (take_char(&s, 'T')) {
        if (!take_number(&s, 2, 0, 23, &m.hour))
            return -EINVAL;
        if (take_char(&s, ':') && !take_number(&s, 2, 0, 59, &m.minute))
            return -EINVAL;
        if (*s == ':' && !take_seconds(&s, &m))
            return -EINVAL;
    }
    if (!*s)
        m.offset_seconds = local_offset(now_ns);
    else if (!take_offset(&s, &m) || *s)
        return -EINVAL;
    return moment_to_ns(&m, ret_ns);
}

/* 1136073600[.000000001] */
static int parse_unix(const char *s, int64_t *ret_ns)
{
    size_t size = strspn(s, "0123456789");
    char whole[24];
    if (size == 0 || size >= sizeof whole)
        return -EINVAL;
    memcpy(whole, s, size);
    whole[size] = '\0';
    struct moment m = {0};
    uint64_t seconds;
    s += size;
    if (parse_uint64(whole, INT64_MAX / SECOND_NS - 1, &seconds) < 0 || !take_fraction(&s, &m) || *s)
        return -EINVAL;
    *ret_ns = (int64_t)seconds * SECOND_NS + m.fraction;
    return 0;
}

int timestamp_parse_human(const char *s, int64_t now_ns, int64_t *ret_ns)
{
    int64_t duration;
    if (strcmp(s, "0") != 0 && parse_duration(s, &duration) == 0) {
        int64_t then;
        if (__builtin_sub_overflow(now_ns, duration, &then))
            return -EINVAL;
        /* Docker passes whole seconds on here. */
        int64_t rest = then % SECOND_NS;
        *ret_ns = then - rest - (rest < 0 ? SECOND_NS : 0);
        return 0;
    }
    return parse_unix(s, ret_ns) == 0 ? 0 : parse_partial(s, now_ns, ret_ns);
}
