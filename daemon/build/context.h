/*
 * Where a build's files come from before the builder sees them: a directory of the build's own below the data root
 * (build-contexts/NAME), filled from an archive that a client sends, from a URL or from a git repository.
 */
#ifndef DORY_DAEMON_BUILD_CONTEXT_H
#define DORY_DAEMON_BUILD_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"

struct engine;

#define BUILD_DOCKERFILE_MAX ((size_t)4 << 20)
/* Bytes of a remote file that is no archive: a Dockerfile. */
#define BUILD_REMOTE_MAX ((int64_t)64 << 30)

struct build_files {
    struct engine *engine;
    char *name; /* below build-contexts/; NULL: none was made */
    char *path; /* of the directory that was made */
    int fd;     /* the context: that directory or one beneath it; -1: none */
    bool alone; /* what came was no archive but a Dockerfile: it is all there is, under that name */
};
#define BUILD_FILES_INIT                                                                                               \
    {                                                                                                                  \
        .fd = -1                                                                                                       \
    }
#define CLEANUP_BUILD_FILES CLEANUP(build_files_release)

struct build_suppliers;
struct build_fetch {
    int cancel_fd; /* readable or hung up: give up */
    bool keep_git_dir;
    const struct build_suppliers *suppliers; /* of secrets (source_auth.h); NULL: nobody */
};

/* Makes an empty directory (0700). */
int build_files_new(struct engine *engine, struct build_files *ret, struct error *err);
/* Closes it and has it deleted. */
void build_files_release(struct build_files *files);
/* Removes what a daemon that was killed has left; at the start, before any build. */
void build_files_sweep(struct engine *engine);

/*
 * Fills it from a descriptor: a tar (plain, gzip, bzip2, xz, zstd), or a text, which becomes the file "Dockerfile".
 * Nothing leads out of the directory, links are never followed out of it, Nothing at all is an
 * empty context. What is neither is ERROR_INVALID.
 */
int build_files_receive(struct build_files *files, int fd, struct error *err);
/* Fills it from a git repository (git.h) or an http(s) URL of an archive or a Dockerfile. */
int build_files_fetch(struct build_files *files, const char *url, const struct build_fetch *how, struct error *err);

/*
 * The text of the Dockerfile `name` of the context (NULL or "": Dockerfile, else dockerfile), in docker's words when
 * there is none: "Cannot locate specified Dockerfile: x", "forbidden path outside the build context: ../x ()".
 * *ret_name (the caller frees) is how it is called. The file, and .dockerignore, are removed from the context when
 * .dockerignore hides them, as docker does.
 */
int build_files_dockerfile(const struct build_files *files, const char *name, struct strbuf *ret_text, char **ret_name,
                           struct error *err);
/* A Dockerfile at an http(s) URL. */
int build_fetch_dockerfile(const char *url, int cancel_fd, struct strbuf *ret_text, struct error *err);

#endif
