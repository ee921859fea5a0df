#include "cmd/doryd/options_rows.h"

#define AT(member) offsetof(struct daemon_options, member)
const struct row option_rows[] = {
    {"add-runtime", 0, "runtimes", ROW_RUNTIMES, AT(runtimes), NULL, ROW_RELOAD,
     "OCI runtime that containers may ask for, name=path"},
    {"bip", 0, NULL, ROW_STRING, AT(bip), NULL, 0, "Address of the default bridge in CIDR form"},
    {"bridge", 'b', NULL, ROW_STRING, AT(bridge), "dory0", 0,
     "Interface that containers are attached to; made if missing; none: no default bridge"},
    {"cgroup-parent", 0, NULL, ROW_STRING, AT(cgroup_parent), "/dory", 0, "Parent cgroup of all containers"},
    {"default-address-pool", 0, "default-address-pools", ROW_LIST, AT(address_pools), NULL, ROW_POOLS,
     "Where networks get their subnets from, base=10.10.0.0/16,size=24"},
    {"default-cgroupns-mode", 0, NULL, ROW_STRING, AT(default_cgroupns_mode), "private", 0,
     "Cgroup namespace of containers that do not say: private or host"},
    {"default-ipc-mode", 0, NULL, ROW_STRING, AT(default_ipc_mode), "private", 0,
     "IPC namespace of containers that do not say: private or shareable"},
    {"default-runtime", 0, NULL, ROW_STRING, AT(default_runtime), "dory", ROW_RELOAD,
     "OCI runtime of containers that do not say"},
    {"default-shm-size", 0, NULL, ROW_STRING, AT(default_shm_size), "64m", 0,
     "Size of /dev/shm in containers that do not say"},
    {"default-ulimit", 0, "default-ulimits", ROW_ULIMITS, AT(default_ulimits), NULL, 0,
     "Ulimit of containers that do not set it, name=soft[:hard]"},
    {"data-root", 0, NULL, ROW_STRING, AT(data_root), "/var/lib/dory", 0, "Root directory of persistent state"},
    {"debug", 'D', NULL, ROW_BOOL, AT(debug), "false", ROW_RELOAD, "The same as --log-level debug"},
    {"dns", 0, NULL, ROW_LIST, AT(dns), NULL, 0, "Name server that containers use"},
    {"dns-opt", 0, "dns-opts", ROW_LIST, AT(dns_options), NULL, 0, "Resolver option that containers use"},
    {"dns-search", 0, NULL, ROW_LIST, AT(dns_search), NULL, 0, "Search domain that containers use"},
    {"exec-opt", 0, "exec-opts", ROW_LIST, AT(exec_options), NULL, 0,
     "Option of the runtime; native.cgroupdriver=cgroupfs is the only one"},
    {"exec-root", 0, NULL, ROW_STRING, AT(exec_root), "/run/dory", 0, "Root directory of execution state"},
    {"fixed-cidr", 0, NULL, ROW_STRING, AT(fixed_cidr), NULL, 0,
     "Part of bip's subnet that containers on the default bridge get their addresses from"},
    {"group", 'G', NULL, ROW_STRING, AT(group), NULL, 0,
     "Group that may use the Unix socket; dory or docker when not given and there is one"},
    {"host", 'H', "hosts", ROW_LIST, AT(hosts), "unix:///run/dory.sock", 0,
     "Socket to listen on: unix:///path, tcp://address:port or fd:// (as passed by systemd)"},
    {"init", 0, NULL, ROW_BOOL, AT(init), "false", 0, "Run an init in every container"},
    {"init-path", 0, NULL, ROW_STRING, AT(init_path), NULL, 0, "Program for --init; the built-in one when not given"},
    {"insecure-registry", 0, "insecure-registries", ROW_LIST, AT(insecure_registries), NULL, ROW_RELOAD,
     "Registry that may be spoken to without TLS"},
    {"ip", 0, NULL, ROW_STRING, AT(ip), "0.0.0.0", 0, "Host address for published ports that name none"},
    {"ip-forward", 0, NULL, ROW_BOOL, AT(ip_forward), "true", 0, "Enable net.ipv4.ip_forward"},
    {"ip-masq", 0, NULL, ROW_BOOL, AT(ip_masq), "true", 0, "Masquerade what containers send out"},
    {"iptables", 0, NULL, ROW_BOOL, AT(iptables), "true", 0, "Add firewall rules (nftables)"},
    {"keep-downloads", 0, NULL, ROW_INT, AT(keep_downloads), "600", ROW_RELOAD,
     "Seconds that layers of a pull that was broken off wait for the next one; 0: they do not"},
    {"label", 0, "labels", ROW_LIST, AT(labels), NULL, ROW_RELOAD, "Label of this daemon, key=value"},
    {"live-restore", 0, NULL, ROW_BOOL, AT(live_restore), "true", ROW_RELOAD, "Containers go on while no daemon runs"},
    {"log-driver", 0, NULL, ROW_STRING, AT(log_driver), "json-file", 0,
     "Default log driver of containers: json-file or none"},
    {"log-level", 'l', NULL, ROW_STRING, AT(log_level), "info", ROW_RELOAD, "debug, info, warn, error or fatal"},
    {"log-opt", 0, "log-opts", ROW_MAP, AT(log_options), NULL, 0, "Default option of the log driver, key=value"},
    {"max-concurrent-downloads", 0, NULL, ROW_INT, AT(max_concurrent_downloads), "3", ROW_RELOAD,
     "Layers of one pull that are fetched at a time"},
    {"max-concurrent-uploads", 0, NULL, ROW_INT, AT(max_concurrent_uploads), "5", ROW_RELOAD,
     "Layers of one push that are sent at a time"},
    {"max-layer-entries", 0, NULL, ROW_INT, AT(max_layer_entries), "5000000", 0,
     "Files that a layer may have; one with more is refused"},
    {"max-layer-size", 0, NULL, ROW_STRING, AT(max_layer_size), "256g", 0,
     "Bytes that a layer may unpack to; a larger one is refused"},
    {"mirror", 0, "mirrors", ROW_MAP, AT(mirrors), NULL, ROW_RELOAD,
     "URLs that are tried before another registry than Docker Hub: HOST[:PORT]=URL[,URL]"},
    {"mtu", 0, NULL, ROW_INT, AT(mtu), "1500", 0, "MTU of the default bridge"},
    {"no-new-privileges", 0, NULL, ROW_BOOL, AT(no_new_privileges), "false", 0,
     "Containers that do not say gain no privileges through setuid programs"},
    {"pidfile", 'p', NULL, ROW_STRING, AT(pidfile), "/run/dory.pid", 0, "File for the daemon's process id"},
    {"registry-mirror", 0, "registry-mirrors", ROW_LIST, AT(registry_mirrors), NULL, ROW_RELOAD,
     "URL that is tried before Docker Hub"},
    {"seccomp-profile", 0, NULL, ROW_STRING, AT(seccomp_profile), "builtin", 0,
     "Seccomp profile of containers that name none: a file, builtin or unconfined"},
    {"shim-path", 0, NULL, ROW_STRING, AT(shim_path), NULL, 0,
     "The dory-shim program; looked for beside doryd when not given"},
    {"shutdown-timeout", 0, NULL, ROW_INT, AT(shutdown_timeout), "15", ROW_RELOAD,
     "Seconds that containers have to stop when the daemon ends without live-restore"},
    {"storage-driver", 's', NULL, ROW_STRING, AT(storage_driver), "overlay2", 0,
     "Storage driver; overlay2 is the only one"},
    {"tls", 0, NULL, ROW_BOOL, AT(tls), "false", 0, "Use TLS on tcp:// sockets; implied by --tlsverify"},
    {"tlscacert", 0, NULL, ROW_STRING, AT(tls_ca), "/etc/dory/ca.pem", 0, "Who signs the certificates of clients"},
    {"tlscert", 0, NULL, ROW_STRING, AT(tls_cert), "/etc/dory/cert.pem", 0, "The daemon's TLS certificate"},
    {"tlskey", 0, NULL, ROW_STRING, AT(tls_key), "/etc/dory/key.pem", 0, "The key of the daemon's TLS certificate"},
    {"tlsverify", 0, NULL, ROW_BOOL, AT(tls_verify), "false", 0,
     "Use TLS, and serve nobody without a certificate that tlscacert signed"},
};

const size_t option_row_count = ARRAY_SIZE(option_rows);
_Static_assert(ARRAY_SIZE(option_rows) <= OPTION_ROWS_MAX, "too many settings");

const char *option_key(const struct row *row)
{
    return row->key ? row->key : row->flag;
}

const char *option_type_name(const struct row *row)
{
    static const char *const names[] = {"string", "list", "", "int", "map", "ulimit", "runtime"};

    return names[row->type];
}
