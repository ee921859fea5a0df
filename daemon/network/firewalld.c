#include "daemon/network/firewalld.h"

#include <errno.h>
#include <string.h>

#include "base/dbus.h"
#include "base/log.h"

#define BUS_SOCKET "/run/dbus/system_bus_socket"
#define BUS "org.freedesktop.DBus"
#define FIREWALLD "org.fedoraproject.FirewallD1"
#define ZONE "trusted"

enum { TIMEOUT_MS = 10000 };

struct call {
    const char *destination, *path, *interface, *member, *signature;
};

/* The answer lies in the connection's buffer. Signals before it are of no interest. */
static int ask(struct dbus *dbus, const struct call *call, const struct strbuf *body, struct dbus_message *ret,
               struct error *err)
{
    uint32_t serial;
    int r = dbus_send_call(dbus, call->destination, call->path, call->interface, call->member, call->signature, body,
                           &serial, err);
    do {
        r = r < 0 ? r : dbus_receive(dbus, TIMEOUT_MS, ret, err);
    } while (r == 0 && (ret->type == DBUS_SIGNAL || ret->reply_serial != serial));
    return r;
}

/* A call of its name would start it. */
static bool is_running(struct dbus *dbus)
{
    static const struct call has_owner = {BUS, "/org/freedesktop/DBus", BUS, "NameHasOwner", "s"};
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    struct dbus_message answer;
    size_t offset = 0;
    uint32_t owned = 0;
    dbus_put_string(&body, FIREWALLD);
    return ask(dbus, &has_owner, &body, &answer, NULL) == 0 && answer.type == DBUS_RETURN &&
           dbus_get_uint32(&answer, &offset, &owned) == 0 && owned;
}

static bool open_bus(struct dbus *dbus)
{
    if (dbus_connect(dbus, BUS_SOCKET, true, TIMEOUT_MS, NULL) < 0) {
        return false; /* a host without one; its table may be what is left of it */
    }
    if (!is_running(dbus)) {
        dbus_close(dbus);
        return false;
    }
    return true;
}

/* What is in the way: "" nothing, else firewalld's own words, inside of the answer. */
static int change_zone(struct dbus *dbus, const char *member, const char *bridge, const char **ret_refusal,
                       struct error *err)
{
    struct call change = {FIREWALLD, "/org/fedoraproject/FirewallD1", FIREWALLD ".zone", member, "ss"};
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    struct dbus_message answer;
    size_t offset = 0;
    dbus_put_string(&body, ZONE);
    dbus_put_string(&body, bridge);
    *ret_refusal = "";
    int r = ask(dbus, &change, &body, &answer, err);
    if (r == 0 && answer.type == DBUS_ERROR && dbus_get_string(&answer, &offset, ret_refusal) < 0) {
        *ret_refusal = "an error without a text";
    }
    return r;
}

void firewalld_admit(const struct firewall_network *networks, size_t count)
{
    struct dbus dbus;
    struct error err = {0};
    int r = 0;
    if (!open_bus(&dbus)) {
        return;
    }
    for (size_t i = 0; r == 0 && i < count; i++) {
        const char *refusal = "";
        if (networks[i].internal) {
            continue;
        }
        r = change_zone(&dbus, "addInterface", networks[i].bridge, &refusal, &err);
        if (strstr(refusal, "ZONE_CONFLICT")) {
            log_debug("network: firewalld has %s in another zone than " ZONE, networks[i].bridge);
        } else if (*refusal && !strstr(refusal, "ZONE_ALREADY_SET") && !strstr(refusal, "ALREADY_ENABLED")) {
            log_warn("network: firewalld does not take %s into its zone " ZONE ": %s", networks[i].bridge, refusal);
        }
    }
    if (r < 0) {
        log_warn("network: firewalld: %s", err.message);
    }
    dbus_close(&dbus);
}

void firewalld_forget(const struct firewall_network *network)
{
    struct dbus dbus;
    struct error err = {0};
    const char *refusal;
    if (network->internal || !open_bus(&dbus)) {
        return;
    }
    if (change_zone(&dbus, "removeInterface", network->bridge, &refusal, &err) < 0) {
        log_warn("network: firewalld: %s", err.message); /* a refusal: it was in no zone, or in the administrator's */
    }
    dbus_close(&dbus);
}
