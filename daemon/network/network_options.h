/* Driver and driver options of a network, as docker names them. */
#ifndef DORY_DAEMON_NETWORK_NETWORK_OPTIONS_H
#define DORY_DAEMON_NETWORK_NETWORK_OPTIONS_H

#include "daemon/network/network_internal.h"

/* Sets the driver and what the options ask for. Options that are not known, or not of this driver, are refused by name
 * (ERROR_INVALID), an unknown driver as ERROR_NOT_FOUND. */
int network_options_apply(const struct network_config *config, struct network *network, struct error *err);

#endif
