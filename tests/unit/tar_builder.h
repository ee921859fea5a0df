/* Tar archives made by hand, for the tests and the fuzzer of the image store. */
#ifndef DORY_TESTS_UNIT_TAR_BUILDER_H
#define DORY_TESTS_UNIT_TAR_BUILDER_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"

struct tar_member {
    const char *name;
    char type; /* '0' file, '1' hardlink, '2' symlink, '3' char, '4' block, '5' directory, '6' fifo */
    const char *content;
    size_t size; /* 0: strlen(content) */
    const char *link;
    unsigned mode, uid, gid;
    int64_t mtime;
    unsigned major, minor;
    const char *pax; /* records, without their lengths: "key=value\n..." */
};

static inline void tar_octal(char *to, size_t size, uint64_t n)
{
    for (size_t i = size - 1; i > 0; i--, n >>= 3)
        to[i - 1] = (char)('0' + (n & 7));
}

static inline void tar_header(struct strbuf *out, const char *name, char type, const char *link, size_t size,
                              const struct tar_member *m)
{
    char h[512] = {0};
    snprintf(h, 100, "%s", name);
    tar_octal(h + 100, 8, m->mode != 0 ? m->mode : (type == '5' ? 0755 : 0644));
    tar_octal(h + 108, 8, m->uid);
    tar_octal(h + 116, 8, m->gid);
    tar_octal(h + 124, 12, size);
    tar_octal(h + 136, 12, (uint64_t)m->mtime);
    h[156] = type;
    snprintf(h + 157, 100, "%s", link != NULL ? link : "");
    memcpy(h + 257,
           "ustar\0"
           "00",
           8);
    tar_octal(h + 329, 8, m->major);
    tar_octal(h + 337, 8, m->minor);
    memset(h + 148, ' ', 8);
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof(h); i++)
        sum += (unsigned char)h[i];
    tar_octal(h + 148, 7, sum);
    strbuf_add(out, h, sizeof(h));
}

static inline void tar_contents(struct strbuf *out, const char *data, size_t size)
{
    static const char zero[512];
    strbuf_add(out, data, size);
    strbuf_add(out, zero, (512 - size % 512) % 512);
}

/* The length in front of a pax record counts itself. */
static inline void tar_pax_record(struct strbuf *out, const char *record, size_t size)
{
    size_t total = size + 2;
    char digits[24];
    while ((size_t)snprintf(digits, sizeof(digits), "%zu", total) + 1 + size != total)
        total++;
    strbuf_addf(out, "%zu ", total);
    strbuf_add(out, record, size);
}

static inline void tar_member_add(struct strbuf *out, const struct tar_member *m)
{
    if (m->pax) {
        struct strbuf CLEANUP_STRBUF records = STRBUF_INIT;
        for (const char *p = m->pax; *p;) {
            size_t n = strcspn(p, "\n") + 1;
            tar_pax_record(&records, p, n);
            p += n;
        }
        tar_header(out, "pax", 'x', NULL, records.size, m);
        tar_contents(out, records.data, records.size);
    }
    size_t size = m->size ? m->size : m->content ? strlen(m->content) : 0;
    tar_header(out, m->name, m->type, m->link, size, m);
    if (size > 0)
        tar_contents(out, m->content, size);
}

static inline void tar_end(struct strbuf *out)
{
    static const char zero[1024];
    strbuf_add(out, zero, sizeof(zero));
}

/* A whole archive of an array of members. */
#define TAR(out, ...)                                                                                                  \
    do {                                                                                                               \
        const struct tar_member members_[] = {__VA_ARGS__};                                                            \
        for (size_t i_ = 0; i_ < ARRAY_SIZE(members_); i_++)                                                           \
            tar_member_add((out), &members_[i_]);                                                                      \
        tar_end(out);                                                                                                  \
    } while (0)

#endif
