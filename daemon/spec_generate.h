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

struct spec_input {
    const struct container *container;
    const struct identity *identity;
    const struct device_list *devices;
    uint64_t capabilities;
    const char *hostname;
    const char *cgroups_path;
    const char *etc_dir; /* holds hosts, hostname, resolv.conf; NULL: none are mounted */
    bool host_network;
    bool host_mqueue;     /* the host has /dev/mqueue to share with --ipc host */
    const char *pid_path; /* a pid namespace to join; NULL: new, or the host's if pid_mode says so */
};

void spec_generate(const struct spec_input *input, struct strbuf *out);

/* "size=1m,exec" over docker's noexec,nosuid,nodev: 'invalid tmpfs option ["x"]'. Pure. */
int spec_tmpfs_options(const char *text, struct strv *ret, struct error *err);

/* The environment of the process: PATH, HOSTNAME, TERM, what the config says, HOME. */
void spec_environment(const struct spec_input *input, struct strv *ret);

#endif
