#include "runtime/criu_network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/strv.h"

#define PREFIX "CRIU-"
#define ROOM 512
#define ANSWER_MAX 65536

void criu_network_lock_name(pid_t pid, char name[CRIU_LOCK_NAME_MAX])
{
    snprintf(name, CRIU_LOCK_NAME_MAX, PREFIX "%d", pid);
}

/* ---- netlink ---- */

struct request {
    union {
        struct nlmsghdr header;
        char bytes[ROOM];
    };
    size_t size;
};

static struct nlmsghdr *add_message(struct request *q, uint16_t type, uint16_t flags, uint8_t family, uint16_t resource)
{
    struct nlmsghdr *m = (struct nlmsghdr *)(q->bytes + q->size);
    m->nlmsg_len = NLMSG_LENGTH(sizeof(struct nfgenmsg));
    m->nlmsg_type = type;
    m->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    *(struct nfgenmsg *)NLMSG_DATA(m) =
        (struct nfgenmsg){.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(resource)};
    q->size += NLMSG_ALIGN(m->nlmsg_len);
    return m;
}

static void add_name(struct request *q, struct nlmsghdr *m, const char *name)
{
    struct nlattr *a = (struct nlattr *)(q->bytes + q->size);
    a->nla_type = NFTA_TABLE_NAME;
    a->nla_len = (uint16_t)(NLA_HDRLEN + strlen(name) + 1);
    memcpy((char *)a + NLA_HDRLEN, name, strlen(name) + 1);
    q->size += NLA_ALIGN(a->nla_len);
    m->nlmsg_len += NLA_ALIGN(a->nla_len);
}

static void keep_name(const struct nlmsghdr *m, struct strv *to)
{
    const char *end = (const char *)m + m->nlmsg_len;
    const char *at = (const char *)NLMSG_DATA(m) + NLMSG_ALIGN(sizeof(struct nfgenmsg));
    if (((const struct nfgenmsg *)NLMSG_DATA(m))->nfgen_family != NFPROTO_INET)
        return;
    while (end - at >= NLA_HDRLEN) {
        const struct nlattr *a = (const struct nlattr *)at;
        const char *text = at + NLA_HDRLEN;
        if (a->nla_len < NLA_HDRLEN || a->nla_len > end - at)
            return;
        size_t size = a->nla_len - NLA_HDRLEN;
        if ((a->nla_type & NLA_TYPE_MASK) == NFTA_TABLE_NAME && size > 1 && text[size - 1] == '\0')
            strv_add(to, text);
        at += NLA_ALIGN(a->nla_len);
    }
}

/* 0 when the answer has ended, or its error. names may be NULL. */
static int hear(int fd, struct strv *names)
{
    CLEANUP_FREE char *answer = xmalloc(ANSWER_MAX);
    for (;;) {
        ssize_t n = recv(fd, answer, ANSWER_MAX, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        const struct nlmsghdr *m = (const struct nlmsghdr *)answer;
        for (size_t left = (size_t)n; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
            if (m->nlmsg_type == NLMSG_DONE)
                return 0;
            if (m->nlmsg_type == NLMSG_ERROR)
                return ((const struct nlmsgerr *)NLMSG_DATA(m))->error;
            if (names != NULL && m->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nfgenmsg)))
                keep_name(m, names);
        }
    }
}

static int list_tables(int fd, struct strv *ret)
{
    struct request q = {.size = 0};
    add_message(&q, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_DUMP, NFPROTO_UNSPEC, 0);
    return send(fd, q.bytes, q.size, 0) < 0 ? -errno : hear(fd, ret);
}

static int delete_table(int fd, const char *name)
{
    struct request q = {.size = 0};
    if (strlen(name) >= CRIU_LOCK_NAME_MAX)
        return -ENAMETOOLONG;
    add_message(&q, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    struct nlmsghdr *m = add_message(&q, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE, NLM_F_ACK, NFPROTO_INET, 0);
    add_name(&q, m, name);
    add_message(&q, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    return send(fd, q.bytes, q.size, 0) < 0 ? -errno : hear(fd, NULL);
}

/* ---- the namespace ---- */

/* A socket of the process's network namespace, -1 with a kernel without nftables; *ret_own: it is ours as well. */
static int open_in(pid_t pid, int *ret_fd, bool *ret_own, struct error *err)
{
    char path[64];
    struct stat ours, theirs;
    snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
    CLEANUP_CLOSE int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    CLEANUP_CLOSE int other = open(path, O_RDONLY | O_CLOEXEC);
    if (own < 0 || other < 0 || fstat(own, &ours) < 0 || fstat(other, &theirs) < 0 || setns(other, CLONE_NEWNET) < 0)
        return error_errno(err, errno, "cannot enter the network namespace of the restored container");
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER), errnum = errno;
    *ret_own = ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
    if (setns(own, CLONE_NEWNET) < 0) {
        fd_close(fd);
        return error_set(err, ERROR_SYSTEM, EXDEV, "cannot return to our own network namespace");
    }
    *ret_fd = fd;
    return fd < 0 && errnum != EPROTONOSUPPORT ? error_errno(err, errnum, "cannot speak to nftables") : 0;
}

int criu_network_unlock(pid_t pid, const char *name, struct error *err)
{
    bool own;
    CLEANUP_STRV struct strv names = STRV_INIT;
    CLEANUP_CLOSE int fd = -1;
    int r = open_in(pid, &fd, &own, err);
    if (r < 0 || fd < 0 || list_tables(fd, &names) < 0) /* which fails without nftables */
        return r;
    for (size_t i = 0; i < names.count; i++) {
        const char *table = names.items[i];
        if (strncmp(table, PREFIX, strlen(PREFIX)) != 0 || (own && strcmp(table, name) != 0))
            continue;
        r = delete_table(fd, table);
        if (r < 0 && r != -ENOENT)
            return error_errno(err, r, "cannot remove the network lock of the dump, nftables table inet %s", table);
    }
    return 0;
}
