/*
 * Git repositories as sources of files: URL#ref:subdirectory or URL?branch=NAME&subdir=PATH, by the git program. Only
 * the transports https, http, git and ssh are spoken, whatever a repository or its submodules ask for
 * (GIT_ALLOW_PROTOCOL), no configuration but git's own defaults is read, no hook runs, and nobody is asked for a
 * password.
 */
#ifndef DORY_DAEMON_BUILD_GIT_H
#define DORY_DAEMON_BUILD_GIT_H

#include <stdbool.h>

#include "base/error.h"

enum git_choice { GIT_UNSAID, GIT_YES, GIT_NO };

struct git_source {
    char *url;
    char *ref;                    /* branch, tag or commit; NULL: what the repository's HEAD says */
    char *subdir;                 /* NULL: all of it */
    char *checksum;               /* with what the commit has to begin; NULL: any will do */
    enum git_choice keep_git_dir; /* unsaid: the option below */
    enum git_choice submodules;   /* unsaid: they are checked out, too */
};
void git_source_release(struct git_source *source);
#define CLEANUP_GIT_SOURCE CLEANUP(git_source_release)

/* git://, git@host:path, ssh://, github.com/..., or http(s):// with a path that ends with ".git". Pure. */
bool git_is_url(const char *text);
/* Splits it. A ref or URL that git would take for an option, and an option in the query that is not known, are refused.
 * Pure. */
int git_source_parse(const char *text, struct git_source *ret, struct error *err);

struct git_options {
    bool keep_git_dir;         /* .git stays in the tree */
    int cancel_fd;             /* readable or hung up: give up (ERROR_CANCELLED); -1: none */
    const char *ssh_auth_sock; /* of an agent; NULL: none */
    const char *authorization; /* header for the repository's own origin, if that is http(s); NULL: none */
};
/*
 * Checks the source out into `path`, an empty directory of ours; submodules too, and *ret_fd (the caller's, O_RDONLY)
 * is the directory that subdir names: it is resolved with the checkout as its root, and one that is no directory is an
 * error. ret_commit (may be NULL) gets the commit. Blocks for as long as git does.
 */
int git_checkout(const struct git_source *source, const char *path, const struct git_options *options, int *ret_fd,
                 char ret_commit[65], struct error *err);

#endif
