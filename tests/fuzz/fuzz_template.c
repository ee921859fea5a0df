/* Templates of --format: lexer, parser, evaluation and every function, over a fixed object. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/dory/template.h"

static const char object[] = "{\"Id\":\"abc\",\"N\":3,\"R\":1.5,\"On\":true,\"Null\":null,\"L\":[{\"T\":\"x\"},\"y\"],"
                             "\"Labels\":{\"a\":\"b\"},\"LabelMap\":{\"k\":\"v\"}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct json *tree;
    struct template *t;
    struct error err = {0};
    /* What is long is slow, not deep. */
    if (size > 2000)
        return 0;
    if (!tree && json_parse(object, sizeof(object) - 1, &tree, &err) < 0)
        abort();
    CLEANUP_FREE char *text = xstrndup((const char *)data, size);
    if (template_parse(text, &t, &err) < 0)
        return 0;
    static const struct template_options kinds[] = {{0}, {.typed = true}, {.header = true}, {.type_name = "*x"}};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
        template_execute_with(t, tree, &kinds[i], &out, &err);
    }
    template_free(t);
    return 0;
}
