/* Questions about a Dockerfile (moby/buildkit frontend/subrequests): answers are JSON in result.json and text in
 * result.txt. */
#include <string.h>

#include "api/buildkit/solve_options.h"

int solve_subrequest(struct solve *solve, const char *name, const char *text, size_t size,
                     const struct build_options *options, struct error *err)
{
    (void)solve;
    (void)text;
    (void)size;
    (void)options;
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "the request %.100s about a Dockerfile is not supported", name);
}
