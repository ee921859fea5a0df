/* The table of commands: the common ones in the order of --help, then the rest by name. */
#include "cmd/dory/compose/compose.h"

#define COMMANDS(X)                                                                                                    \
    X(run)                                                                                                             \
    X(exec)                                                                                                            \
    X(ps)                                                                                                              \
    X(build)                                                                                                           \
    X(pull)                                                                                                            \
    X(push)                                                                                                            \
    X(images)                                                                                                          \
    X(login)                                                                                                           \
    X(logout)                                                                                                          \
    X(search)                                                                                                          \
    X(version)                                                                                                         \
    X(info)                                                                                                            \
    X(attach)                                                                                                          \
    X(commit)                                                                                                          \
    X(cp)                                                                                                              \
    X(create)                                                                                                          \
    X(diff)                                                                                                            \
    X(events)                                                                                                          \
    X(export)                                                                                                          \
    X(history)                                                                                                         \
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
    X(save)                                                                                                            \
    X(start)                                                                                                           \
    X(stats)                                                                                                           \
    X(stop)                                                                                                            \
    X(tag)                                                                                                             \
    X(top)                                                                                                             \
    X(unpause)                                                                                                         \
    X(update)                                                                                                          \
    X(wait)                                                                                                            \
    X(compose_alpha)                                                                                                   \
    X(compose_attach)                                                                                                  \
    X(compose_bridge)                                                                                                  \
    X(compose_build)                                                                                                   \
    X(compose_commit)                                                                                                  \
    X(compose_config)                                                                                                  \
    X(compose_cp)                                                                                                      \
    X(compose_create)                                                                                                  \
    X(compose_down)                                                                                                    \
    X(compose_events)                                                                                                  \
    X(compose_exec)                                                                                                    \
    X(compose_export)                                                                                                  \
    X(compose_images)                                                                                                  \
    X(compose_kill)                                                                                                    \
    X(compose_logs)                                                                                                    \
    X(compose_ls)                                                                                                      \
    X(compose_models)                                                                                                  \
    X(compose_pause)                                                                                                   \
    X(compose_port)                                                                                                    \
    X(compose_ps)                                                                                                      \
    X(compose_publish)                                                                                                 \
    X(compose_pull)                                                                                                    \
    X(compose_push)                                                                                                    \
    X(compose_restart)                                                                                                 \
    X(compose_rm)                                                                                                      \
    X(compose_run)                                                                                                     \
    X(compose_scale)                                                                                                   \
    X(compose_start)                                                                                                   \
    X(compose_stats)                                                                                                   \
    X(compose_stop)                                                                                                    \
    X(compose_top)                                                                                                     \
    X(compose_unpause)                                                                                                 \
    X(compose_up)                                                                                                      \
    X(compose_version)                                                                                                 \
    X(compose_volumes)                                                                                                 \
    X(compose_wait)                                                                                                    \
    X(compose_watch)                                                                                                   \
    X(completion_bash)                                                                                                 \
    X(completion_fish)                                                                                                 \
    X(completion_zsh)                                                                                                  \
    X(container_inspect)                                                                                               \
    X(context_create)                                                                                                  \
    X(context_export)                                                                                                  \
    X(context_import)                                                                                                  \
    X(context_inspect)                                                                                                 \
    X(context_ls)                                                                                                      \
    X(context_rm)                                                                                                      \
    X(context_show)                                                                                                    \
    X(context_update)                                                                                                  \
    X(context_use)                                                                                                     \
    X(image_inspect)                                                                                                   \
    X(man)                                                                                                             \
    X(manifest_annotate)                                                                                               \
    X(manifest_create)                                                                                                 \
    X(manifest_inspect)                                                                                                \
    X(manifest_push)                                                                                                   \
    X(manifest_rm)                                                                                                     \
    X(network_connect)                                                                                                 \
    X(network_create)                                                                                                  \
    X(network_disconnect)                                                                                              \
    X(network_inspect)                                                                                                 \
    X(network_ls)                                                                                                      \
    X(builder_du)                                                                                                      \
    X(builder_export)                                                                                                  \
    X(builder_import)                                                                                                  \
    X(builder_prune)                                                                                                   \
    X(container_prune)                                                                                                 \
    X(image_prune)                                                                                                     \
    X(network_prune)                                                                                                   \
    X(network_rm)                                                                                                      \
    X(system_check)                                                                                                    \
    X(system_df)                                                                                                       \
    X(system_dial_stdio)                                                                                               \
    X(system_prune)                                                                                                    \
    X(volume_create)                                                                                                   \
    X(volume_inspect)                                                                                                  \
    X(volume_ls)                                                                                                       \
    X(volume_prune)                                                                                                    \
    X(volume_rename)                                                                                                   \
    X(volume_rm)

#define DECLARE(name) extern const struct command command_##name;
COMMANDS(DECLARE)
#undef DECLARE

#define ENTRY(name) &command_##name,
const struct command *const commands[] = {COMMANDS(ENTRY)};
#undef ENTRY

const size_t command_count = sizeof(commands) / sizeof(commands[0]);

const struct command_group command_groups[] = {
    {.name = "builder", .summary = "Manage builds"},
    {.name = "completion", .summary = "Generate the autocompletion script for a shell"},
    {.name = "compose",
     .summary = "Define and run multi-container applications",
     .options = compose_global_options,
     .flags_size = sizeof(struct compose_options),
     .usage_status = 1,
     .defaults = compose_options_defaults,
     .prepare = compose_options_prepare},
    {.name = "container", .summary = "Manage containers"},
    {.name = "context", .summary = "Manage contexts"},
    {.name = "image", .summary = "Manage images"},
    {.name = "manifest", .summary = "Manage Docker image manifests and manifest lists"},
    {.name = "network", .summary = "Manage networks"},
    {.name = "system", .summary = "Manage Dory"},
    {.name = "volume", .summary = "Manage volumes"},
};
const size_t command_group_count = sizeof(command_groups) / sizeof(command_groups[0]);
