/* Device nodes that a container gets: --device, or every one of the host with --privileged. */
#ifndef DORY_DAEMON_DEVICES_H
#define DORY_DAEMON_DEVICES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct host_config;

struct device_node {
    char *path; /* in the container */
    char *host_path;
    char type; /* 'c' or 'b' */
    unsigned major, minor;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    char access[4]; /* of "rwm" */
};

struct device_list {
    struct device_node *items;
    size_t count, capacity;
};
void device_list_release(struct device_list *list);

/* 'error gathering device information while adding custom device "/dev/x": no such file or directory' */
int devices_collect(const struct host_config *host, struct device_list *ret, struct error *err);

/* One --device-cgroup-rule, "c 1:3 rwm"; '*' is -1. */
struct device_rule {
    char type; /* a b c */
    int64_t major, minor;
    char access[4];
};
/* "invalid device cgroup rule format: 'x'" */
int device_rule_parse(const char *text, struct device_rule *ret, struct error *err);

#endif
