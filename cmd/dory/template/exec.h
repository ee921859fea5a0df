/* A running template: its state, shared by the walk over the tree (exec.c) and the evaluation of pipelines (eval.c). */
#ifndef DORY_CMD_DORY_TEMPLATE_EXEC_H
#define DORY_CMD_DORY_TEMPLATE_EXEC_H

#include "cmd/dory/template.h"
#include "cmd/dory/template/node.h"
#include "cmd/dory/template/value.h"

struct variable {
    const char *name; /* in the tree */
    struct value value;
};

struct state {
    const struct template *template;
    const struct template_options *options;
    const char *name;        /* of the {{define}} that runs; "" for the whole */
    const struct node *node; /* where it is, for errors */
    struct arena arena;
    struct variable *variables;
    size_t variable_count, variable_capacity;
    size_t depth; /* of {{template}} and of nested evaluation */
    uint64_t steps;
    struct strbuf *out;
    struct error *err;
};

/* "template: :1:2: executing "" at <.X>: WHAT"; returns a negative errno. */
int state_error(struct state *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Evaluates a pipeline; what it declares is pushed, what it assigns is set. */
int eval_pipeline(struct state *s, struct value dot, const struct node *pipe, struct value *ret);
void push_variable(struct state *s, const char *name, struct value value);
int set_variable(struct state *s, const char *name, struct value value);

#endif
