/*
 * The context of a build and its Dockerfile: PATH, URL or "-" and --file, as
 * docker's client understands them.
 */
#ifndef DORY_CMD_DORY_BUILD_SOURCE_H
#define DORY_CMD_DORY_BUILD_SOURCE_H

#include "api/client.h"
#include "archive/ignore.h"
#include "archive/pack.h"

#define DOCKERFILE_SIZE_MAX (4 << 20)

enum build_source_kind {
    BUILD_DIRECTORY,
    BUILD_ARCHIVE, /* a tar on standard input */
    BUILD_REMOTE,  /* the daemon fetches it */
    BUILD_EMPTY,   /* a Dockerfile and nothing else */
};

struct build_source {
    enum build_source_kind kind;
    char *path;               /* BUILD_DIRECTORY: without symlinks and dots */
    int fd;                   /* BUILD_DIRECTORY: the directory; BUILD_ARCHIVE: the rest of the tar;
                                 else -1 */
    struct strbuf head;       /* BUILD_ARCHIVE: what was read of it to see what it is */
    char *remote;             /* BUILD_REMOTE: URL */
    char *dockerfile_name;    /* within the context; NULL: the daemon's default */
    struct strbuf dockerfile; /* its text, with dockerfile_read */
    bool dockerfile_read;     /* the CLI has read it: of a directory, from standard
                                 input */
    bool dockerfile_outside;  /* it is no file of the context */
    struct ignore ignore;
    bool keep_git;
    bool for_classic; /* the daemon reads Dockerfile and .dockerignore itself: they travel, hidden or not */
};
#define CLEANUP_BUILD_SOURCE CLEANUP(build_source_release)
void build_source_release(struct build_source *source);

/*
 * Looks at what was given. Errors as docker's: "unable to prepare context: path
 * "x" not found". keep_git: what
 * --build-arg BUILDKIT_CONTEXT_KEEP_GIT_DIR says.
 */
int build_source_open(const char *context, const char *file, bool keep_git, struct build_source *ret,
                      struct error *err);

/* A directory of --build-context, whose .dockerignore counts. */
int build_source_open_named(const char *path, bool keep_git, struct build_source *ret, struct error *err);
/* Is it a URL for the daemon to fetch? */
bool build_source_is_remote(const char *context);

/* A pack_options.judge, data is the source: what of the directory travels. */
enum pack_verdict build_source_judge(const char *path, const struct stat *st, void *data);

/* Writes the context as a tar for a daemon that reads it whole: a
 * client_request.body_writer, data is a struct build_upload. */
struct build_upload {
    const struct build_source *source;
    const char *dockerfile_name; /* where the text is put when it is no file of
                                    the context */
};
int build_source_send(client_sink sink, void *sink_data, void *data, struct error *err);

#endif
