/* --squash: several layers as one, in overlay form. */
#ifndef DORY_DAEMON_BUILD_SQUASH_H
#define DORY_DAEMON_BUILD_SQUASH_H

#include "daemon/build/execute.h"

/* One layer, digested, that does above the state's base what all of its own do. Files are linked, not copied. */
int build_squash(struct build *build, const struct build_state *state, struct build_layer **ret, struct error *err);

#endif
