#include "cmd/dory/csv_fields.h"

#include "base/strbuf.h"

void csv_fields_split(const char *text, struct strv *ret)
{
    const char *p = text;
    while (*p) {
        struct strbuf field = STRBUF_INIT;
        bool quoted = *p == '"';
        p += quoted;
        while (*p && (quoted || *p != ',')) {
            if (quoted && *p == '"' && p[1] != '"') {
                quoted = false;
            } else {
                p += quoted && *p == '"';
                strbuf_addc(&field, *p);
            }
            p++;
        }
        p += *p == ',';
        strv_add_take(ret, strbuf_take(&field));
    }
}
