/* What the runtime can do, in the form of the OCI runtime spec (features.md). */
#ifndef DORY_RUNTIME_FEATURES_H
#define DORY_RUNTIME_FEATURES_H

#include "base/json.h"

/* The whole object. */
void runtime_features_write(struct json_writer *w);

#endif
