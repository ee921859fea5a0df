#include "daemon/port_ranges.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "daemon/host_config.h"

/* In any case; "" is tcp. NULL: there is none of that name. */
static const char *find_protocol(const char *name)
{
    static const char *const names[] = {"tcp", "udp", "sctp"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return names[i];
    return *name ? NULL : "tcp";
}

int port_range_parse(const char *text, struct port_range *ret, struct error *err)
{
    size_t size = strcspn(text, "/");
    const char *protocol = find_protocol(text[size] ? text + size + 1 : "");
    if (protocol == NULL)
        return error_set(err, ERROR_INVALID, 0, "invalid proto: %s", text + size + 1);
    char numbers[PORT_NAME_SIZE];
    uint64_t first, last = 0;
    snprintf(numbers, sizeof(numbers), "%.*s", size < sizeof(numbers) ? (int)size : 0, text);
    char *dash = strchr(numbers, '-');
    if (dash != NULL)
        *dash++ = '\0';
    if (parse_uint64(numbers, UINT16_MAX, &first) < 0 || first == 0 ||
        (dash != NULL && (parse_uint64(dash, UINT16_MAX, &last) < 0 || last < first)))
        return error_set(err, ERROR_INVALID, 0, "invalid port specification: \"%s\"", text);
    *ret = (struct port_range){.first = (uint16_t)first, .last = dash ? (uint16_t)last : (uint16_t)first};
    snprintf(ret->protocol, sizeof(ret->protocol), "%s", protocol);
    return 0;
}

/* ---- order ---- */

/* An entry's place: what is no port comes first. */
struct place {
    size_t index;
    unsigned order; /* of the protocol; 0: no port */
    struct port_range range;
};

static unsigned protocol_order(const char *protocol)
{
    return protocol[0] == 't' ? 1 : protocol[0] == 'u' ? 2 : 3;
}

static struct place place_of(const char *name, size_t index)
{
    struct place place = {.index = index};
    if (port_range_parse(name, &place.range, NULL) == 0)
        place.order = protocol_order(place.range.protocol);
    return place;
}

static int compare(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    if (x->order != 0 && x->range.first != y->range.first)
        return x->range.first < y->range.first ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* One port, and those after it. */
static bool is_counted(const struct place *place)
{
    return place->order != 0 && place->range.first == place->range.last;
}

/* ---- names ---- */

static void add_name(struct strv *names, const struct port_range *range)
{
    if (range->first == range->last)
        strv_addf(names, "%u/%s", range->first, range->protocol);
    else
        strv_addf(names, "%u-%u/%s", range->first, range->last, range->protocol);
}

void port_names_compact(struct strv *names)
{
    CLEANUP_FREE struct place *places = xcalloc(names->count + 1, sizeof(*places));
    CLEANUP_STRV struct strv joined = STRV_INIT;
    for (size_t i = 0; i < names->count; i++)
        places[i] = place_of(names->items[i], i);
    qsort(places, names->count, sizeof(*places), compare);
    for (size_t i = 0; i < names->count;) {
        struct port_range range = places[i].range;
        unsigned order = places[i].order;
        if (order == 0) {
            strv_add(&joined, names->items[places[i++].index]);
            continue;
        }
        for (; i < names->count && places[i].order == order && places[i].range.first <= range.last + 1U; i++)
            if (places[i].range.last > range.last)
                range.last = places[i].range.last;
        add_name(&joined, &range);
    }
    strv_copy(names, &joined);
}

void port_names_expand(const struct strv *names, struct strv *ret)
{
    for (size_t i = 0; i < names->count; i++) {
        struct port_range range;
        if (port_range_parse(names->items[i], &range, NULL) < 0) {
            strv_add(ret, names->items[i]);
            continue;
        }
        for (unsigned port = range.first; port <= range.last; port++)
            strv_addf(ret, "%u/%s", port, range.protocol);
    }
}

/* ---- bindings ---- */

static void binding_free(struct port_binding *b)
{
    free(b->port);
    free(b->host_ip);
    free(b->host_port);
}

void port_bindings_release(struct json_array *bindings)
{
    struct port_binding *items = bindings->items;
    for (size_t i = 0; i < bindings->count; i++)
        binding_free(&items[i]);
    free(items);
    *bindings = (struct json_array){0};
}

/* 0: none, which is any; -1: not one number. */
static int64_t host_number(const char *text)
{
    int64_t number;
    if (*text == '\0')
        return 0;
    return parse_int64(text, 1, UINT16_MAX, &number) == 0 && *text != '0' ? number : -1;
}

static bool continues(const struct port_binding *range, const struct place *place, const struct port_binding *b)
{
    struct place start = place_of(range->port, 0);
    int64_t host = host_number(range->host_port), own = host_number(b->host_port);
    unsigned next = range->more + 1;
    return is_counted(place) && is_counted(&start) && place->order == start.order &&
           start.range.first + next == place->range.first && strcmp(range->host_ip, b->host_ip) == 0 && host >= 0 &&
           own == (host > 0 ? host + next : 0);
}

/* The entry among the last few that this one continues; not before `from`, so that those of a port keep their order. */
static struct port_binding *find_continued(struct port_binding *joined, size_t count, size_t from,
                                           const struct place *place, const struct port_binding *b)
{
    enum { LAST = 8 };
    for (size_t i = count > LAST && count - LAST > from ? count - LAST : from; i < count; i++)
        if (continues(&joined[i], place, b))
            return &joined[i];
    return NULL;
}

void port_bindings_compact(struct json_array *bindings)
{
    struct port_binding *items = bindings->items;
    if (bindings->count < 2)
        return;
    CLEANUP_FREE struct place *places = xcalloc(bindings->count, sizeof(*places));
    for (size_t i = 0; i < bindings->count; i++)
        places[i] = place_of(items[i].port, i);
    qsort(places, bindings->count, sizeof(*places), compare);
    struct port_binding *joined = xcalloc(bindings->count, sizeof(*joined));
    size_t count = 0, from = 0;
    for (size_t i = 0; i < bindings->count; i++) {
        struct port_binding *b = &items[places[i].index];
        if (i == 0 || places[i].order != places[i - 1].order || places[i].range.first != places[i - 1].range.first)
            from = 0;
        struct port_binding *found = b->more == 0 ? find_continued(joined, count, from, &places[i], b) : NULL;
        if (found != NULL) {
            found->more++;
            from = (size_t)(found - joined) + 1;
            binding_free(b);
        } else {
            joined[count++] = *b;
            from = count;
        }
    }
    free(items);
    bindings->items = xreallocarray(joined, count, sizeof(*joined));
    bindings->count = count;
}

/* The nth port of an entry. */
static void format_binding(const struct port_binding *b, unsigned n, char port[PORT_NAME_SIZE], char host[8])
{
    struct port_range range;
    int64_t number = host_number(b->host_port);
    if (port_range_parse(b->port, &range, NULL) == 0)
        snprintf(port, PORT_NAME_SIZE, "%u/%s", range.first + n, range.protocol);
    snprintf(host, 8, "%.0d", number > 0 ? (int)number + (int)n : 0);
}

void port_bindings_expand(struct json_array *bindings)
{
    const struct port_binding *items = bindings->items;
    size_t total = bindings->count, count = 0;
    for (size_t i = 0; i < bindings->count; i++)
        total += items[i].more;
    struct port_binding *all = xcalloc(total + 1, sizeof(*all));
    for (size_t i = 0; i < bindings->count; i++) {
        char port[PORT_NAME_SIZE], host[8];
        for (unsigned n = 1; n <= items[i].more; n++) {
            format_binding(&items[i], n, port, host);
            all[count + n] = (struct port_binding){
                .port = xstrdup(port), .host_ip = xstrdup(items[i].host_ip), .host_port = xstrdup(host)};
        }
        all[count] = items[i];
        all[count].more = 0;
        count += items[i].more + 1U;
    }
    free(bindings->items);
    bindings->items = all;
    bindings->count = total;
}

/* ---- bindings as the API shows them ---- */

static void write_binding(struct json_writer *w, const struct port_binding *b, const char *host_port)
{
    json_begin_object(w);
    json_member_string(w, "HostIp", b->host_ip);
    json_member_string(w, "HostPort", host_port);
    json_end_object(w);
}

/* One of a kind that is not counted up. */
static void write_single(struct json_writer *w, const struct port_binding *items, size_t i, size_t count)
{
    if (i > 0 && strcmp(items[i].port, items[i - 1].port) == 0)
        return;
    json_key(w, items[i].port);
    json_begin_array(w);
    for (size_t j = i; j < count && strcmp(items[j].port, items[i].port) == 0; j++)
        write_binding(w, &items[j], items[j].host_port);
    json_end_array(w);
}

/* The port at `place`, and all others that are the same one: of entries that begin before it does. */
static void write_port(struct json_writer *w, const struct port_binding *items, const struct place *places, size_t i,
                       size_t count, unsigned port)
{
    char name[PORT_NAME_SIZE], host[8];
    format_binding(&items[i], port - places[i].range.first, name, host);
    json_key(w, name);
    json_begin_array(w);
    for (size_t j = i; j < count && places[j].order == places[i].order && places[j].range.first <= port; j++) {
        unsigned n = port - places[j].range.first;
        if (n > items[j].more || !is_counted(&places[j]))
            continue;
        format_binding(&items[j], n, name, host);
        write_binding(w, &items[j], n == 0 ? items[j].host_port : host);
    }
    json_end_array(w);
}

void port_bindings_write(const struct json_array *bindings, struct json_writer *w)
{
    const struct port_binding *items = bindings->items;
    CLEANUP_FREE struct place *places = xcalloc(bindings->count + 1, sizeof(*places));
    unsigned next = 0; /* the first port of the protocol that is not written yet */
    for (size_t i = 0; i < bindings->count; i++)
        places[i] = place_of(items[i].port, i);
    json_begin_object(w);
    for (size_t i = 0; i < bindings->count; i++) {
        if (i == 0 || places[i].order != places[i - 1].order)
            next = 0;
        if (!is_counted(&places[i])) {
            write_single(w, items, i, bindings->count);
            continue;
        }
        unsigned last = places[i].range.first + items[i].more;
        for (unsigned port = places[i].range.first > next ? places[i].range.first : next; port <= last; port++) {
            write_port(w, items, places, i, bindings->count, port);
            next = port + 1;
        }
    }
    json_end_object(w);
}

/* ---- sets ---- */

bool port_set_has(const struct port_set *set, unsigned port, const char *protocol)
{
    return set->bits[protocol_order(protocol) - 1][port / 64] >> port % 64 & 1;
}

void port_set_add(struct port_set *set, unsigned port, const char *protocol)
{
    set->bits[protocol_order(protocol) - 1][port / 64] |= UINT64_C(1) << port % 64;
}
