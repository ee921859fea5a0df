/* The daemon's settings: dockerd's names, from daemon.json and the command line (one table, cmd/doryd/options.c). */
#ifndef DORY_DAEMON_OPTIONS_H
#define DORY_DAEMON_OPTIONS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/strmap.h"
#include "base/strv.h"

struct userns_remap;

struct daemon_options {
    /* SIGHUP replaces insecure_registries, registry_mirrors, mirrors, labels, runtimes, default_runtime, authz_plugins,
     * features and log_level
     * under it: read them with it held for reading. Everything else is a plain value or never changes. */
    pthread_rwlock_t reload;
    char *data_root;   /* /var/lib/dory */
    char *exec_root;   /* /run/dory */
    struct strv hosts; /* unix:///run/dory.sock */
    char *group;       /* of Unix sockets; NULL: dory, else docker */
    bool tls, tls_verify;
    char *tls_ca, *tls_cert, *tls_key;
    char *pidfile;
    char *log_level;
    char *log_format;          /* text or json */
    bool raw_logs;             /* always so */
    struct strv authz_plugins; /* in the order in which they are asked */
    char *metrics;             /* "host:port" where metrics are served; NULL: nowhere */
    bool debug;
    struct strmap features;                    /* "buildkit": "true"; nothing else can be chosen */
    struct strmap proxies;                     /* "http-proxy", "https-proxy", "no-proxy": over the environment's */
    char *http_proxy, *https_proxy, *no_proxy; /* the same, as flags */
    struct strv host_gateway;                  /* addresses that host-gateway stands for; empty: the bridge's */
    bool ip_forward_no_drop;                   /* always so */
    char *bridge;                              /* dory0 */
    char *bip;
    char *fixed_cidr;
    bool ipv6; /* on the default bridge */
    char *bip6, *fixed_cidr6;
    bool icc, userland_proxy;
    char *default_gateway, *default_gateway6;
    char *ip; /* default address for published ports */
    int64_t mtu;
    struct strv address_pools; /* "base=10.10.0.0/16,size=24": where networks get their subnets from */
    bool iptables, ip6tables, ip_forward, ip_masq; /* true by default */
    struct strv insecure_registries, registry_mirrors;
    struct strmap mirrors; /* of registries other than Docker Hub: "ghcr.io": "https://a,https://b" */
    struct strv dns, dns_options, dns_search;
    char *log_driver; /* json-file */
    struct strmap log_options;
    char *cgroup_parent; /* "/docker" by docker's cgroupfs driver; ours "/dory" */
    char *init_path;
    bool init;
    char *shim_path; /* next to doryd, else PREFIX/libexec */
    /* What a container gets that does not say. */
    char *default_cgroupns_mode, *default_ipc_mode;
    char *default_shm_size;        /* "64m" */
    struct strmap default_ulimits; /* "nofile": "1024:2048" */
    bool no_new_privileges;
    char *seccomp_profile; /* a file, "builtin" or "unconfined" */
    char *storage_driver;  /* overlay2 */
    struct strv storage_options;
    struct strmap runtimes; /* name: what runtimes_decode() takes */
    char *default_runtime;  /* dory */
    struct strv exec_options;
    struct strv labels;
    int64_t shutdown_timeout;
    int64_t max_concurrent_downloads, max_concurrent_uploads;
    int64_t max_download_attempts;
    int64_t keep_downloads; /* seconds */
    char *max_layer_size;   /* "256g": see struct image_limits */
    int64_t max_layer_entries;
    char *userns_remap; /* as userns_remap_open() takes it; NULL or "": containers are in the host's user namespace */
    /* What it means, and then data_root is the one below for it; looked up at the start, not the options' to free. */
    const struct userns_remap *remap;
    bool live_restore; /* always so; false makes an orderly stop end the containers, as dockerd does */
};

#endif
