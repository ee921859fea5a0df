/* Where export and save write to: a file that appears whole, or standard output. */
#ifndef DORY_CMD_DORY_OUTPUT_FILE_H
#define DORY_CMD_DORY_OUTPUT_FILE_H

#include "api/client.h"

/* Docker's checks of a path that is about to be written: its directory must be there, and it may not be a device. */
int output_path_check(const char *path, struct error *err);
/* output NULL: standard output, which must not be a terminal. `what` begins the message of a bad path: "failed to
 * export container". Call before the request, so that nothing is asked for in vain. */
int output_check(const char *output, const char *what, struct error *err);
/* The whole body. A file is written beside its place and renamed; a failure leaves what was there. */
int output_copy(struct client_response *response, const char *output, struct error *err);

#endif
