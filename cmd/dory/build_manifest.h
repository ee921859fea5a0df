/* What a directory holds, as a build session's manifest, and its files one by one. */
#ifndef DORY_CMD_DORY_BUILD_MANIFEST_H
#define DORY_CMD_DORY_BUILD_MANIFEST_H

#include "base/strbuf.h"
#include "cmd/dory/build_source.h"

struct build_manifest {
    struct strbuf text; /* api/client_session.h */
    size_t *offsets;    /* of each entry in it */
    size_t count, capacity;
};
void build_manifest_release(struct build_manifest *manifest);
#define CLEANUP_BUILD_MANIFEST CLEANUP(build_manifest_release)

/* Walks the directory; what the source does not let travel is left out. */
int build_manifest_make(const struct build_source *source, struct build_manifest *ret, struct error *err);
/* Opens file number `index` for reading: -1 with errno when it has gone. */
int build_manifest_open(const struct build_source *source, const struct build_manifest *manifest, size_t index);
/* The same for messages. */
const char *build_manifest_path(const struct build_manifest *manifest, size_t index);

/* A name for the directory that is the same for every build of it by this user of this machine: 64 hex digits. */
void build_manifest_key(const struct build_source *source, char ret_key[65]);

#endif
