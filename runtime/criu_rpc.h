/* Internal to runtime/: one conversation with criu. */
#ifndef DORY_RUNTIME_CRIU_RPC_H
#define DORY_RUNTIME_CRIU_RPC_H

#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"

/* criu_req_type of rpc.proto */
enum criu_request { CRIU_DUMP = 1, CRIU_RESTORE = 2, CRIU_PRE_DUMP = 4, CRIU_NOTIFY = 6 };

/* criu_opts of rpc.proto: the numbers of the fields that are used. */
enum criu_field {
    CRIU_IMAGES_DIR_FD = 1,
    CRIU_PID = 2,
    CRIU_LEAVE_RUNNING = 3,
    CRIU_EXT_UNIX_SK = 4,
    CRIU_TCP_ESTABLISHED = 5,
    CRIU_SHELL_JOB = 7,
    CRIU_FILE_LOCKS = 8,
    CRIU_LOG_LEVEL = 9,
    CRIU_LOG_FILE = 10,
    CRIU_PAGE_SERVER = 11,
    CRIU_NOTIFY_SCRIPTS = 12,
    CRIU_ROOT = 13,
    CRIU_PARENT_IMAGES = 14,
    CRIU_TRACK_MEMORY = 15,
    CRIU_AUTO_DEDUP = 16,
    CRIU_WORK_DIR_FD = 17,
    CRIU_LINK_REMAP = 18,
    CRIU_MANAGE_CGROUPS = 24,
    CRIU_CGROUP_ROOT = 25,
    CRIU_RESTORE_SIBLING = 26,
    CRIU_INHERIT_FD = 27,
    CRIU_MANAGE_CGROUPS_MODE = 34,
    CRIU_EXTERNAL = 37,
    CRIU_EMPTY_NAMESPACES = 38,
    CRIU_FREEZE_CGROUP = 44,
    CRIU_TCP_SKIP_IN_FLIGHT = 46,
    CRIU_ORPHAN_PTS_MASTER = 50,
    CRIU_CONFIG_FILE = 51,
    CRIU_LSM_PROFILE = 53,
    CRIU_LSM_MOUNT_CONTEXT = 63,
    CRIU_NETWORK_LOCK = 64,
};

struct criu_answer {
    pid_t pid; /* of a restore */
};

/* A step that criu has reached, by its name in criu's documentation ("setup-namespaces", "orphan-pts-master"); pid is
 * that of the root task, fd what came along or -1, the caller's to keep. A failure ends the conversation. */
typedef int criu_notify(void *context, const char *step, pid_t pid, int fd, struct error *err);

struct criu_process {
    int socket_fd;
    pid_t pid;
};

/* Descriptors 0 to 2 of criu are null; `fds` become 4, 5, ... */
int criu_start(const char *program, const int *fds, size_t count, struct criu_process *ret, struct error *err);
/* `opts` is a criu_opts message. Returns the answer; criu's "no" is an error that carries its message and errno. */
int criu_ask(struct criu_process *criu, enum criu_request request, const struct strbuf *opts, criu_notify *notify,
             void *context, struct criu_answer *ret, struct error *err);
/* Ends it if it is still there. */
void criu_end(struct criu_process *criu);

#endif
