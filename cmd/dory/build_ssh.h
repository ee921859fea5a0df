/* --ssh: agents that steps of a build may ask. */
#ifndef DORY_CMD_DORY_BUILD_SSH_H
#define DORY_CMD_DORY_BUILD_SSH_H

#include <sys/types.h>

#include "base/error.h"
#include "base/strmap.h"
#include "base/strv.h"

/* One that runs for this build alone, with the keys of files. */
struct build_ssh_agent {
    pid_t command, agent;
    int hold_fd; /* when it is closed, however this process ends, the agent ends soon */
    char *directory;
};

struct build_ssh {
    struct strmap sockets; /* id -> path */
    struct build_ssh_agent *agents;
    size_t count;
};

/*
 * "id" (the agent of SSH_AUTH_SOCK), "id=SOCKET" or "id=KEY[,KEY...]". For files with keys an ssh-agent(1) is started
 * and ssh-add(1) reads them, and asks for passphrases where there is a terminal. On failure the caller still releases.
 */
int build_ssh_read(const struct strv *ssh, struct build_ssh *ret, struct error *err);
/* Ends the agents that were started. */
void build_ssh_release(struct build_ssh *ssh);

#endif
