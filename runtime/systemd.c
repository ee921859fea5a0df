#include "runtime/systemd.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/dbus.h"
#include "base/memory.h"
#include "base/strv.h"
#include "base/timestamp.h"
#include "runtime/systemd_properties.h"

#define DESTINATION "org.freedesktop.systemd1"
#define OBJECT "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"
#define PRIVATE_SOCKET "/run/systemd/private"
#define BUS_SOCKET "/run/dbus/system_bus_socket"
#define JOB_TIMEOUT_MS 30000
#define UNIT_NAME_MAX 255

/* ---- names ---- */

/* "a-b.slice" lies in "a.slice": its cgroup is "/a.slice/a-b.slice". "-.slice" is the root. */
static int expand_slice(const char *slice, struct strbuf *out, struct error *err)
{
    size_t size = strlen(slice);
    if (strcmp(slice, "-.slice") == 0)
        return 0;
    if (size <= 6 || strcmp(slice + size - 6, ".slice") != 0 || strchr(slice, '/') != NULL || slice[0] == '-' ||
        slice[size - 7] == '-' || strstr(slice, "--") != NULL)
        return error_set(err, ERROR_INVALID, 0, "invalid slice name \"%s\" in cgroupsPath", slice);
    for (size_t i = 0; i <= size - 6; i++)
        if (slice[i] == '-' || i == size - 6)
            strbuf_addf(out, "/%.*s.slice", (int)i, slice);
    return 0;
}

