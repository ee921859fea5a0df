/*
 * --format: Go's text/template over a JSON tree, with docker's functions (json, join, lower, upper, title, split,
 * truncate, pad). Errors are Go's sentences with line, column and the place in the template. Pure and bounded.
 *
 * Parts, in cmd/dory/template/: lexer, parser (into node.h), exec (walks the tree), eval (pipelines), functions.
 */
#ifndef DORY_CMD_DORY_TEMPLATE_H
#define DORY_CMD_DORY_TEMPLATE_H

#include "base/error.h"
#include "base/json.h"
#include "base/strbuf.h"

struct template;

struct template_options {
    /* The data is an object of the Engine API: nulls print as Go prints the empty list, map or pointer of that field,
     * objects that are structs print as structs. */
    bool typed;
    /* Go's name of the data's type: asking for a field that it has not is told with it. NULL: data is a map. */
    const char *type_name;
    /* The data holds titles of columns: functions leave them alone, titles that are not there are empty. */
    bool header;
};

/* "template parsing error: template: :1: ..." on bad syntax. *ret: template_free. */
int template_parse(const char *text, struct template **ret, struct error *err);
void template_free(struct template *t); /* NULL is fine */
/*
 * Appends the result for `data` to out. A missing member is an error as docker's
 * (`template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"`). `.Label "x"` of an object with a member
 * "LabelMap" answers from that.
 */
int template_execute_with(const struct template *t, const struct json *data, const struct template_options *options,
                          struct strbuf *out, struct error *err);
int template_execute(const struct template *t, const struct json *data, struct strbuf *out, struct error *err);
/* As `inspect` does it: as an object of the API; what that does not have is looked for in the plain tree, whose error
 * is the one told, with "template parsing error: " in front. */
int template_execute_object(const struct template *t, const struct json *data, struct strbuf *out, struct error *err);
/* Parse and execute; all errors begin with "template parsing error: ". */
int template_render(const char *text, const struct json *data, const struct template_options *options,
                    struct strbuf *out, struct error *err);

#endif
