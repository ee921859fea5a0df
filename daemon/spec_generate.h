/*
 * The OCI runtime spec of a container, as docker's default is, written straight as JSON. Pure: everything that had to
 * be looked up is in the input.
 */
#ifndef DORY_DAEMON_SPEC_GENERATE_H
#define DORY_DAEMON_SPEC_GENERATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "daemon/devices.h"
#include "daemon/passwd.h"

struct container;
struct userns_remap;
struct oci_seccomp;

struct spec_input {
    const struct container *container;
    const struct identity *identity;
    const struct device_list *devices;
    uint64_t capabilities;
    const char *hostname;
    const char *cgroups_path;
    const char *etc_dir;         /* holds hosts, hostname, resolv.conf; NULL: none are mounted */
    const struct strv *link_env; /* variables that links add; may be NULL */
    const char *shm_path;        /* of the host, to be /dev/shm; NULL: a new tmpfs */
    const char *ipc_path;        /* an IPC namespace to join; NULL: new, or the host's if ipc_mode says so */
    char *const *sources;        /* one per mount: replaces its source when not NULL; may be NULL */
    bool host_network;
    bool host_mqueue;                  /* the host has /dev/mqueue to share with --ipc host */
    const char *netns_path;            /* a network namespace to join; NULL: new, unless host_network */
    const char *userns_path;           /* with remap: a user namespace to join; NULL: new, or that of netns */
    const struct oci_seccomp *seccomp; /* into the spec; NULL: the filter goes beside it, or there is none */
    const char *init_path;             /* a program of the host that becomes pid 1 and runs the container's; NULL */
    const char *pid_path;              /* a pid namespace to join; NULL: new, or the host's if pid_mode says so */
    const struct userns_remap *remap;  /* the ids of its user namespace; NULL: the host's */
};

/* Where docker puts the program of --init. */
#define SPEC_INIT_TARGET "/sbin/docker-init"

void spec_generate(const struct spec_input *input, struct strbuf *out);

/* What differs between the container's own process and an exec. Everything is borrowed. */
struct spec_process {
    bool init;        /* run by the init at SPEC_INIT_TARGET */
    const char *path; /* goes before args; NULL: args are all of it */
    const struct strv *args;
    const struct strv *env; /* over the container's; may be NULL */
    const char *cwd;        /* NULL or "": / */
    bool tty;
    uint32_t console_size[2]; /* rows, columns */
};
/* `process` of the spec for a further process in the container; of the input, container, identity, capabilities and
 * hostname count. */
void spec_generate_process(const struct spec_input *input, const struct spec_process *process, struct strbuf *out);

/* "size=1m,exec" over docker's noexec,nosuid,nodev: 'invalid tmpfs option ["x"]'. Pure. */
int spec_tmpfs_options(const char *text, struct strv *ret, struct error *err);

/* The environment of the process: PATH, HOSTNAME, TERM, what the config says, HOME. */
void spec_environment(const struct spec_input *input, struct strv *ret);

#endif
