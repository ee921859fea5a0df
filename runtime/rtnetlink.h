/*
 * Internal to runtime/: the few requests of rtnetlink(7) that moving a network interface takes. A plain socket: the
 * shim and the runtime carry no library for it. Everything blocks until the kernel has answered; 0 or -errno.
 */
#ifndef DORY_RUNTIME_RTNETLINK_H
#define DORY_RUNTIME_RTNETLINK_H

#include <linux/if_addr.h>
#include <stddef.h>
#include <stdint.h>

#define RTNETLINK_ADDRESSES_MAX 1024

/* A permanent address of global scope, as its interface had it. */
struct rtnetlink_address {
    struct ifaddrmsg header;
    uint32_t flags; /* IFA_F_* */
    unsigned char local[16], address[16], broadcast[16];
    size_t local_size, address_size, broadcast_size; /* 0: it has none */
};

struct rtnetlink_addresses {
    struct rtnetlink_address *items; /* free(3) */
    size_t count;
};

/* A socket of the network namespace that the process is in, close-on-exec. */
int rtnetlink_open(void);
/* -ENODEV when there is no such interface. */
int rtnetlink_index(int fd, const char *name, unsigned *ret_index);
/* -E2BIG for more than RTNETLINK_ADDRESSES_MAX. */
int rtnetlink_read_addresses(int fd, unsigned index, struct rtnetlink_addresses *ret);
int rtnetlink_add_address(int fd, unsigned index, const struct rtnetlink_address *address);
/* Moves the interface into the namespace, where it is down and called `name`. */
int rtnetlink_move(int fd, unsigned index, int ns_fd, const char *name);
int rtnetlink_up(int fd, unsigned index);

#endif
