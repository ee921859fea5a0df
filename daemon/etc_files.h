/* /etc/hosts, /etc/hostname and /etc/resolv.conf of a container: made by the daemon, bind mounted by the runtime. */
#ifndef DORY_DAEMON_ETC_FILES_H
#define DORY_DAEMON_ETC_FILES_H

#include "base/error.h"
#include "base/strbuf.h"
#include "base/strv.h"

struct etc_files {
    const char *hostname, *domainname;
    const char *address; /* of the container; NULL: none */
    const char *gateway; /* what host-gateway stands for; may be NULL */
    const struct strv *extra_hosts;
    bool host_network; /* the host's own hosts and resolv.conf are the starting point */
    const struct strv *dns, *dns_search, *dns_options;
    const char *host_resolv; /* text of the host's resolv.conf; may be NULL */
    const char *host_hosts;  /* text of the host's hosts file (host network); may be NULL */
};

/* Pure: the texts. */
void etc_hosts_text(const struct etc_files *files, struct strbuf *out);
void etc_resolv_text(const struct etc_files *files, struct strbuf *out);

/* Writes all three into the directory. host_resolv and host_hosts are read when they are NULL. */
int etc_files_write(int dir_fd, struct etc_files *files, struct error *err);

#endif
