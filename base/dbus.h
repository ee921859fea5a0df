/*
 * As much of D-Bus (dbus.freedesktop.org, specification 0.38) as asking systemd and firewalld takes: one
 * blocking connection over a Unix socket, calls with their answers, and signals. Little-endian hosts only.
 */
#ifndef DORY_BASE_DBUS_H
#define DORY_BASE_DBUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

/* ---- bodies ---- */

void dbus_put_uint32(struct strbuf *body, uint32_t n);
void dbus_put_uint64(struct strbuf *body, uint64_t n);
void dbus_put_bool(struct strbuf *body, bool b);
void dbus_put_string(struct strbuf *body, const char *text); /* object paths too */
void dbus_put_signature(struct strbuf *body, const char *signature);
/* Structs, and arrays of them, begin at multiples of 8. */
void dbus_align(struct strbuf *body, size_t alignment);
/* The place of an array's length, for dbus_end_array(). `alignment` is that of the items. */
struct dbus_array {
    size_t length_at, start;
};
struct dbus_array dbus_begin_array(struct strbuf *body, size_t alignment);
void dbus_end_array(struct strbuf *body, struct dbus_array array);

/* ---- messages ---- */

enum dbus_type { DBUS_CALL = 1, DBUS_RETURN = 2, DBUS_ERROR = 3, DBUS_SIGNAL = 4 };

#define DBUS_NAME_MAX 256
struct dbus_message {
    enum dbus_type type;
    uint32_t serial, reply_serial;
    char member[DBUS_NAME_MAX], error_name[DBUS_NAME_MAX];
    const unsigned char *body; /* inside what was parsed */
    size_t body_size;
};

/* Takes one whole message apart; -EBADMSG when it is none. Pure. */
int dbus_parse(const unsigned char *data, size_t size, struct dbus_message *ret);
/* The size of the whole message whose first 16 bytes are there; -EBADMSG. Pure. */
ssize_t dbus_message_size(const unsigned char head[16]);
/* Reads a string (or object path) at *offset of the body, inside of which *ret lies, and moves on; -EBADMSG. */
int dbus_get_string(const struct dbus_message *message, size_t *offset, const char **ret);
/* The same of a variant that holds a string. */
int dbus_get_variant_string(const struct dbus_message *message, size_t *offset, const char **ret);
int dbus_get_uint32(const struct dbus_message *message, size_t *offset, uint32_t *ret);

/* ---- connections ---- */

struct dbus {
    int fd;
    uint32_t serial;
    bool bus; /* behind a bus daemon, not the peer itself */
    struct strbuf in;
};

/* Connects to the address of a socket and authenticates as who we are; `bus`: says Hello. Each of the two is answered
 * within timeout_ms, or it is -ETIMEDOUT: where a service manager holds the socket, nobody may be behind it. */
int dbus_connect(struct dbus *dbus, const char *path, bool bus, int timeout_ms, struct error *err);
void dbus_close(struct dbus *dbus);
/* The next message; *ret is valid until the next call. -ETIMEDOUT after timeout_ms. */
int dbus_receive(struct dbus *dbus, int timeout_ms, struct dbus_message *ret, struct error *err);
/* Sends a call without waiting; *ret_serial is what the answer refers to. signature NULL: no body. */
int dbus_send_call(struct dbus *dbus, const char *destination, const char *path, const char *interface,
                   const char *member, const char *signature, const struct strbuf *body, uint32_t *ret_serial,
                   struct error *err);

#endif
