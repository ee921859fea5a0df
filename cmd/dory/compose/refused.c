/* Subcommands of docker's plugin that dory does not have: told by name, not taken for typing errors. */
#include "cmd/dory/compose/compose.h"

#define REFUSED(word, what)                                                                                            \
    static int run_##word(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)               \
    {                                                                                                                  \
        (void)cli, (void)flags, (void)arguments;                                                                       \
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "compose " #word " is not supported: " what);                  \
    }                                                                                                                  \
    const struct command command_compose_##word = {                                                                    \
        .name = "compose " #word,                                                                                      \
        .usage = "[ARGS...]",                                                                                          \
        .summary = "Not supported",                                                                                    \
        .max_arguments = -1,                                                                                           \
        .stop_at_argument = true,                                                                                      \
        .hidden = true,                                                                                                \
        .local = true,                                                                                                 \
        .run = run_##word,                                                                                             \
    };

REFUSED(alpha, "dory has no experimental commands")
REFUSED(bridge, "dory converts applications to nothing else")
REFUSED(models, "dory runs no models")
REFUSED(publish, "applications are shared as their Compose files")
