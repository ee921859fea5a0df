/* The platform of a manifest in a list: what annotate sets and push demands. Pure. */
#ifndef DORY_CMD_DORY_MANIFEST_PLATFORM_H
#define DORY_CMD_DORY_MANIFEST_PLATFORM_H

#include "base/json.h"
#include "base/strv.h"

struct manifest_platform {
    const char *os, *architecture, *variant, *version; /* NULL or "": stays as it is */
    const struct strv *features;                       /* are added; each may be several, with commas */
};
/* Into entry's Descriptor.platform, in the order in which docker writes it. */
void manifest_platform_set(struct json *entry, const struct manifest_platform *platform);
/* Is it one of the systems and architectures that docker takes for possible? */
bool manifest_platform_valid(const struct json *entry);

#endif
