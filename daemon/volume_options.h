/*
 * The options of the local volume driver: `type`, `device` and `o`, handed to mount(2) when the volume is first used,
 * and `size`.
 * Pure, except for the mount itself.
 */
#ifndef DORY_DAEMON_VOLUME_OPTIONS_H
#define DORY_DAEMON_VOLUME_OPTIONS_H

#include "base/error.h"
#include "base/strmap.h"

/* Docker's words: 'invalid option: "x"', 'missing required option: "device"'. *ret_size: the limit that `size` sets, 0
 * for none; it is for volumes that are directories of this machine, and not together with the other options. */
int volume_options_check(const struct strmap *options, uint64_t *ret_size, struct error *err);
/* Is anything to be mounted? */
bool volume_options_mounts(const struct strmap *options);
/* Comma separated mount options into MS_* flags and what is left for the file system ("" when nothing; caller frees).
 */
unsigned long volume_options_flags(const char *text, char **ret_data);
/* Mounts onto `target` (a descriptor of a directory), which is called `name` in errors. May block: network file
 * systems. */
int volume_options_mount(const struct strmap *options, int target_fd, const char *name, struct error *err);

#endif
