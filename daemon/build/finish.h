/* The beginning and the end of a build: what it may ask for, and the image. */
#ifndef DORY_DAEMON_BUILD_FINISH_H
#define DORY_DAEMON_BUILD_FINISH_H

#include "daemon/build/execute.h"

/* Refuses what cannot be done, before the first step. */
int build_check_options(struct build *build, struct error *err);
/* The build checks: warnings with check_only, and an error where the Dockerfile says that they are (check=error=true).
 * Without either nothing is looked at. */
int build_lint(struct build *build, struct error *err);
/* All stages are done: waits for the digests, writes the image and the cache's rows, tells the end of the last step. */
int build_finish(struct build *build, struct error *err);

#endif
