/* The table of commands, in the order of --help. */
#include "cmd/dory/command.h"

#define COMMANDS(X)                                                                                                    \
    X(run)                                                                                                             \
    X(ps)                                                                                                              \
    X(pull)                                                                                                            \
    X(images)                                                                                                          \
    X(version)                                                                                                         \
    X(info)                                                                                                            \
    X(attach)                                                                                                          \
    X(create)                                                                                                          \
    X(events)                                                                                                          \
    X(import)                                                                                                          \
    X(inspect)                                                                                                         \
    X(kill)                                                                                                            \
    X(load)                                                                                                            \
    X(logs)                                                                                                            \
    X(pause)                                                                                                           \
    X(port)                                                                                                            \
    X(rename)                                                                                                          \
    X(restart)                                                                                                         \
    X(rm)                                                                                                              \
    X(rmi)                                                                                                             \
    X(start)                                                                                                           \
    X(stats)                                                                                                           \
    X(stop)                                                                                                            \
    X(tag)                                                                                                             \
    X(top)                                                                                                             \
    X(unpause)                                                                                                         \
    X(update)                                                                                                          \
    X(wait)                                                                                                            \
    X(container_inspect)                                                                                               \
    X(image_inspect)                                                                                                   \
    X(network_inspect)                                                                                                 \
    X(network_ls)                                                                                                      \
    X(volume_create)                                                                                                   \
    X(volume_inspect)                                                                                                  \
    X(volume_ls)                                                                                                       \
    X(volume_prune)                                                                                                    \
    X(volume_rm)

#define DECLARE(name) extern const struct command command_##name;
COMMANDS(DECLARE)
#undef DECLARE

#define ENTRY(name) &command_##name,
const struct command *const commands[] = {COMMANDS(ENTRY)};
#undef ENTRY

const size_t command_count = sizeof(commands) / sizeof(commands[0]);
