#include "cmd/dory/each.h"

#include "api/client.h"

int for_each_argument(struct cli *cli, const struct strv *arguments, each_fn fn, void *data)
{
    CLEANUP_STRBUF struct strbuf errors = STRBUF_INIT;
    for (size_t i = 0; i < arguments->count; i++) {
        struct error err = {0};
        int r = fn(cli, arguments->items[i], data, &err);
        if (r < 0) {
            strbuf_addf(&errors, "%s\n", err.message);
        } else if (r == 0) {
            printf("%s\n", arguments->items[i]);
            fflush(stdout);
        }
    }
    fputs(strbuf_str(&errors), stderr);
    return errors.size > 0 ? 1 : 0;
}

int container_request(struct cli *cli, const char *method, const char *name, const char *suffix, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "/containers/");
    client_path_escape(&path, name);
    strbuf_adds(&path, suffix);
    struct client_request request = {.method = method, .path = strbuf_str(&path)};
    return client_call(cli_client(cli), &request, NULL, NULL, NULL, err);
}
