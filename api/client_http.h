/*
 * The parts of HTTP/1.1 that a client reads: the head of a response and the chunked coding. Pure and bounded; whatever
 * the peer sends, nothing is read or written outside the given ranges.
 */
#ifndef DORY_API_CLIENT_HTTP_H
#define DORY_API_CLIENT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strmap.h"

#define HTTP_HEADERS_MAX 128

struct http_head {
    int status;
    struct strmap headers;  /* in order; a name may come twice */
    int64_t content_length; /* -1: not given */
    bool chunked;
    bool close; /* the connection ends with this response */
};

/* Length of the head at the start of data, blank line included; 0 when it is not complete yet. */
size_t http_head_length(const char *data, size_t size);
/* Parses a complete head. 0 or -EPROTO. Released with http_head_release() in every case. */
int http_head_parse(const char *data, size_t size, struct http_head *ret, struct error *err);
void http_head_release(struct http_head *head);
const char *http_head_get(const struct http_head *head, const char *name);

enum chunk_state {
    CHUNK_SIZE,      /* before or within the size line */
    CHUNK_EXTENSION, /* the rest of the size line */
    CHUNK_DATA,
    CHUNK_DATA_END, /* the line break behind the data */
    CHUNK_TRAILER,  /* lines behind the last chunk */
    CHUNK_DONE,
};

/* Zero-initialised is the start of a body. */
struct chunk_decoder {
    enum chunk_state state;
    uint64_t left;   /* of the current chunk, or the size so far */
    unsigned digits; /* of the size line */
    size_t line;     /* bytes in the current line of extension or trailer */
    size_t trailer;  /* bytes of all trailer lines */
};

/*
 * Takes bytes from *in (advancing *in and *in_size) and writes decoded ones to out; stops when one of the two is
 * exhausted or the body has ended (state CHUNK_DONE; what follows is left in *in). Returns the number of bytes written
 * or -EPROTO.
 */
ssize_t chunk_decode(struct chunk_decoder *decoder, const char **in, size_t *in_size, char *out, size_t out_size);

#endif
