/* /etc/hosts, /etc/hostname and /etc/resolv.conf of a container: made by the daemon, bind mounted by the runtime. */
#ifndef DORY_DAEMON_ETC_FILES_H
#define DORY_DAEMON_ETC_FILES_H

#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/strv.h"

struct etc_files {
    const char *hostname, *domainname;
    const struct strv *addresses; /* of the container; may be NULL */
    const char *gateway;          /* what host-gateway stands for; may be NULL */
    const struct strv *gateways;  /* the same, several addresses, instead of that; may be NULL or empty */
    const struct strv *extra_hosts;
    bool resolver;     /* the daemon's resolver in the container's namespace answers, and asks the servers below */
    bool host_network; /* the host's own hosts and resolv.conf are the starting point */
    const struct strv *dns, *dns_search, *dns_options;
    const char *host_resolv; /* text of the host's resolv.conf; may be NULL */
    const char *host_hosts;  /* text of the host's hosts file (host network); may be NULL */
    uid_t uid;               /* to whom they belong */
    gid_t gid;
};

/* Where that resolver listens. */
#define ETC_RESOLVER_ADDRESS "127.0.0.11"

/* Pure: the texts. */
void etc_hosts_text(const struct etc_files *files, struct strbuf *out);
void etc_resolv_text(const struct etc_files *files, struct strbuf *out);

/* Writes all three into the directory. host_resolv and host_hosts are read when they are NULL. */
int etc_files_write(int dir_fd, struct etc_files *files, struct error *err);

#endif
