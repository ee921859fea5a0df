/* --network in both of its forms, "NET" and "name=NET,alias=A,ip=...", and the flags that say more of the first one. */
#ifndef DORY_CMD_DORY_NETWORK_OPTION_H
#define DORY_CMD_DORY_NETWORK_OPTION_H

#include "base/error.h"
#include "base/json.h"
#include "cmd/dory/container_flags.h"

/* The member NetworkMode: the first network, or "default". */
int network_option_put_mode(struct json_writer *w, const struct container_flags *flags, struct error *err);
/* The member NetworkingConfig, when anything is to be said there. Errors in docker's words. */
int network_option_put_endpoints(struct json_writer *w, const struct container_flags *flags, struct error *err);
/* --mac-address is said there, and not in Config. */
bool network_option_takes_mac(const struct container_flags *flags);

#endif
