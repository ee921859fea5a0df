#include "cmd/dory/ports_format.h"

struct port {
    const char *ip, *type;
    int64_t private_port, public_port; /* public 0: not published */
};

/* By protocol, published ones by address, then by number: what can be joined comes to stand side by side. */
static int compare_ports(const void *a, const void *b)
{
    const struct port *x = a, *y = b;
    int r = strcmp(x->ip, y->ip);
    if (r == 0)
        r = strcmp(x->type, y->type);
    if (r == 0)
        r = (x->private_port > y->private_port) - (x->private_port < y->private_port);
    return r != 0 ? r : (x->public_port > y->public_port) - (x->public_port < y->public_port);
}

static bool continues(const struct port *last, const struct port *next)
{
    if (strcmp(last->ip, next->ip) != 0 || strcmp(last->type, next->type) != 0 ||
        next->private_port != last->private_port + 1)
        return false;
    return last->public_port == 0 ? next->public_port == 0 : next->public_port == last->public_port + 1;
}

static void add_range(struct strbuf *out, const struct port *first, const struct port *last)
{
    if (out->size > 0)
        strbuf_adds(out, ", ");
    bool single = first == last;
    if (first->public_port > 0) {
        bool v6 = strchr(first->ip, ':') != NULL;
        strbuf_addf(out, "%s%s%s:%d", v6 ? "[" : "", first->ip, v6 ? "]" : "", (int)first->public_port);
        if (!single)
            strbuf_addf(out, "-%d", (int)last->public_port);
        strbuf_adds(out, "->");
    }
    strbuf_addf(out, "%d", (int)first->private_port);
    if (!single)
        strbuf_addf(out, "-%d", (int)last->private_port);
    strbuf_addf(out, "/%s", first->type);
}

char *ports_format(const struct json *list)
{
    size_t count = json_count(list);
    CLEANUP_FREE struct port *ports = xcalloc(count + 1, sizeof(*ports));
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    for (size_t i = 0; i < count; i++) {
        const struct json *p = json_at(list, i);
        const char *ip = json_get_string(p, "IP"), *type = json_get_string(p, "Type");
        ports[i] = (struct port){.ip = ip ? ip : "",
                                 .type = type ? type : "tcp",
                                 .private_port = json_get_int(p, "PrivatePort", 0),
                                 .public_port = json_get_int(p, "PublicPort", 0)};
    }
    qsort(ports, count, sizeof(*ports), compare_ports);
    for (size_t i = 0; i < count;) {
        size_t end = i;
        while (end + 1 < count && continues(&ports[end], &ports[end + 1]))
            end++;
        add_range(&out, &ports[i], &ports[end]);
        i = end + 1;
    }
    return strbuf_take(&out);
}
