/* The variables by which a container is told of a linked one. */
#include <ctype.h>

#include "base/memory.h"
#include "base/parse.h"
#include "daemon/links.h"

struct port {
    int64_t number;
    char protocol[8];
};

/* tcp before the others, then by number. */
static int compare(const void *a, const void *b)
{
    const struct port *x = a, *y = b;
    bool tx = strcmp(x->protocol, "tcp") == 0, ty = strcmp(y->protocol, "tcp") == 0;
    if (tx != ty)
        return tx ? -1 : 1;
    int protocol = strcmp(x->protocol, y->protocol);
    return protocol != 0 ? protocol : (x->number > y->number) - (x->number < y->number);
}

static size_t parse_ports(const struct strv *list, struct port *ports)
{
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        size_t digits = strcspn(list->items[i], "/");
        CLEANUP_FREE char *number = xstrndup(list->items[i], digits);
        struct port *p = &ports[count];
        if (parse_int64(number, 1, 65535, &p->number) < 0)
            continue;
        snprintf(p->protocol, sizeof(p->protocol), "%s",
                 list->items[i][digits] == '/' ? list->items[i] + digits + 1 : "tcp");
        count++;
    }
    if (count > 1)
        qsort(ports, count, sizeof(*ports), compare);
    return count;
}

static char *upper(const char *text)
{
    char *out = xstrdup(text);
    for (char *p = out; *p != '\0'; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    return out;
}

/* NAME_PORT_80_TCP and its parts; with `part` ("_START", "_END") the ends of a range. */
static void add_port(struct strv *ret, const char *alias, const struct port *named, const struct port *p,
                     const char *address, const char *part)
{
    CLEANUP_FREE char *protocol = upper(named->protocol);
    CLEANUP_FREE char *name = xasprintf("%s_PORT_%d_%s", alias, (int)named->number, protocol);
    strv_addf(ret, "%s%s=%s://%s:%d", name, part, p->protocol, address, (int)p->number);
    if (strcmp(part, "_END") != 0) {
        strv_addf(ret, "%s_ADDR=%s", name, address);
        strv_addf(ret, "%s_PROTO=%s", name, p->protocol);
    }
    strv_addf(ret, "%s_PORT%s=%d", name, part, (int)p->number);
}

static void add_ranges(struct strv *ret, const char *alias, const struct port *ports, size_t count, const char *address)
{
    for (size_t i = 0; i < count; i++) {
        size_t j = i;
        while (j + 1 < count && ports[j + 1].number == ports[j].number + 1 &&
               strcmp(ports[j + 1].protocol, ports[i].protocol) == 0)
            j++;
        if (j > i + 1) {
            add_port(ret, alias, &ports[i], &ports[i], address, "_START");
            add_port(ret, alias, &ports[i], &ports[j], address, "_END");
        }
        i = j;
    }
    for (size_t i = 0; i < count; i++)
        add_port(ret, alias, &ports[i], &ports[i], address, "");
}

void link_environment(const struct link_facts *link, struct strv *ret)
{
    const char *slash = strrchr(link->alias, '/');
    CLEANUP_FREE char *alias = upper(slash != NULL ? slash + 1 : link->alias);
    CLEANUP_FREE struct port *ports = xcalloc(link->ports->count + 1, sizeof(*ports));
    size_t count = parse_ports(link->ports, ports);
    if (count > 0) {
        const struct port *lowest = &ports[0];
        for (size_t i = 1; i < count; i++)
            if (ports[i].number < lowest->number)
                lowest = &ports[i];
        strv_addf(ret, "%s_PORT=%s://%s:%d", alias, lowest->protocol, link->address, (int)lowest->number);
    }
    add_ranges(ret, alias, ports, count, link->address);
    strv_addf(ret, "%s_NAME=/%s/%s", alias, link->own_name, link->alias);
    for (size_t i = 0; i < link->env->count; i++) {
        const char *entry = link->env->items[i];
        size_t name = strcspn(entry, "=");
        bool passed_over =
            (name == 4 && strncmp(entry, "HOME", 4) == 0) || (name == 4 && strncmp(entry, "PATH", 4) == 0);
        if (entry[name] == '=' && !passed_over)
            strv_addf(ret, "%s_ENV_%s", alias, entry);
    }
}
