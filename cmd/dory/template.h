/*
 * --format: the part of Go's text/template that docker's users write, over a JSON tree: fields, range/if/with/else,
 * variables, pipelines, comparison, and docker's functions (json, join, lower, upper, title, split, truncate, pad,
 * println, printf, index, len). Pure and bounded.
 */
#ifndef DORY_CMD_DORY_TEMPLATE_H
#define DORY_CMD_DORY_TEMPLATE_H

#include "base/error.h"
#include "base/json.h"
#include "base/strbuf.h"

struct template;

/* "template parsing error: template: :1: ..." on bad syntax. */
int template_parse(const char *text, struct template **ret, struct error *err);
void template_free(struct template *t);
/* Appends the result for `data` to out. A missing member is an error as docker's
 * (`template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"`). */
int template_execute(const struct template *t, const struct json *data, struct strbuf *out, struct error *err);

#endif
