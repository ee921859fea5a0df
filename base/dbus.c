#include "base/dbus.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/timestamp.h"

#define UID_MAP_MAX (64u << 10)
#define MESSAGE_MAX (1u << 20)
#define FIELDS_MAX (64u << 10)
#define HEAD_SIZE 16
#define AUTH_MAX 1024

enum field {
    FIELD_PATH = 1,
    FIELD_INTERFACE = 2,
    FIELD_MEMBER = 3,
    FIELD_ERROR_NAME = 4,
    FIELD_REPLY_SERIAL = 5,
    FIELD_DESTINATION = 6,
    FIELD_SIGNATURE = 8,
};

/* ---- bodies ---- */

void dbus_align(struct strbuf *body, size_t alignment)
{
    while (body->size % alignment != 0)
        strbuf_addc(body, '\0');
}

static void put_number(struct strbuf *body, uint64_t n, size_t size)
{
    dbus_align(body, size);
    for (size_t i = 0; i < size; i++)
        strbuf_addc(body, (char)(n >> (8 * i)));
}

void dbus_put_uint32(struct strbuf *body, uint32_t n)
{
    put_number(body, n, 4);
}

void dbus_put_uint64(struct strbuf *body, uint64_t n)
{
    put_number(body, n, 8);
}

void dbus_put_bool(struct strbuf *body, bool b)
{
    put_number(body, b, 4);
}

void dbus_put_string(struct strbuf *body, const char *text)
{
    dbus_put_uint32(body, (uint32_t)strlen(text));
    strbuf_add(body, text, strlen(text) + 1);
}

void dbus_put_signature(struct strbuf *body, const char *signature)
{
    strbuf_addc(body, (char)strlen(signature));
    strbuf_add(body, signature, strlen(signature) + 1);
}

struct dbus_array dbus_begin_array(struct strbuf *body, size_t alignment)
{
    dbus_put_uint32(body, 0);
    struct dbus_array array = {.length_at = body->size - 4};
    dbus_align(body, alignment);
    array.start = body->size;
    return array;
}

void dbus_end_array(struct strbuf *body, struct dbus_array array)
{
    size_t size = body->size - array.start;
    for (size_t i = 0; i < 4; i++)
        body->data[array.length_at + i] = (char)(size >> (8 * i));
}

/* ---- messages ---- */

