/* What the files of the build checks share. Private to daemon/build/. */
#ifndef DORY_DAEMON_BUILD_CHECK_INTERNAL_H
#define DORY_DAEMON_BUILD_CHECK_INTERNAL_H

#include "daemon/build/check.h"

enum check_rule {
    CHECK_STAGE_NAME_CASING,
    CHECK_FROM_AS_CASING,
    CHECK_NO_EMPTY_CONTINUATION,
    CHECK_CONSISTENT_INSTRUCTION_CASING,
    CHECK_DUPLICATE_STAGE_NAME,
    CHECK_RESERVED_STAGE_NAME,
    CHECK_JSON_ARGS_RECOMMENDED,
    CHECK_MAINTAINER_DEPRECATED,
    CHECK_UNDEFINED_ARG_IN_FROM,
    CHECK_WORKDIR_RELATIVE_PATH,
    CHECK_UNDEFINED_VAR,
    CHECK_MULTIPLE_INSTRUCTIONS_DISALLOWED,
    CHECK_LEGACY_KEY_VALUE_FORMAT,
    CHECK_REDUNDANT_TARGET_PLATFORM,
    CHECK_SECRETS_USED_IN_ARG_OR_ENV,
    CHECK_INVALID_DEFAULT_ARG_IN_FROM,
    CHECK_FROM_PLATFORM_FLAG_CONST_DISALLOWED,
    CHECK_COPY_IGNORED_FILE,
    CHECK_INVALID_DEFINITION_DESCRIPTION,
    CHECK_EXPOSE_PROTO_CASING,
    CHECK_EXPOSE_INVALID_FORMAT,
    CHECK_RULES,
};

struct checker {
    const struct dockerfile *file;
    const struct check_options *options;
    bool on[CHECK_RULES];
    struct check_result *result;
    size_t capacity;
};

/* Adds a finding about the instruction unless the rule is off. */
void check_find(struct checker *c, enum check_rule rule, const struct instruction *in, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Of one line each. */
void check_from(struct checker *c, const struct stages *globals, const struct stage *stage);
void check_casing(struct checker *c);
void check_names(struct checker *c);
void check_descriptions(struct checker *c);
/* Of what comes before in the stage and those that it is made from. */
void check_stage_instructions(struct checker *c);

#endif
