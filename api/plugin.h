/* Where docker's plugins listen: legacy ones, which are programs of the host with a socket. */
#ifndef DORY_API_PLUGIN_H
#define DORY_API_PLUGIN_H

#include "base/error.h"

/*
 * The address of a plugin, "unix:///path" or "tcp://host:port": /run/docker/plugins/NAME.sock (or NAME/NAME.sock
 * there), else what is written in NAME.spec or NAME.json (of NAME/ too) below /etc/docker/plugins or
 * /usr/lib/docker/plugins. ERROR_NOT_FOUND: there is none. The caller frees.
 */
int plugin_find(const char *name, char **ret_host, struct error *err);

#endif
