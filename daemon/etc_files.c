#include "daemon/etc_files.h"

#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/file.h"

#define HOST_FILE_MAX (1 << 20)

static const char *const fallback_nameservers[] = {"8.8.8.8", "8.8.4.4"};

static void add_host_gateways(const struct etc_files *f, const char *name, size_t name_size, struct strbuf *out)
{
    for (size_t i = 0; i < f->gateways->count; i++)
        strbuf_addf(out, "%s\t%.*s\n", f->gateways->items[i], (int)name_size, name);
}

static void add_extra_hosts(const struct etc_files *f, struct strbuf *out)
{
    for (size_t i = 0; f->extra_hosts != NULL && i < f->extra_hosts->count; i++) {
        const char *entry = f->extra_hosts->items[i];
        size_t name = strcspn(entry, ":=");
        if (entry[name] == '\0')
            continue;
        const char *address = entry + name + 1;
        if (strcmp(address, "host-gateway") == 0 && f->gateways != NULL && f->gateways->count > 0) {
            add_host_gateways(f, entry, name, out);
            continue;
        }
        if (strcmp(address, "host-gateway") == 0)
            address = f->gateway != NULL && *f->gateway != '\0' ? f->gateway : "127.0.0.1";
        size_t length = strlen(address); /* "[::1]" stands for an IPv6 address, too */
        if (*address == '[' && length > 2 && address[length - 1] == ']')
            strbuf_addf(out, "%.*s\t%.*s\n", (int)length - 2, address + 1, (int)name, entry);
        else
            strbuf_addf(out, "%s\t%.*s\n", address, (int)name, entry);
    }
}

void etc_hosts_text(const struct etc_files *f, struct strbuf *out)
{
    if (f->host_network && f->host_hosts != NULL) {
        strbuf_adds(out, f->host_hosts);
        if (out->size > 0 && out->data[out->size - 1] != '\n')
            strbuf_addc(out, '\n');
        add_extra_hosts(f, out);
        return;
    }
    strbuf_adds(out, "127.0.0.1\tlocalhost\n"
                     "::1\tlocalhost ip6-localhost ip6-loopback\n"
                     "fe00::\tip6-localnet\n"
                     "ff00::\tip6-mcastprefix\n"
                     "ff02::1\tip6-allnodes\n"
                     "ff02::2\tip6-allrouters\n");
    add_extra_hosts(f, out);
    for (size_t i = 0; f->addresses != NULL && i < f->addresses->count; i++) {
        const char *address = f->addresses->items[i];
        if (f->domainname != NULL && *f->domainname != '\0')
            strbuf_addf(out, "%s\t%s.%s %s\n", address, f->hostname, f->domainname, f->hostname);
        else if (strchr(f->hostname, '.') != NULL) /* its first part is a name, too */
            strbuf_addf(out, "%s\t%s %.*s\n", address, f->hostname, (int)strcspn(f->hostname, "."), f->hostname);
        else
            strbuf_addf(out, "%s\t%s\n", address, f->hostname);
    }
}

static bool has_entries(const struct strv *v)
{
    return v != NULL && v->count > 0;
}

/* A nameserver on the host's loopback cannot be reached from another network namespace. */
static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "::1", 3) == 0;
}

static void add_words(struct strv *to, const char *text)
{
    for (size_t size; *(text += strspn(text, " \t")) != '\0'; text += size) {
        size = strcspn(text, " \t");
        CLEANUP_FREE char *word = xstrndup(text, size);
        strv_add(to, word);
    }
}

/* Copies the host's line unless ours replaces it; its options are collected. Returns whether it was a usable
 * nameserver. */
static bool copy_resolv_line(const struct etc_files *f, const char *line, size_t size, struct strv *options,
                             struct strbuf *out)
{
    CLEANUP_FREE char *text = xstrndup(line, size);
    size_t start = strspn(text, " \t"), word = strcspn(text + start, " \t");
    if (word == 0 || text[start] == '#' || text[start] == ';')
        return false;
    const char *value = text + start + word + strspn(text + start + word, " \t");
    bool nameserver = word == 10 && strncmp(text + start, "nameserver", word) == 0;
    if (nameserver && (f->resolver || has_entries(f->dns) || (!f->host_network && is_loopback(value))))
        return false;
    if (has_entries(f->dns_search) && ((word == 6 && strncmp(text + start, "search", 6) == 0) ||
                                       (word == 6 && strncmp(text + start, "domain", 6) == 0)))
        return false;
    if (word == 7 && strncmp(text + start, "options", 7) == 0) {
        if (!has_entries(f->dns_options))
            add_words(options, value);
        return false;
    }
    strbuf_addf(out, "%s\n", text);
    return nameserver;
}

