/* Internal to runtime/: standard streams of a process that is in a user namespace of the container's. */
#ifndef DORY_RUNTIME_STDIO_H
#define DORY_RUNTIME_STDIO_H

#include <sys/types.h>

/*
 * Programs reopen /dev/stdout, so pipes and sockets have to belong to the user; but a process in a user namespace
 * cannot give away what belongs to somebody outside of it. Gives those that are ours to the root of pid's user
 * namespace, from outside; the process itself passes them on. Terminals are made in the container. What cannot be given
 * stays as it is: writing to it works all the same.
 */
void stdio_give(const int stdio[3], pid_t pid);

#endif
