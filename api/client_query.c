/* Request targets under construction. */
#include <inttypes.h>
#include <string.h>

#include "api/client.h"

static void escape(struct strbuf *out, const char *text, const char *also_plain)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";

    for (; *text; text++) {
        if (strchr(plain, *text) || strchr(also_plain, *text))
            strbuf_addc(out, *text);
        else
            strbuf_addf(out, "%%%02X", (unsigned char)*text);
    }
}

void client_query_add(struct strbuf *path, const char *name, const char *value)
{
    if (!value)
        return;
    strbuf_addc(path, strchr(strbuf_str(path), '?') ? '&' : '?');
    escape(path, name, "");
    strbuf_addc(path, '=');
    escape(path, value, "");
}

void client_query_add_listed(struct strbuf *path, const char *name, const struct strv *lists)
{
    for (size_t i = 0; i < lists->count; i++) {
        CLEANUP_STRV struct strv values = STRV_INIT;

        strv_split(&values, lists->items[i], ',');
        for (size_t k = 0; k < values.count; k++)
            client_query_add(path, name, values.items[k]);
    }
}

void client_query_add_bool(struct strbuf *path, const char *name, bool value)
{
    if (value)
        client_query_add(path, name, "1");
}

void client_query_add_int(struct strbuf *path, const char *name, int64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRId64, value);
    client_query_add(path, name, text);
}

void client_path_escape(struct strbuf *path, const char *segment)
{
    escape(path, segment, "/:@");
}