/* A name that has a dot may be a container's, too: the resolver is asked for it as it is first, unless the user or the
 * host says otherwise. */
static void add_options(const struct etc_files *f, struct strv *options, struct strbuf *out)
{
    bool ndots = false;
    for (size_t i = 0; has_entries(f->dns_options) && i < f->dns_options->count; i++)
        strv_add(options, f->dns_options->items[i]);
    for (size_t i = 0; i < options->count; i++)
        ndots = ndots || strncmp(options->items[i], "ndots:", 6) == 0;
    if (f->resolver && !ndots)
        strv_add(options, "ndots:0");
    if (options->count > 0) {
        CLEANUP_FREE char *joined = strv_join(options, " ");
        strbuf_addf(out, "options %s\n", joined);
    }
}

void etc_resolv_text(const struct etc_files *f, struct strbuf *out)
{
    CLEANUP_STRV struct strv options = STRV_INIT;
    bool nameserver = f->resolver || has_entries(f->dns);
    if (f->resolver)
        strbuf_adds(out, "nameserver " ETC_RESOLVER_ADDRESS "\n");
    for (size_t i = 0; !f->resolver && has_entries(f->dns) && i < f->dns->count; i++)
        strbuf_addf(out, "nameserver %s\n", f->dns->items[i]);
    for (const char *p = f->host_resolv; p != NULL && *p != '\0';) {
        size_t size = strcspn(p, "\n");
        nameserver = copy_resolv_line(f, p, size, &options, out) || nameserver;
        p += size + (p[size] == '\n');
    }
    for (size_t i = 0; !nameserver && i < ARRAY_SIZE(fallback_nameservers); i++)
        strbuf_addf(out, "nameserver %s\n", fallback_nameservers[i]);
    if (has_entries(f->dns_search) && !(f->dns_search->count == 1 && strcmp(f->dns_search->items[0], ".") == 0)) {
        CLEANUP_FREE char *joined = strv_join(f->dns_search, " ");
        strbuf_addf(out, "search %s\n", joined);
    }
    add_options(f, &options, out);
}

/* Rewritten in place at each start: a bind mount of a former start keeps showing the same file. */
static int write_file(int dir_fd, const char *name, const struct strbuf *text, const struct etc_files *f,
                      struct error *err)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_errno(err, errno, "%s of the container", name);
    if ((f->uid != 0 || f->gid != 0) && fchown(fd, f->uid, f->gid) < 0)
        return error_errno(err, errno, "%s of the container", name);
    int r = fd_write_all(fd, strbuf_str(text), text->size);
    return r < 0 ? error_errno(err, r, "%s of the container", name) : 0;
}

static char *read_host_file(const char *path)
{
    char *text = NULL;
    size_t size;
    return file_read(AT_FDCWD, path, HOST_FILE_MAX, &text, &size, NULL) < 0 ? NULL : text;
}

/* systemd-resolved's stub listens on loopback: then the servers behind it are wanted. */
static char *read_host_resolv(bool host_network)
{
    char *text = read_host_file("/etc/resolv.conf");
    if (text == NULL || host_network || strstr(text, "nameserver 127.0.0.53") == NULL)
        return text;
    char *behind = read_host_file("/run/systemd/resolve/resolv.conf");
    if (behind == NULL)
        return text;
    free(text);
    return behind;
}

int etc_files_write(int dir_fd, struct etc_files *f, struct error *err)
{
    CLEANUP_FREE char *resolv = NULL;
    CLEANUP_FREE char *hosts = NULL;
    if (f->host_resolv == NULL)
        f->host_resolv = resolv = read_host_resolv(f->host_network);
    if (f->host_hosts == NULL && f->host_network)
        f->host_hosts = hosts = read_host_file("/etc/hosts");
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    etc_hosts_text(f, &text);
    int r = write_file(dir_fd, "hosts", &text, f, err);
    if (r == 0) {
        strbuf_clear(&text);
        etc_resolv_text(f, &text);
        r = write_file(dir_fd, "resolv.conf", &text, f, err);
    }
    if (r == 0) {
        strbuf_clear(&text);
        strbuf_addf(&text, "%s\n", f->hostname);
        r = write_file(dir_fd, "hostname", &text, f, err);
    }
    f->host_resolv = f->host_hosts = NULL;
    return r;
}
