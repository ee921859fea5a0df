#include "runtime/net_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/memory.h"
#include "runtime/rtnetlink.h"

#define TEMPLATE "%d"
#define TEMPLATE_MAX 32768

static const char *new_name(const struct oci_net_device *device)
{
    return device->name != NULL && device->name[0] != '\0' ? device->name : device->host_name;
}

/* ---- checks ---- */

/* As dev_valid_name() of the kernel. */
static bool is_name(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && size < IFNAMSIZ && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           strcspn(name, "/: \t\n\v\f\r") == size;
}

/* One %d at the end is a template; no other % means anything. */
static bool is_new_name(const char *name)
{
    const char *percent = strchr(name, '%');
    return is_name(name) && (percent == NULL || (strcmp(percent, TEMPLATE) == 0 && percent > name));
}

static bool is_template(const char *name)
{
    return strchr(name, '%') != NULL;
}

int net_devices_check(const struct oci_spec *spec, struct error *err)
{
    const struct oci_net_device *items = spec->linux_.net_devices.items;
    if (spec->linux_.net_devices.count == 0)
        return 0;
    if (oci_spec_namespace(spec, "network") == NULL)
        return error_set(err, ERROR_INVALID, 0, "linux.netDevices: the container has no network namespace of its own");
    for (size_t i = 0; i < spec->linux_.net_devices.count; i++) {
        if (!is_name(items[i].host_name) || strchr(items[i].host_name, '%') != NULL)
            return error_set(err, ERROR_INVALID, 0, "linux.netDevices: \"%.32s\" cannot be an interface",
                             items[i].host_name);
        if (!is_new_name(new_name(&items[i])))
            return error_set(err, ERROR_INVALID, 0, "linux.netDevices.%s.name: \"%.32s\" cannot be an interface's name",
                             items[i].host_name, items[i].name);
        for (size_t k = 0; k < i; k++)
            if (!is_template(new_name(&items[i])) && strcmp(new_name(&items[i]), new_name(&items[k])) == 0)
                return error_set(err, ERROR_INVALID, 0, "linux.netDevices.%s.name: \"%s\" is the name of %s already",
                                 items[i].host_name, new_name(&items[i]), items[k].host_name);
    }
    return 0;
}

/* ---- moving ---- */

struct move {
    const struct oci_net_device *device;
    unsigned index;
    char name[IFNAMSIZ]; /* in the container */
};

static int open_in(int ns_fd, struct error *err)
{
    CLEANUP_CLOSE int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (own < 0 || setns(ns_fd, CLONE_NEWNET) < 0)
        return error_errno(err, errno, "linux.netDevices: cannot enter the container's network namespace");
    int fd = rtnetlink_open();
    if (setns(own, CLONE_NEWNET) < 0) {
        fd_close(fd);
        return error_set(err, ERROR_SYSTEM, EXDEV, "cannot return to our own network namespace");
    }
    return fd < 0 ? error_errno(err, fd, "linux.netDevices: cannot speak to the kernel") : fd;
}

/* Taken in the namespace or promised to one of the moves before. */
static int is_taken(int inside, const char *name, const struct move *moves, size_t count)
{
    unsigned index;
    for (size_t i = 0; i < count; i++)
        if (strcmp(moves[i].name, name) == 0)
            return 1;
    int r = rtnetlink_index(inside, name, &index);
    return r == 0 ? 1 : r == -ENODEV ? 0 : r;
}

static int choose_name(int inside, struct move *moves, size_t i, struct error *err)
{
    const char *wanted = new_name(moves[i].device);
    int size = (int)strcspn(wanted, "%");
    bool template = wanted[size] == '%';
    for (int n = 0; n < (template ? TEMPLATE_MAX : 1); n++) {
        if (template)
            snprintf(moves[i].name, IFNAMSIZ, "%.*s%d", size, wanted, n);
        else
            snprintf(moves[i].name, IFNAMSIZ, "%s", wanted);
        int r = is_taken(inside, moves[i].name, moves, i);
        if (r < 0)
            return error_errno(err, r, "linux.netDevices.%s", moves[i].device->host_name);
        if (r == 0)
            return 0;
    }
    return error_set(err, ERROR_CONFLICT, EEXIST, "linux.netDevices.%s: the container has an interface \"%s\" already",
                     moves[i].device->host_name, wanted);
}

static int prepare(const struct oci_spec *spec, int outside, int inside, struct move *moves, struct error *err)
{
    const struct oci_net_device *items = spec->linux_.net_devices.items;
    for (size_t i = 0; i < spec->linux_.net_devices.count; i++) {
        moves[i].device = &items[i];
        int r = rtnetlink_index(outside, items[i].host_name, &moves[i].index);
        if (r < 0)
            return error_errno(err, r, "linux.netDevices.%s: there is no such interface to move", items[i].host_name);
        r = choose_name(inside, moves, i, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int move_one(const struct move *move, int outside, int inside, int ns_fd, struct error *err)
{
    const char *host = move->device->host_name;
    struct rtnetlink_addresses addresses;
    int r = rtnetlink_read_addresses(outside, move->index, &addresses);
    CLEANUP_FREE struct rtnetlink_address *items = addresses.items;
    if (r < 0)
        return error_errno(err, r, "linux.netDevices.%s: cannot read its addresses", host);
    r = rtnetlink_move(outside, move->index, ns_fd, move->name);
    if (r < 0)
        return error_errno(err, r, "linux.netDevices.%s: cannot move it into the container as \"%s\"", host,
                           move->name);
    unsigned index; /* may be another one there */
    r = rtnetlink_index(inside, move->name, &index);
    for (size_t i = 0; r == 0 && i < addresses.count; i++)
        r = rtnetlink_add_address(inside, index, &items[i]);
    if (r < 0)
        return error_errno(err, r, "linux.netDevices.%s: cannot give it back its addresses", host);
    r = rtnetlink_up(inside, index);
    return r < 0 ? error_errno(err, r, "linux.netDevices.%s: cannot set it up", host) : 0;
}

int net_devices_move(const struct oci_spec *spec, int ns_fd, struct error *err)
{
    size_t count = spec->linux_.net_devices.count;
    if (count == 0)
        return 0;
    CLEANUP_CLOSE int outside = rtnetlink_open();
    if (outside < 0)
        return error_errno(err, outside, "linux.netDevices: cannot speak to the kernel");
    CLEANUP_CLOSE int inside = open_in(ns_fd, err);
    if (inside < 0)
        return inside;
    CLEANUP_FREE struct move *moves = xcalloc(count, sizeof(moves[0]));
    int r = prepare(spec, outside, inside, moves, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = move_one(&moves[i], outside, inside, ns_fd, err);
    return r;
}
