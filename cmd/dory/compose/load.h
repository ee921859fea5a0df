/*
 * From files to one tree: parsing, interpolation, the schema, extends, include, merging, defaults, paths. What follows
 * (names, implied networks and dependencies) is normalize.h's.
 */
#ifndef DORY_CMD_DORY_COMPOSE_LOAD_H
#define DORY_CMD_DORY_COMPOSE_LOAD_H

#include "cmd/dory/compose/yaml.h"

/* What stays the same for a project and what it includes. */
struct load {
    struct yaml_pool *pool;
    struct strv *warnings;
    bool raw;              /* leave variables in the texts */
    unsigned files;        /* read so far; bounded */
    struct strv *included; /* "NAME=value" of the variables that secrets and configs of included files stand for */
};

/* What one file has, as it was parsed. In the pool. */
struct load_documents {
    struct yaml **items;
    size_t count;
};

/* One set of files that are merged with each other: the project's own, or those of one `include`. */
struct load_set {
    const struct strv *files;            /* absolute, or "-" */
    const char *directory;               /* absolute: relative names of files begin here */
    const char *base;                    /* what relative paths of the result begin with; NULL: they stay */
    const struct strv *environment;      /* for interpolation */
    const struct load_set *up;           /* which set includes this one; NULL: none */
    const struct load_documents *parsed; /* of each of the files; NULL: they are still to be read */
};

#define LOAD_FILES_MAX 1000
#define LOAD_EXTENDS_MAX 64 /* services, each of which extends the next */

/* Reads and parses one file ("-": standard input). A pipe can be read once only, so whoever wants to look at a file
 * before load_files() does hands on what this made of it. */
int load_parse(struct load *load, const char *path, struct load_documents *ret, struct error *err);
/* The merged, canonical tree. Errors name file, line and column where they can. */
int load_files(struct load *load, const struct load_set *set, struct yaml **ret, struct error *err);

/* ---- its parts ---- */

/* One service of another file with what it extends there, interpolated and canonical: a tree that has nothing else, for
 * what is wrong elsewhere in that file is no matter. NULL in *ret when the file is empty. */
int load_service_file(struct load *load, const struct load_set *set, const char *path, const char *service,
                      struct yaml **ret, struct error *err);
/* extends: every service of the document gets what it extends laid under it. `path` is the document's file. */
int load_extends(struct load *load, const struct load_set *set, const char *path, struct yaml *document,
                 struct error *err);
/* include: loads what the document includes and puts its objects into it. */
int load_include(struct load *load, const struct load_set *set, struct yaml *document, struct error *err);
/* Makes the relative paths of a tree begin with `base`. */
void load_resolve_paths(struct yaml_pool *pool, struct yaml *root, const char *base);
/* Directory `to` as seen from `from` (both absolute): "sub", "../x", ".". The caller frees. */
char *load_relative(const char *from, const char *to);

#endif