static uint32_t number_at(const unsigned char *data)
{
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

static size_t aligned(size_t offset, size_t alignment)
{
    return (offset + alignment - 1) / alignment * alignment;
}

ssize_t dbus_message_size(const unsigned char head[HEAD_SIZE])
{
    uint32_t body = number_at(head + 4), fields = number_at(head + 12);
    if (head[0] != 'l' || head[3] != 1 || body > MESSAGE_MAX || fields > FIELDS_MAX)
        return -EBADMSG;
    return (ssize_t)(aligned(HEAD_SIZE + fields, 8) + body);
}

struct cursor {
    const unsigned char *data;
    size_t size, offset;
};

static int take_number(struct cursor *c, uint32_t *ret)
{
    size_t at = aligned(c->offset, 4);
    if (at > c->size || c->size - at < 4)
        return -EBADMSG;
    *ret = number_at(c->data + at);
    c->offset = at + 4;
    return 0;
}

/* A string with a NUL behind it, its length in 4 bytes or, of signatures, in one. */
static int take_string(struct cursor *c, bool signature, const char **ret)
{
    uint32_t size;
    if (signature) {
        if (c->offset >= c->size)
            return -EBADMSG;
        size = c->data[c->offset++];
    } else if (take_number(c, &size) < 0) {
        return -EBADMSG;
    }
    if (c->size - c->offset <= size || c->data[c->offset + size] != '\0' ||
        memchr(c->data + c->offset, '\0', size) != NULL)
        return -EBADMSG;
    *ret = (const char *)c->data + c->offset;
    c->offset += (size_t)size + 1;
    return 0;
}

static int keep_name(char to[DBUS_NAME_MAX], const char *name)
{
    if (strlen(name) >= DBUS_NAME_MAX)
        return -EBADMSG;
    memcpy(to, name, strlen(name) + 1);
    return 0;
}

static int parse_field(struct cursor *c, struct dbus_message *ret)
{
    const char *signature, *text = "";
    c->offset = aligned(c->offset, 8);
    if (c->offset >= c->size)
        return -EBADMSG;
    unsigned char code = c->data[c->offset++];
    uint32_t number = 0;
    if (take_string(c, true, &signature) < 0)
        return -EBADMSG;
    int r = strcmp(signature, "u") == 0   ? take_number(c, &number)
            : strcmp(signature, "s") == 0 ? take_string(c, false, &text)
            : strcmp(signature, "o") == 0 ? take_string(c, false, &text)
            : strcmp(signature, "g") == 0 ? take_string(c, true, &text)
                                          : -EBADMSG;
    if (r < 0)
        return r;
    if (code == FIELD_REPLY_SERIAL)
        ret->reply_serial = number;
    else if (code == FIELD_MEMBER)
        r = keep_name(ret->member, text);
    else if (code == FIELD_ERROR_NAME)
        r = keep_name(ret->error_name, text);
    return r;
}

int dbus_parse(const unsigned char *data, size_t size, struct dbus_message *ret)
{
    *ret = (struct dbus_message){0};
    if (size < HEAD_SIZE || dbus_message_size(data) != (ssize_t)size)
        return -EBADMSG;
    ret->type = data[1];
    ret->serial = number_at(data + 8);
    ret->body_size = number_at(data + 4);
    ret->body = data + size - ret->body_size;
    struct cursor c = {.data = data, .size = HEAD_SIZE + number_at(data + 12), .offset = HEAD_SIZE};
    while (c.offset < c.size) {
        int r = parse_field(&c, ret);
        if (r < 0)
            return r;
    }
    return 0;
}

int dbus_get_string(const struct dbus_message *message, size_t *offset, const char **ret)
{
    struct cursor c = {.data = message->body, .size = message->body_size, .offset = *offset};
    int r = take_string(&c, false, ret);
    *offset = c.offset;
    return r;
}

int dbus_get_variant_string(const struct dbus_message *message, size_t *offset, const char **ret)
{
    struct cursor c = {.data = message->body, .size = message->body_size, .offset = *offset};
    const char *signature;
    if (take_string(&c, true, &signature) < 0 || strcmp(signature, "s") != 0)
        return -EBADMSG;
    *offset = c.offset;
    return dbus_get_string(message, offset, ret);
}

int dbus_get_uint32(const struct dbus_message *message, size_t *offset, uint32_t *ret)
{
    struct cursor c = {.data = message->body, .size = message->body_size, .offset = *offset};
    int r = take_number(&c, ret);
    *offset = c.offset;
    return r;
}

/* ---- connections ---- */

/* Who we are to the other side, which is not in a user namespace of ours: one level of those is seen through. */
static uint32_t uid_outside(void)
{
    CLEANUP_FREE char *text = NULL;
    uint32_t uid = geteuid(), inside, outside, count;
    if (file_read(AT_FDCWD, "/proc/self/uid_map", UID_MAP_MAX, &text, NULL, NULL) < 0)
        return uid;
    for (const char *line = text; line != NULL && sscanf(line, "%u %u %u", &inside, &outside, &count) == 3;) {
        if (uid >= inside && uid - inside < count)
            return outside + (uid - inside);
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return uid;
}

static void put_field(struct strbuf *out, enum field code, const char *signature, const char *text)
{
    if (text == NULL)
        return;
    dbus_align(out, 8);
    strbuf_addc(out, (char)code);
    dbus_put_signature(out, signature);
    if (signature[0] == 'g')
        dbus_put_signature(out, text);
    else
        dbus_put_string(out, text);
}

int dbus_send_call(struct dbus *dbus, const char *destination, const char *path, const char *interface,
                   const char *member, const char *signature, const struct strbuf *body, uint32_t *ret_serial,
                   struct error *err)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    const char head[4] = {'l', DBUS_CALL, 0, 1};
    *ret_serial = ++dbus->serial;
    strbuf_add(&out, head, sizeof(head));
    dbus_put_uint32(&out, signature != NULL ? (uint32_t)body->size : 0);
    dbus_put_uint32(&out, *ret_serial);
    struct dbus_array fields = dbus_begin_array(&out, 8);
    put_field(&out, FIELD_PATH, "o", path);
    put_field(&out, FIELD_DESTINATION, "s", dbus->bus ? destination : NULL);
    put_field(&out, FIELD_INTERFACE, "s", interface);
    put_field(&out, FIELD_MEMBER, "s", member);
    put_field(&out, FIELD_SIGNATURE, "g", signature);
    dbus_end_array(&out, fields);
    dbus_align(&out, 8);
    if (signature != NULL && body->size > 0)
        strbuf_add(&out, body->data, body->size);
    int r = fd_write_all(dbus->fd, out.data, out.size);
    return r < 0 ? error_errno(err, r, "cannot call %s over D-Bus", member) : 0;
}

/* At least `size` bytes in dbus->in. */
static int fill(struct dbus *dbus, size_t size, int64_t deadline)
{
    while (dbus->in.size < size) {
        int64_t left = (deadline - timestamp_monotonic()) / 1000000;
        struct pollfd ready = {.fd = dbus->fd, .events = POLLIN};
        int n = left > 0 ? poll(&ready, 1, (int)left) : 0;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return -ETIMEDOUT;
        ssize_t got = n < 0 ? 0 : read(dbus->fd, strbuf_reserve(&dbus->in, size - dbus->in.size), size - dbus->in.size);
        if (n > 0 && got <= 0)
            return got < 0 ? -errno : -EPIPE;
        dbus->in.size += (size_t)got;
        strbuf_terminate(&dbus->in);
    }
    return 0;
}

/* EXTERNAL: the kernel tells who we are; the number is only said, and must be the same. */
static int authenticate(struct dbus *dbus, int64_t deadline, struct error *err)
{
    char uid[16], hex[40], line[AUTH_MAX];
    int n = snprintf(uid, sizeof(uid), "%u", uid_outside());
    for (int i = 0; i < n; i++)
        snprintf(hex + 2 * i, sizeof(hex) - 2 * (size_t)i, "%02x", (unsigned)uid[i]);
    /* BEGIN goes along: sd-bus, which systemd's own socket speaks, does not look at a first message that it has read
     * together with BEGIN until another one comes, and a busy systemd reads them together. */
    n = snprintf(line, sizeof(line), "%cAUTH EXTERNAL %s\r\nBEGIN\r\n", '\0', hex);
    int r = fd_write_all(dbus->fd, line, (size_t)n);
    struct strbuf *in = &dbus->in; /* byte by byte: what follows the line is a message */
    while (r == 0 && (in->size == 0 || in->data[in->size - 1] != '\n') && in->size < AUTH_MAX)
        r = fill(dbus, in->size + 1, deadline);
    if (r == 0 && strncmp(strbuf_str(in), "OK", 2) != 0)
        r = -EACCES;
    return r < 0 ? error_errno(err, r, "cannot authenticate at the D-Bus") : 0;
}

int dbus_receive(struct dbus *dbus, int timeout_ms, struct dbus_message *ret, struct error *err)
{
    int64_t deadline = timestamp_monotonic() + (int64_t)timeout_ms * 1000000;
    strbuf_clear(&dbus->in);
    int r = fill(dbus, HEAD_SIZE, deadline);
    ssize_t size = r < 0 ? r : dbus_message_size((unsigned char *)dbus->in.data);
    r = size < 0 ? (int)size : fill(dbus, (size_t)size, deadline);
    r = r < 0 ? r : dbus_parse((unsigned char *)dbus->in.data, dbus->in.size, ret);
    return r < 0 ? error_errno(err, r, "cannot hear from the D-Bus") : 0;
}

static int say_hello(struct dbus *dbus, int timeout_ms, struct error *err)
{
    uint32_t serial;
    int r = dbus_send_call(dbus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", NULL,
                           NULL, &serial, err);
    while (r == 0) {
        struct dbus_message message;
        r = dbus_receive(dbus, timeout_ms, &message, err);
        if (r == 0 && message.reply_serial == serial)
            return message.type == DBUS_RETURN ? 0
                                               : error_set(err, ERROR_SYSTEM, EACCES, "the D-Bus does not let us in");
    }
    return r;
}

int dbus_connect(struct dbus *dbus, const char *path, bool bus, int timeout_ms, struct error *err)
{
    *dbus = (struct dbus){.fd = -1, .bus = bus};
    int fd = fd_connect_unix(AT_FDCWD, path, SOCK_STREAM);
    if (fd < 0)
        return error_errno(err, fd, "cannot connect to %s", path);
    dbus->fd = fd;
    int r = authenticate(dbus, timestamp_monotonic() + (int64_t)timeout_ms * 1000000, err);
    r = r < 0 || !bus ? r : say_hello(dbus, timeout_ms, err);
    if (r < 0)
        dbus_close(dbus);
    return r;
}

void dbus_close(struct dbus *dbus)
{
    dbus->fd = fd_close(dbus->fd);
    strbuf_release(&dbus->in);
}
