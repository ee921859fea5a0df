/* Answers to questions about a Dockerfile: JSON for programs, and the same as text. What their members are called is
 * BuildKit's (moby/buildkit frontend/subrequests). Private to api/buildkit/. */
#ifndef DORY_API_BUILDKIT_SUBREQUEST_H
#define DORY_API_BUILDKIT_SUBREQUEST_H

#include "api/buildkit/solve_options.h"

/* Each fills solve->metadata. */
int subrequest_lint(struct solve *solve, const struct build_options *options, struct error *err);
int subrequest_outline(struct solve *solve, const struct build_options *options, struct error *err);

/* result.json (indented), result.txt and version of the metadata. */
int subrequest_answer(struct solve *solve, const char *json, const char *text, struct error *err);
/* The member "location": lines of the Dockerfile, which is the first of the answer's sources. */
void subrequest_put_location(struct json_writer *w, int first_line, int last_line);
/* A member with this text, unless it is NULL or "". */
void subrequest_put_optional(struct json_writer *w, const char *key, const char *text);
void subrequest_put_base64(struct json_writer *w, const char *data, size_t size);
/* Cells row by row; columns as wide as their widest cell and `gap` more, but for the last. */
void subrequest_table(struct strbuf *out, const struct strv *cells, size_t columns, unsigned gap);

#endif
