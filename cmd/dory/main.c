/* dory: reads the global flags, finds the command and runs it. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd/dory/config_file.h"
#include "cmd/dory/dispatch.h"
#include "cmd/dory/global_flags.h"
#include "cmd/dory/help.h"

static int run(struct cli *cli, const struct global_flags *flags, const struct strv *words)
{
    config_file_check(cli);
    if (flags->version) {
        printf("%s version %s, build %s\n", strcmp(cli->program, "docker") == 0 ? "Docker" : "Dory", DORY_VERSION,
               cli_git_commit());
        return 0;
    }
    if (words->count == 0) {
        help_program(stderr, cli);
        return 0;
    }
    struct endpoint_choice choice = {.host = flags->hosts.count ? flags->hosts.items[flags->hosts.count - 1] : NULL,
                                     .context = flags->context,
                                     .tls = &flags->tls};
    return dispatch(cli, &choice, words);
}

/* A descriptor of our own must not come to be standard input or output because the caller closed that. */
static void open_closed_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null",
                        O_RDWR); /* becomes fd, the lowest that is free; without /dev/null all stays as it is */
    }
}

int main(int argc, char **argv)
{
    struct global_flags flags = {0};
    struct error err = {0};
    CLEANUP_STRV struct strv words = STRV_INIT;
    bool help = false;
    struct option_parse parse = {.options = global_options, .stop_at_argument = true};
    struct cli cli = {.program = strcmp(basename(argv[0]), "docker") == 0 ? "docker" : "dory",
                      .called = argv[0],
                      .arguments = argv + 1};

    open_closed_streams();
    signal(SIGPIPE, SIG_IGN);
    int status = 0;
    int r = options_parse(&parse, argc - 1, argv + 1, &flags, &words, &help, &err);
    CLEANUP_FREE char *config = global_flags_config(&flags);
    cli.config = config;
    if (r == 0 && !help)
        r = global_flags_apply(&flags, &cli, &err);
    if (r < 0 && err.kind == ERROR_INVALID) {
        fprintf(stderr, "%s\n\nUsage:  %s [OPTIONS] COMMAND [ARG...]\n\nRun '%s --help' for more information\n",
                err.message, cli.program, cli.program);
        status = EXIT_CLI;
    } else if (r < 0) {
        fprintf(stderr, "%s\n", err.message);
        status = 1;
    } else if (help) {
        help_program(stdout, &cli);
    } else {
        status = run(&cli, &flags, &words);
    }
    options_release(global_options, &flags);
    if (fflush(stdout) != 0 && errno == EPIPE)
        dispatch_end_unread();
    return status == 0 && ferror(stdout) ? 1 : status;
}