int systemd_unit_parse(const char *cgroups_path, const char *id, bool user, struct systemd_unit *ret, struct error *err)
{
    const char *usual = user ? "user.slice" : "system.slice";
    CLEANUP_FREE char *fallback = xasprintf("%s:dory:%s", usual, id);
    const char *text = cgroups_path != NULL && cgroups_path[0] != '\0' ? cgroups_path : fallback;
    CLEANUP_STRV struct strv parts = STRV_INIT;
    strv_split(&parts, text, ':');
    if (parts.count != 3)
        return error_set(
            err, ERROR_INVALID, 0,
            "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"%s\" instead", text);
    const char *slice = parts.items[0][0] != '\0' ? parts.items[0] : usual, *name = parts.items[2];
    if (name[0] == '\0' || strchr(name, '/') != NULL || strchr(parts.items[1], '/') != NULL ||
        strlen(text) > UNIT_NAME_MAX)
        return error_set(err, ERROR_INVALID, 0, "cgroupsPath \"%s\" does not name a unit", text);
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    int r = expand_slice(slice, &path, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *unit =
        parts.items[1][0] != '\0' ? xasprintf("%s-%s.scope", parts.items[1], name) : xasprintf("%s.scope", name);
    strbuf_addf(&path, "/%s", unit);
    *ret = (struct systemd_unit){
        .name = TAKE_PTR(unit), .slice = xstrdup(slice), .path = strbuf_take(&path), .user = user};
    return 0;
}

void systemd_unit_release(struct systemd_unit *unit)
{
    free(unit->name);
    free(unit->slice);
    free(unit->path);
    *unit = (struct systemd_unit){0};
}

static int put_unit(struct strbuf *body, const struct systemd_unit *unit, const struct oci_resources *resources,
                    pid_t pid, struct error *err)
{
    CLEANUP_FREE char *description = xasprintf("dory container %s", unit->name);
    dbus_put_string(body, unit->name);
    dbus_put_string(body, "replace");
    struct dbus_array properties = dbus_begin_array(body, 8);
    systemd_put_string(body, "Description", description);
    systemd_put_string(body, "Slice", unit->slice);
    systemd_put_bool(body, "Delegate", true);
    systemd_put_bool(body, "DefaultDependencies", false);
    systemd_put_bool(body, "MemoryAccounting", true);
    systemd_put_bool(body, "CPUAccounting", true);
    systemd_put_bool(body, "IOAccounting", true);
    systemd_put_bool(body, "TasksAccounting", true);
    systemd_put_string(body, "CollectMode", "inactive-or-failed"); /* the name is free again, however it ends */
    systemd_put_pid(body, pid);
    int r = systemd_put_limits(body, resources, err);
    dbus_end_array(body, properties);
    dbus_end_array(body, dbus_begin_array(body, 8)); /* no auxiliary units */
    return r;
}

/* ---- systemd ---- */

static int connect_to_address(struct dbus *dbus, const char *address, struct error *err)
{
    CLEANUP_FREE char *path = xstrndup(address + 10, strcspn(address + 10, ",;"));
    return dbus_connect(dbus, path, true, JOB_TIMEOUT_MS, err);
}

static int connect_to_user(struct dbus *dbus, struct error *err)
{
    const char *directory = getenv("XDG_RUNTIME_DIR");
    if (directory == NULL || directory[0] != '/')
        return error_set(err, ERROR_UNAVAILABLE, ENOTCONN,
                         "XDG_RUNTIME_DIR and DBUS_SESSION_BUS_ADDRESS do not say where the user's systemd is, cannot "
                         "use systemd cgroups manager");
    CLEANUP_FREE char *private = xasprintf("%s/systemd/private", directory);
    CLEANUP_FREE char *bus = xasprintf("%s/bus", directory);
    int r = dbus_connect(dbus, private, false, JOB_TIMEOUT_MS, NULL);
    return r < 0 ? dbus_connect(dbus, bus, true, JOB_TIMEOUT_MS, err) : r;
}

/* Where DBUS_SYSTEM_BUS_ADDRESS says, or DBUS_SESSION_BUS_ADDRESS for the user's; else systemd's own socket, which root
 * alone may use of the system's; else the bus in its usual place. */
static int connect_to_systemd(struct dbus *dbus, bool user, struct error *err)
{
    const char *address = getenv(user ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS");
    int r;
    if (address != NULL && strncmp(address, "unix:path=", 10) == 0)
        r = connect_to_address(dbus, address, err);
    else if (user)
        r = connect_to_user(dbus, err);
    else if (geteuid() != 0 || dbus_connect(dbus, PRIVATE_SOCKET, false, JOB_TIMEOUT_MS, NULL) < 0)
        r = dbus_connect(dbus, BUS_SOCKET, true, JOB_TIMEOUT_MS, err);
    else
        r = 0;
    if (r == -ENOENT || r == -ECONNREFUSED) {
        if (err != NULL)
            error_clear(err);
        return error_set(err, ERROR_UNAVAILABLE, ENOTCONN, "systemd not running %s, cannot use systemd cgroups manager",
                         user ? "for this user" : "on this host");
    }
    return r;
}

static int answer_error(const struct dbus_message *message, const char *member, struct error *err)
{
    size_t offset = 0;
    const char *text = message->error_name;
    if (dbus_get_string(message, &offset, &text) < 0)
        text = message->error_name;
    return error_set(err, ERROR_SYSTEM, strstr(message->error_name, "NoSuchUnit") != NULL ? ENOENT : EIO,
                     "systemd: %s: %s", member, text);
}

/* *ret is valid until the next message. Signals before the answer are dropped: a job is never done before it is told.
 */
static int ask(struct dbus *dbus, const char *interface, const char *member, const char *signature,
               const struct strbuf *body, struct dbus_message *ret, struct error *err)
{
    uint32_t serial;
    int r = dbus_send_call(dbus, DESTINATION, OBJECT, interface, member, signature, body, &serial, err);
    while (r == 0) {
        r = dbus_receive(dbus, JOB_TIMEOUT_MS, ret, err);
        if (r == 0 && ret->type != DBUS_SIGNAL && ret->reply_serial == serial)
            return ret->type == DBUS_ERROR ? answer_error(ret, member, err) : 0;
    }
    return r;
}

/* *ret_job (may be NULL; the caller frees) is the object path in the answer. */
static int call(struct dbus *dbus, const char *member, const char *signature, const struct strbuf *body, char **ret_job,
                struct error *err)
{
    struct dbus_message message;
    size_t offset = 0;
    const char *job;
    int r = ask(dbus, MANAGER, member, signature, body, &message, err);
    if (r == 0 && ret_job != NULL && dbus_get_string(&message, &offset, &job) == 0)
        *ret_job = xstrdup(job);
    return r;
}

static int wait_for_job(struct dbus *dbus, const char *job, const char *unit, struct error *err)
{
    int64_t deadline = timestamp_monotonic() + (int64_t)JOB_TIMEOUT_MS * 1000000;
    for (;;) {
        struct dbus_message message;
        int64_t left = (deadline - timestamp_monotonic()) / 1000000;
        int r = dbus_receive(dbus, left > 0 ? (int)left : 0, &message, err);
        if (r < 0)
            return error_context(err, "systemd does not finish with unit %s", unit);
        uint32_t number;
        size_t offset = 0;
        const char *path, *name, *result;
        if (message.type != DBUS_SIGNAL || strcmp(message.member, "JobRemoved") != 0 ||
            dbus_get_uint32(&message, &offset, &number) < 0 || dbus_get_string(&message, &offset, &path) < 0 ||
            dbus_get_string(&message, &offset, &name) < 0 || dbus_get_string(&message, &offset, &result) < 0 ||
            strcmp(path, job) != 0)
            continue;
        return strcmp(result, "done") == 0
                   ? 0
                   : error_set(err, ERROR_SYSTEM, EIO, "systemd: unit %s: the job ended with \"%s\"", unit, result);
    }
}

/* JobRemoved goes to those who have subscribed and, behind a bus, whom it delivers it to. */
static int subscribe(struct dbus *dbus, struct error *err)
{
    if (dbus->bus) {
        CLEANUP_STRBUF struct strbuf rule = STRBUF_INIT;
        uint32_t serial;
        dbus_put_string(&rule, "type='signal',interface='" MANAGER "',member='JobRemoved'");
        int r = dbus_send_call(dbus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                               "AddMatch", "s", &rule, &serial, err);
        if (r < 0)
            return r;
    }
    return call(dbus, "Subscribe", NULL, NULL, NULL, err);
}

int systemd_unit_place(struct systemd_unit *unit, struct error *err)
{
    struct dbus dbus;
    struct dbus_message message;
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    size_t offset = 0;
    const char *cgroup;
    int r = unit->user ? connect_to_systemd(&dbus, true, err) : 0;
    if (r < 0 || !unit->user)
        return r;
    dbus_put_string(&body, MANAGER);
    dbus_put_string(&body, "ControlGroup");
    r = ask(&dbus, "org.freedesktop.DBus.Properties", "Get", "ss", &body, &message, err);
    if (r == 0 && dbus_get_variant_string(&message, &offset, &cgroup) < 0)
        r = error_set(err, ERROR_SYSTEM, EBADMSG, "systemd: its property ControlGroup is no string");
    if (r == 0) {
        CLEANUP_FREE char *below = unit->path;
        unit->path = xasprintf("%s%s", cgroup, below);
    }
    dbus_close(&dbus);
    return r;
}

int systemd_unit_start(const struct systemd_unit *unit, const struct oci_resources *resources, pid_t pid,
                       bool *ret_made, struct error *err)
{
    *ret_made = false;
    struct dbus dbus;
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    CLEANUP_FREE char *job = NULL;
    int r = put_unit(&body, unit, resources, pid, err);
    r = r < 0 ? r : connect_to_systemd(&dbus, unit->user, err);
    if (r < 0)
        return r;
    r = subscribe(&dbus, err);
    r = r < 0 ? r : call(&dbus, "StartTransientUnit", "ssa(sv)a(sa(sv))", &body, &job, err);
    *ret_made = r == 0;
    if (r == 0 && job == NULL)
        r = error_set(err, ERROR_SYSTEM, EBADMSG, "systemd: StartTransientUnit: no job in the answer");
    r = r < 0 ? r : wait_for_job(&dbus, job, unit->name, err);
    dbus_close(&dbus);
    return r;
}

int systemd_unit_update(const char *name, bool user, const struct oci_resources *resources, struct error *err)
{
    struct dbus dbus;
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    dbus_put_string(&body, name);
    dbus_put_bool(&body, true); /* until the unit ends */
    struct dbus_array properties = dbus_begin_array(&body, 8);
    int r = systemd_put_limits(&body, resources, err);
    dbus_end_array(&body, properties);
    r = r < 0 ? r : connect_to_systemd(&dbus, user, err);
    if (r < 0)
        return r;
    r = call(&dbus, "SetUnitProperties", "sba(sv)", &body, NULL, err);
    dbus_close(&dbus);
    return r;
}

int systemd_unit_stop(const char *name, bool user, struct error *err)
{
    struct dbus dbus;
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT, reset = STRBUF_INIT;
    CLEANUP_FREE char *job = NULL;
    int r = connect_to_systemd(&dbus, user, err);
    if (r < 0)
        return r;
    dbus_put_string(&body, name);
    dbus_put_string(&body, "replace");
    dbus_put_string(&reset, name);
    struct error said = {0};
    r = subscribe(&dbus, &said);
    r = r < 0 ? r : call(&dbus, "StopUnit", "ss", &body, &job, &said);
    r = r < 0 || job == NULL ? r : wait_for_job(&dbus, job, name, &said);
    call(&dbus, "ResetFailedUnit", "s", &reset, NULL, NULL); /* one that has not failed is none of its units */
    dbus_close(&dbus);
    return r < 0 && r != -ENOENT ? error_propagate(err, &said) : 0;
}
