#include "cmd/dory/command_call.h"

#include "base/strv.h"
#include "cmd/dory/command_names.h"

int command_call(struct cli *cli, const char *name, const struct strv *words, struct error *err)
{
    CLEANUP_STRV struct strv name_words = STRV_INIT, arguments = STRV_INIT;
    struct command_match match;
    bool help = false;
    strv_split(&name_words, name, ' ');
    command_find(name_words.items, name_words.count, &match);
    if (!match.command)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "there is no command %s", name);
    const struct command *command = match.command;
    struct option_parse parse = {.options = command->options, .stop_at_argument = command->stop_at_argument};
    CLEANUP_FREE void *flags = xcalloc(1, command->flags_size ? command->flags_size : 1);
    if (command->defaults)
        command->defaults(flags);
    int r = options_parse(&parse, (int)words->count, words->items, flags, &arguments, &help, err);
    if (r == 0)
        r = command->run(cli, flags, &arguments, err);
    options_release(command->options, flags);
    return r;
}
