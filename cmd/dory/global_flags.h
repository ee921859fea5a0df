/* The flags in front of the command, and what follows from them. */
#ifndef DORY_CMD_DORY_GLOBAL_FLAGS_H
#define DORY_CMD_DORY_GLOBAL_FLAGS_H

#include "base/json.h"
#include "cmd/dory/command.h"
#include "cmd/dory/tls_options.h"

struct global_flags {
    struct strv hosts;
    char *config, *context, *log_level;
    bool debug, version;
    struct tls_flags tls;
};

/* The directory of config.json: --config, DOCKER_CONFIG or ~/.docker: credentials and contexts are docker's own. The
 * caller frees. */
char *global_flags_config(const struct global_flags *flags);
/* Puts them into cli (pointers into flags). A second host is ERROR_INVALID, a log level that is
 * none ERROR_SYSTEM. */
int global_flags_apply(const struct global_flags *flags, struct cli *cli, struct error *err);
/* What --platform is where it is not given: DOCKER_DEFAULT_PLATFORM, or NULL. The caller frees. */
char *default_platform(void);
/* The commit that the program was built from. */
const char *cli_git_commit(void);
/* When, as docker prints it: "Mon Jan  2 15:04:05 2026". */
const char *cli_build_time(void);
/* The members that `version` and `info` show to templates of this program: its newest API version, the build, the
 * context in use. */
void version_put_build(struct json_writer *w, const struct cli *cli);

#endif
