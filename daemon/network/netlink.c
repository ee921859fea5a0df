#include "daemon/network/netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"

enum { MESSAGE_ROOM = 1280 };

struct netlink {
    int fd;
};

int netlink_open(int bus, struct netlink **ret, struct error *err)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, bus);
    if (fd < 0) {
        return error_errno(err, errno, "open a netlink socket");
    }
    int on = 1;
    /* Texts are a help, not a need: kernels without the option only give numbers. */
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
    /* Errors do not carry the whole request back. */
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
    struct netlink *netlink = xcalloc(1, sizeof(*netlink));
    netlink->fd = fd;
    *ret = netlink;
    return 0;
}

void netlink_close(struct netlink *netlink)
{
    if (netlink) {
        close(netlink->fd);
        free(netlink);
    }
}

int netlink_batch_has_room(const struct netlink_batch *batch)
{
    return sizeof(batch->data) - batch->used >= MESSAGE_ROOM;
}

int netlink_batch_can_extend(const struct netlink_batch *batch, const struct nlmsghdr *message)
{
    return sizeof(batch->data) - batch->used - (message ? message->nlmsg_len : 0) >= 2 * (size_t)MESSAGE_ROOM;
}

struct nlmsghdr *netlink_batch_begin(struct netlink_batch *batch, uint16_t type, uint16_t flags)
{
    if (!netlink_batch_has_room(batch)) {
        abort();
    }
    struct nlmsghdr *message = mnl_nlmsg_put_header(batch->data + batch->used);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    message->nlmsg_seq = ++batch->sequence;
    return message;
}

void netlink_batch_end(struct netlink_batch *batch, struct nlmsghdr *message)
{
    batch->used += NLMSG_ALIGN(message->nlmsg_len);
}

static int send_batch(struct netlink *netlink, struct netlink_batch *batch)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    ssize_t sent;
    do {
        sent = sendto(netlink->fd, batch->data, batch->used, 0, (struct sockaddr *)&kernel, sizeof(kernel));
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        return -errno;
    }
    return (size_t)sent == batch->used ? 0 : -EIO;
}

static ssize_t receive(struct netlink *netlink, char *buffer, size_t size, int flags)
{
    ssize_t n;
    do {
        n = recv(netlink->fd, buffer, size, flags);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* The text attribute that follows an error (NETLINK_CAP_ACK: only the request's header comes back). */
static void copy_detail(const struct nlmsghdr *message, char *detail)
{
    const struct nlattr *attr;
    if (!(message->nlmsg_flags & NLM_F_ACK_TLVS)) {
        return;
    }
    size_t offset = sizeof(struct nlmsgerr);
    const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
    if (!(message->nlmsg_flags & NLM_F_CAPPED)) {
        offset += error->msg.nlmsg_len - sizeof(struct nlmsghdr);
    }
    mnl_attr_for_each(attr, message, offset)
    {
        if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG) {
            snprintf(detail, NETLINK_DETAIL_MAX, "%.*s", (int)mnl_attr_get_payload_len(attr), mnl_attr_get_str(attr));
        }
    }
}

/* One datagram of answers; keeps the first error in *first. */
static void take_answers(const char *data, ssize_t size, int *first, char *detail, netlink_dump_fn fn, void *fn_data)
{
    int left = size;
    for (const struct nlmsghdr *m = (const void *)data; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
        int r = 0;
        if (m->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *error = mnl_nlmsg_get_payload(m);
            r = error->error;
            if (r != 0 && *first == 0 && detail) {
                copy_detail(m, detail);
            }
        } else if (fn) {
            r = fn(m, fn_data);
        }
        if (*first == 0) {
            *first = r;
        }
    }
}

int netlink_query(struct netlink *netlink, struct netlink_batch *batch, char *ret_detail, netlink_dump_fn fn,
                  void *data)
{
    if (ret_detail) {
        ret_detail[0] = '\0';
    }
    int first = send_batch(netlink, batch);
    if (first < 0) {
        return first;
    }
    char buffer[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
    for (;;) {
        ssize_t n = receive(netlink, buffer, sizeof(buffer), MSG_DONTWAIT);
        if (n < 0) {
            return n == -EAGAIN ? first : (int)n;
        }
        take_answers(buffer, n, &first, ret_detail, fn, data);
    }
}

int netlink_run(struct netlink *netlink, struct netlink_batch *batch, char *ret_detail)
{
    return netlink_query(netlink, batch, ret_detail, NULL, NULL);
}

int netlink_dump(struct netlink *netlink, struct netlink_batch *batch, netlink_dump_fn fn, void *data)
{
    int result = send_batch(netlink, batch);
    if (result < 0) {
        return result;
    }
    enum { SIZE = 32768 };
    CLEANUP_FREE char *buffer = xmalloc(SIZE);
    for (;;) {
        ssize_t n = receive(netlink, buffer, SIZE, 0);
        if (n < 0) {
            return n;
        }
        int left = n;
        for (const struct nlmsghdr *m = (void *)buffer; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
            if (m->nlmsg_type == NLMSG_DONE) {
                return result;
            }
            if (m->nlmsg_type == NLMSG_ERROR) {
                const struct nlmsgerr *error = mnl_nlmsg_get_payload(m);
                return error->error ? error->error : result;
            }
            /* The rest of the dump is read even after fn has had enough, so that the socket stays usable. */
            if (result == 0) {
                result = fn(m, data);
            }
        }
    }
}
