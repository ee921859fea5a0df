/* What the files that evaluate instructions share. Private to daemon/build/. */
#ifndef DORY_DAEMON_BUILD_STEP_INTERNAL_H
#define DORY_DAEMON_BUILD_STEP_INTERNAL_H

#include "base/strbuf.h"
#include "daemon/build/step.h"

struct step_context {
    const struct instruction *instruction;
    const struct build_scope *scope;
    const struct container_config *config;
    struct strv *warnings; /* may be NULL */
};

/* One text with the stage's variables put in; the caller frees. */
int step_expand(const struct step_context *c, const char *text, char **ret, struct error *err);
/* "/bin/sh -c", or what SHELL said. */
void step_shell(const struct container_config *config, struct strv *ret);
/* "NAME requires at least one argument" */
int step_needs_arguments(const struct step_context *c, struct error *err);

int step_run_evaluate(const struct step_context *c, struct step_run *ret, struct error *err);
void step_run_release(struct step_run *run);
int step_copy_evaluate(const struct step_context *c, struct step_copy *ret, struct error *err);
void step_copy_release(struct step_copy *copy);
int step_health_evaluate(const struct step_context *c, struct health_config *ret, struct error *err);
/* Adds "80/tcp" for each port of the word "[HOST:]PORT[-PORT][/PROTOCOL]". */
int step_expose_ports(const char *word, struct strv *ret, struct error *err);

/* Go's %q of a list: ["a" "b"] */
void step_quote_list(const struct strv *list, struct strbuf *out);
/* The instruction with its variables put in, as docker's history has it behind "#(nop) ". */
char *step_show(const struct build_step *step);

#endif
