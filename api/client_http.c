#include "api/client_http.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"

/* One line of a chunk's extension or of the trailer, and the trailer as a whole. */
#define CHUNK_LINE_MAX 4096
#define CHUNK_TRAILER_MAX 16384

size_t http_head_length(const char *data, size_t size)
{
    const char *at = data, *end = data + size;

    while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
        at++;
        if (at < end && *at == '\n')
            return (size_t)(at - data) + 1;
        if (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
            return (size_t)(at - data) + 2;
    }
    return 0;
}

static int malformed(struct error *err, const char *what)
{
    return error_set(err, ERROR_SYSTEM, EPROTO, "malformed HTTP response: %s", what);
}

/* "HTTP/1.1 200 OK" */
static int parse_status_line(const char *line, size_t size, struct http_head *head, struct error *err)
{
    if (size < strlen("HTTP/1.1 200") || strncmp(line, "HTTP/1.", strlen("HTTP/1.")) != 0 || line[8] != ' ')
        return malformed(err, "no status line");
    for (int i = 9; i < 12; i++) {
        if (line[i] < '0' || line[i] > '9')
            return malformed(err, "bad status");
        head->status = head->status * 10 + (line[i] - '0');
    }
    if (head->status < 100 || (size > 12 && line[12] != ' '))
        return malformed(err, "bad status");
    head->close = line[7] == '0';
    return 0;
}

static void append_header(struct strmap *headers, const char *name, size_t name_size, const char *value,
                          size_t value_size)
{
    if (headers->count == headers->capacity) {
        headers->capacity = headers->capacity ? headers->capacity * 2 : 8;
        headers->items = xreallocarray(headers->items, headers->capacity, sizeof(*headers->items));
    }
    headers->items[headers->count++] =
        (struct strmap_entry){.key = xstrndup(name, name_size), .value = xstrndup(value, value_size)};
}

static int parse_header(const char *line, size_t size, struct http_head *head, struct error *err)
{
    const char *colon = memchr(line, ':', size);
    const char *value, *end = line + size;
    size_t name_size;

    if (!colon || colon == line || *line == ' ' || *line == '\t' || memchr(line, '\0', size))
        return malformed(err, "bad header line");
    if (head->headers.count >= HTTP_HEADERS_MAX)
        return malformed(err, "too many headers");
    name_size = (size_t)(colon - line);
    for (value = colon + 1; value < end && (*value == ' ' || *value == '\t'); value++)
        continue;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    append_header(&head->headers, line, name_size, value, (size_t)(end - value));
    return 0;
}

/* What the headers say about the body's framing. */
static int understand(struct http_head *head, struct error *err)
{
    const char *coding = http_head_get(head, "Transfer-Encoding");
    const char *connection = http_head_get(head, "Connection");
    const char *length = http_head_get(head, "Content-Length");

    head->content_length = -1;
    if (coding && strcasecmp(coding, "chunked") != 0 && strcasecmp(coding, "identity") != 0)
        return malformed(err, "unknown transfer coding");
    head->chunked = coding && strcasecmp(coding, "chunked") == 0;
    if (length && parse_int64(length, 0, INT64_MAX, &head->content_length) < 0)
        return malformed(err, "bad Content-Length");
    if (connection && strcasestr(connection, "close"))
        head->close = true;
    else if (connection && strcasestr(connection, "keep-alive"))
        head->close = false;
    return 0;
}

int http_head_parse(const char *data, size_t size, struct http_head *ret, struct error *err)
{
    bool first = true;

    while (size > 0) {
        const char *newline = memchr(data, '\n', size);
        size_t whole = newline ? (size_t)(newline - data) + 1 : size;
        size_t length = newline ? whole - 1 : whole;
        int r = 0;

        if (length > 0 && data[length - 1] == '\r')
            length--;
        if (first)
            r = parse_status_line(data, length, ret, err);
        else if (length > 0)
            r = parse_header(data, length, ret, err);
        if (r < 0)
            return r;
        first = false;
        data += whole;
        size -= whole;
    }
    if (first)
        return malformed(err, "no status line");
    return understand(ret, err);
}

void http_head_release(struct http_head *head)
{
    strmap_release(&head->headers);
}

const char *http_head_get(const struct http_head *head, const char *name)
{
    for (size_t i = 0; i < head->headers.count; i++) {
        if (strcasecmp(head->headers.items[i].key, name) == 0)
            return head->headers.items[i].value;
    }
    return NULL;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int end_of_size(struct chunk_decoder *decoder)
{
    if (decoder->digits == 0)
        return -EPROTO;
    decoder->state = decoder->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
    decoder->digits = 0;
    decoder->line = 0;
    return 0;
}

/* One byte of the size line. */
static int feed_size(struct chunk_decoder *decoder, char c)
{
    int digit = hex_value(c);

    if (digit >= 0) {
        if (++decoder->digits > 15)
            return -EPROTO;
        decoder->left = decoder->left << 4 | (uint64_t)digit;
        return 0;
    }
    if (c == '\n')
        return end_of_size(decoder);
    if (decoder->digits == 0 || (c != '\r' && c != ';' && c != ' ' && c != '\t'))
        return -EPROTO;
    decoder->state = CHUNK_EXTENSION;
    return 0;
}

/* One byte that is not data. */
static int feed(struct chunk_decoder *decoder, char c)
{
    switch (decoder->state) {
    case CHUNK_SIZE:
        return feed_size(decoder, c);
    case CHUNK_EXTENSION:
        if (c == '\n')
            return end_of_size(decoder);
        return ++decoder->line > CHUNK_LINE_MAX ? -EPROTO : 0;
    case CHUNK_DATA_END:
        if (c == '\n')
            decoder->state = CHUNK_SIZE;
        return c == '\n' || c == '\r' ? 0 : -EPROTO;
    case CHUNK_TRAILER:
        if (c == '\n' && decoder->line == 0)
            decoder->state = CHUNK_DONE;
        else if (c == '\n')
            decoder->line = 0;
        else if (c != '\r')
            decoder->line++;
        return ++decoder->trailer > CHUNK_TRAILER_MAX ? -EPROTO : 0;
    case CHUNK_DATA:
    case CHUNK_DONE:
        break;
    }
    return -EPROTO;
}

ssize_t chunk_decode(struct chunk_decoder *decoder, const char **in, size_t *in_size, char *out, size_t out_size)
{
    size_t written = 0;

    while (*in_size > 0 && written < out_size && decoder->state != CHUNK_DONE) {
        size_t n = 1;

        if (decoder->state == CHUNK_DATA) {
            n = out_size - written < *in_size ? out_size - written : *in_size;
            if (n > decoder->left)
                n = (size_t)decoder->left;
            memcpy(out + written, *in, n);
            written += n;
            decoder->left -= n;
            if (decoder->left == 0)
                decoder->state = CHUNK_DATA_END;
        } else if (feed(decoder, **in) < 0) {
            return -EPROTO;
        }
        *in += n;
        *in_size -= n;
    }
    return (ssize_t)written;
}
