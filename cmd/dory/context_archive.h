/* The archive of `context export`: what is taken from one. Pure and bounded. */
#ifndef DORY_CMD_DORY_CONTEXT_ARCHIVE_H
#define DORY_CMD_DORY_CONTEXT_ARCHIVE_H

#include "base/error.h"
#include "base/strbuf.h"

#define CONTEXT_TLS_FILES 3
/* Size of a file in an archive. */
#define CONTEXT_FILE_MAX (1 << 20)

/* Pieces of the archive's bytes; NULL: not in it. */
struct context_archive {
    const char *meta;
    size_t meta_size;
    struct {
        const char *data;
        size_t size;
    } tls[CONTEXT_TLS_FILES]; /* ca.pem, cert.pem, key.pem */
};

/* Reads a ustar archive. Files below tls/ other than docker's three, and sizes that do not fit, are refused. */
int context_archive_parse(const struct strbuf *archive, struct context_archive *ret, struct error *err);

/* Adds one ustar member (POSIX.1-1988). A name has 99 bytes at most. */
void context_archive_add(struct strbuf *out, const char *name, char type, unsigned mode, const char *data, size_t size);

#endif
