#include "cmd/dory/ports_format.h"

struct port {
    const char *ip, *type;
    int64_t private_port, public_port; /* public 0: not published */
};

/* By number in the container, then address, then number on the host, then protocol. */
static int compare_ports(const void *a, const void *b)
{
    const struct port *x = a, *y = b;
    int r = (x->private_port > y->private_port) - (x->private_port < y->private_port);
    if (r == 0)
        r = strcmp(x->ip, y->ip);
    if (r == 0)
        r = (x->public_port > y->public_port) - (x->public_port < y->public_port);
    return r != 0 ? r : strcmp(x->type, y->type);
}

/* Ports that follow each other are joined when they are unpublished or published under their own numbers. */
struct group {
    const struct port *key;
    int64_t first, last;
};

static void add_group(struct strbuf *out, const struct group *g)
{
    CLEANUP_FREE char *range =
        g->first == g->last ? xasprintf("%d", (int)g->first) : xasprintf("%d-%d", (int)g->first, (int)g->last);
    bool v6 = strchr(g->key->ip, ':') != NULL;
    strbuf_adds(out, out->size ? ", " : "");
    if (*g->key->ip)
        strbuf_addf(out, "%s%s%s:%s->", v6 ? "[" : "", g->key->ip, v6 ? "]" : "", range);
    strbuf_addf(out, "%s/%s", range, g->key->type);
}

static struct group *find_group(struct group *groups, size_t count, const struct port *port)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(groups[i].key->ip, port->ip) == 0 && strcmp(groups[i].key->type, port->type) == 0)
            return &groups[i];
    }
    return NULL;
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
    CLEANUP_FREE struct group *groups = xcalloc(count + 1, sizeof(*groups));
    CLEANUP_STRBUF struct strbuf mapped = STRBUF_INIT;
    size_t group_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct port *p = &ports[i];
        if (*p->ip && p->public_port != p->private_port) {
            bool v6 = strchr(p->ip, ':') != NULL;
            strbuf_addf(&mapped, "%s%s%s%s:%d->%d/%s", mapped.size ? ", " : "", v6 ? "[" : "", p->ip, v6 ? "]" : "",
                        (int)p->public_port, (int)p->private_port, p->type);
            continue;
        }
        struct group *g = find_group(groups, group_count, p);
        if (!g) {
            groups[group_count++] = (struct group){p, p->private_port, p->private_port};
        } else if (p->private_port == g->last + 1) {
            g->last++;
        } else {
            add_group(&out, g);
            *g = (struct group){p, p->private_port, p->private_port};
        }
    }
    for (size_t i = 0; i < group_count; i++)
        add_group(&out, &groups[i]);
    if (mapped.size)
        strbuf_addf(&out, "%s%s", out.size ? ", " : "", strbuf_str(&mapped));
    return strbuf_take(&out);
}
