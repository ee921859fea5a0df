/* The functions of templates: Go's and docker's. */
#ifndef DORY_CMD_DORY_TEMPLATE_FUNCTIONS_H
#define DORY_CMD_DORY_TEMPLATE_FUNCTIONS_H

#include "cmd/dory/template/value.h"

/* What a call gets. A failure is a plain sentence: the executor says where it was. */
struct call {
    struct arena *arena;
    bool header; /* names of columns are being made: functions that change a text leave it alone */
    const struct value *args;
    size_t count;
};
typedef int (*function_call)(const struct call *call, struct value *ret, struct error *err);

enum argument_type { ARGUMENT_ANY, ARGUMENT_STRING, ARGUMENT_INT, ARGUMENT_STRINGS };

struct function {
    const char *name;
    function_call run;           /* NULL for and, or, which do not evaluate all of their arguments */
    int min, max;                /* arguments; max -1: any number */
    enum argument_type types[3]; /* of the first ones */
};

const struct function *function_find(const char *name);

/* The tables, one per file. */
extern const struct function builtin_functions[], docker_functions[];
extern const size_t builtin_function_count, docker_function_count;

/* eq, ne, lt, ... (compare.c) */
int function_eq(const struct call *call, struct value *ret, struct error *err);
int function_ne(const struct call *call, struct value *ret, struct error *err);
int function_lt(const struct call *call, struct value *ret, struct error *err);
int function_le(const struct call *call, struct value *ret, struct error *err);
int function_gt(const struct call *call, struct value *ret, struct error *err);
int function_ge(const struct call *call, struct value *ret, struct error *err);
/* printf, print, println (format.c) */
int function_printf(const struct call *call, struct value *ret, struct error *err);
int function_print(const struct call *call, struct value *ret, struct error *err);
int function_println(const struct call *call, struct value *ret, struct error *err);
/* html, js, urlquery (escape.c) */
int function_html(const struct call *call, struct value *ret, struct error *err);
int function_js(const struct call *call, struct value *ret, struct error *err);
int function_urlquery(const struct call *call, struct value *ret, struct error *err);
/* fmt.Sprint of all arguments. */
void sprint(const struct value *args, size_t count, bool line, struct strbuf *out);

#endif
