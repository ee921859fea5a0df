#ifndef DORY_CMD_DORYD_VERSION_H
#define DORY_CMD_DORYD_VERSION_H

extern const char doryd_version[], doryd_git_commit[];

#endif
