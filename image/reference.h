/*
 * Image references: [domain/]path[:tag][@digest], by the grammar and the defaults of docker ("docker.io",
 * "library/", ":latest"). Pure and bounded.
 */
#ifndef DORY_IMAGE_REFERENCE_H
#define DORY_IMAGE_REFERENCE_H

#include <stdbool.h>

#include "base/error.h"

#define REFERENCE_NAME_MAX 255
#define REFERENCE_TAG_MAX 128
#define DIGEST_TEXT_MAX 72 /* "sha256:" + 64 hex + NUL */

struct reference {
    char *domain; /* "docker.io", "localhost:5000" */
    char *path;   /* "library/busybox" */
    char *tag;    /* NULL when there is none */
    char *digest; /* "sha256:..." or NULL */
};

/* Docker's wording: `invalid reference format`, `invalid reference format: repository name (X) must be lowercase`. */
int reference_parse(const char *text, struct reference *ret, struct error *err);
/* The same for those who only ask whether it is one. */
int reference_check(const char *text, struct error *err);
void reference_release(struct reference *ref);
/* Adds the tag "latest" when there is neither tag nor digest. */
void reference_default_tag(struct reference *ref);
/* "busybox:latest": docker.io and library/ dropped, tag or digest appended. The caller frees. */
char *reference_familiar(const struct reference *ref);
/* "busybox": without tag and digest. */
char *reference_familiar_name(const struct reference *ref);
/* "docker.io/library/busybox:latest". */
char *reference_full(const struct reference *ref);
char *reference_full_name(const struct reference *ref);
/* "sha256:" + 64 lower-case hex digits, nothing else. */
bool digest_is_valid(const char *text);

#endif
