/* User namespaces that the daemon makes: nobody lives in them, a descriptor keeps each. See user_namespaces(7). */
#ifndef DORY_DAEMON_USER_NAMESPACE_H
#define DORY_DAEMON_USER_NAMESPACE_H

#include "base/error.h"

/*
 * A user namespace with these maps (the lines of uid_map and gid_map); ret_netns not NULL: with a network namespace
 * that belongs to it. Descriptors of both are the caller's. Returns that of the user namespace, or -errno. Blocks for
 * the life of a process that does nothing.
 */
int user_namespace_make(const char *uid_map, const char *gid_map, int *ret_netns, struct error *err);

/* A network namespace that belongs to a user namespace which is there already: its descriptor, or -errno. */
int user_namespace_make_net(int userns_fd, struct error *err);

#endif
