#include <errno.h>
#include <string.h>

#include "base/strbuf.h"
#include "daemon/build/dockerfile.h"

#define AROUND 3         /* lines before and after */
#define EXCERPT_MAX 1000 /* bytes */
#define LINE_MAX_SHOWN 160

/* As docker's CLI shows it:
 *   Dockerfile:3
 *   --------------------
 *      2 |     FROM x
 *      3 | >>> RUNN y
 *   --------------------
 */
static void excerpt(const struct dockerfile *file, const struct instruction *instruction, struct strbuf *out)
{
    int first = instruction->first_line > AROUND ? instruction->first_line - AROUND : 1;
    int last = instruction->last_line + AROUND;
    if (last > (int)file->lines.count)
        last = (int)file->lines.count;
    strbuf_addf(out, "\n%s:%d\n--------------------\n", file->name, instruction->first_line);
    for (int i = first; i <= last && out->size < EXCERPT_MAX; i++) {
        bool here = i >= instruction->first_line && i <= instruction->last_line;
        strbuf_addf(out, "%4d | %s %.*s\n", i, here ? ">>>" : "   ", LINE_MAX_SHOWN, file->lines.items[i - 1]);
    }
    strbuf_adds(out, "--------------------");
}

int instruction_error(const struct dockerfile *file, const struct instruction *instruction, struct error *err)
{
    if (err == NULL)
        return -EINVAL;
    if (file == NULL)
        return error_context(err, "ONBUILD %s", instruction->original);
    CLEANUP_STRBUF struct strbuf lines = STRBUF_INIT;
    CLEANUP_FREE char *message = xstrdup(err->message);
    excerpt(file, instruction, &lines);
    return error_set(err, err->kind, err->errnum, "dockerfile parse error on line %d: %.*s%s", instruction->first_line,
                     (int)(sizeof(err->message) - EXCERPT_MAX - LINE_MAX_SHOWN - 100), message, strbuf_str(&lines));
}
