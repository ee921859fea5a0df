#include "daemon/log_target.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>

#include "base/json_table.h"
#include "base/parse.h"
#include "base/timestamp.h"
#include "daemon/engine_internal.h"
#include "daemon/log_tag.h"
#include "daemon/shim_sink.h"

#define LOCAL_DIRECTORY "local-logs"
#define LOCAL_NAME "container.log"
#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define SYSLOG_PORT 514
#define FLUENTD_PORT 24224
#define DEFAULT_TAG "{{.ID}}"

char *container_log_path(struct engine *engine, const struct container *c)
{
    if (strcmp(c->host.log_config.type, "json-file") == 0)
        return xasprintf("%s/%s/%s-json.log", engine->containers_dir, c->id, c->id);
    return xasprintf("%s/%s/" LOCAL_DIRECTORY "/" LOCAL_NAME, engine->containers_dir, c->id);
}

int container_log_check_readable(const struct container *c, struct error *err)
{
    if (log_is_readable(c->host.log_config.type, &c->host.log_config.config))
        return 0;
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "configured logging driver does not support reading");
}

/* ---- the file ---- */

static int make_file(struct engine *engine, const struct container *c, struct log_target *t, struct error *err)
{
    bool own = t->settings.driver == LOG_DRIVER_JSON_FILE || t->settings.driver == LOG_DRIVER_LOCAL;
    if (t->settings.driver == LOG_DRIVER_NONE || (!own && t->settings.cache_disabled))
        return 0;
    t->path = container_log_path(engine, c);
    if (t->settings.driver == LOG_DRIVER_JSON_FILE)
        return 0;
    CLEANUP_FREE char *directory = xasprintf("%s/" LOCAL_DIRECTORY, c->id);
    if (mkdirat(engine->containers_fd, directory, 0700) < 0 && errno != EEXIST)
        return error_errno(err, errno, "%s/%s", engine->containers_dir, directory);
    return 0;
}

/* ---- syslog ---- */

static int find_local_syslog(struct log_sink_config *config, struct error *err)
{
    static const char *const paths[] = {"/dev/log", "/var/run/syslog", "/var/run/log"};
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct stat st;
        if (stat(paths[i], &st) == 0 && S_ISSOCK(st.st_mode)) {
            config->path = xstrdup(paths[i]);
            return 0;
        }
    }
    return error_set(err, ERROR_SYSTEM, ENOENT, "Unix syslog delivery error: no local syslog socket is there");
}

/* "host", "host:port", "[v6]:port" */
static int split_address(const char *address, int64_t default_port, char **ret_host, int64_t *ret_port,
                         struct error *err)
{
    const char *end = *address == '[' ? strchr(address, ']') : NULL;
    const char *colon = end != NULL ? (end[1] == ':' ? end + 1 : NULL) : strrchr(address, ':');
    *ret_port = default_port;
    if (colon != NULL && parse_int64(colon + 1, 1, 65535, ret_port) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid port in the address of the log server: %s", address);
    *ret_host = end != NULL ? xstrndup(address + 1, (size_t)(end - address) - 1)
                            : xstrndup(address, colon != NULL ? (size_t)(colon - address) : strlen(address));
    return 0;
}

/* Into a numeric address, which is what the shim understands. */
static int resolve(const char *address, bool stream, int64_t port, struct log_sink_config *config, struct error *err)
{
    CLEANUP_FREE char *host = NULL;
    struct addrinfo hints = {.ai_socktype = stream ? SOCK_STREAM : SOCK_DGRAM}, *found = NULL;
    char text[NI_MAXHOST];
    int r = split_address(address, port, &host, &config->port, err);
    if (r < 0)
        return r;
    r = getaddrinfo(*host != '\0' ? host : "127.0.0.1", NULL, &hints, &found);
    if (r == 0)
        r = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
    if (found != NULL)
        freeaddrinfo(found);
    if (r != 0)
        return error_set(err, ERROR_SYSTEM, EHOSTUNREACH, "dial %s: lookup %s: %s", stream ? "tcp" : "udp", host,
                         gai_strerror(r));
    config->host = xstrdup(text);
    return 0;
}

static int take_path(const char *path, struct log_sink_config *config, struct error *err)
{
    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return error_set(err, ERROR_INVALID, 0, "the path of the log server is too long: %s", path);
    config->path = xstrdup(path);
    return 0;
}

static void add_flag(struct strv *arguments, const char *flag, const char *value)
{
    if (value == NULL)
        return;
    strv_add(arguments, flag);
    strv_add(arguments, value);
}

/* The program lies where the shim does. It looks the name up itself, which the certificate has to be for. */
static int use_tls(const struct engine *engine, const struct log_settings *s, int64_t default_port,
                   struct log_sink_config *config, struct error *err)
{
    const char *shim = engine->options->shim_path, *slash = strrchr(shim, '/');
    /* The shim has no environment; where there is one with other authorities, it is for this, too. */
    const char *authorities = s->tls_ca != NULL ? s->tls_ca : getenv("SSL_CERT_FILE");
    CLEANUP_FREE char *host = NULL;
    int64_t port;
    int r = split_address(s->address, default_port, &host, &port, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *port_text = xasprintf("%d", (int)port);
    config->program =
        xasprintf("%.*s/dory-connect", slash != NULL ? (int)(slash - shim) : 1, slash != NULL ? shim : ".");
    if (access(config->program, X_OK) < 0)
        return error_set(err, ERROR_SYSTEM, ENOENT, "a log server over TLS needs the program %s, which is not there",
                         config->program);
    strv_add(&config->arguments, "dory-connect");
    strv_add(&config->arguments, "client");
    strv_add(&config->arguments, *host != '\0' ? host : "localhost");
    strv_add(&config->arguments, port_text);
    add_flag(&config->arguments, "--ca", s->tls_skip_verify ? NULL : authorities);
    add_flag(&config->arguments, "--cert", s->tls_cert);
    add_flag(&config->arguments, "--key", s->tls_key);
    if (s->tls_skip_verify)
        strv_add(&config->arguments, "--insecure");
    return 0;
}

static int configure_syslog(const struct engine *engine, const struct log_settings *s, struct log_sink_config *config,
                            struct error *err)
{
    struct utsname host;
    config->kind = LOG_SINK_SYSLOG;
    config->format = s->format;
    config->facility = s->facility;
    config->pid = getpid();
    config->hostname = uname(&host) == 0 ? xstrdup(host.nodename) : NULL;
    config->stream = s->transport != LOG_UDP && s->transport != LOG_UNIX_DATAGRAM && s->transport != LOG_LOCAL_SOCKET;
    if (s->transport == LOG_TLS)
        return use_tls(engine, s, SYSLOG_PORT, config, err);
    if (s->transport == LOG_LOCAL_SOCKET)
        return find_local_syslog(config, err);
    if (s->transport == LOG_TCP || s->transport == LOG_UDP)
        return resolve(s->address, config->stream, SYSLOG_PORT, config, err);
    return take_path(s->address, config, err);
}

/* ---- journald ---- */

/* A value of one line; what has more is cut there, which keeps a label from making up fields. */
static void add_field(struct strbuf *out, const char *name, const char *value)
{
    strbuf_addf(out, "%s=%.*s\n", name, (int)strcspn(value, "\n"), value);
}

/* Field names are A-Z, 0-9 and _, and do not begin with _. */
static void add_attribute(struct strbuf *out, const char *key, const char *value)
{
    CLEANUP_STRBUF struct strbuf name = STRBUF_INIT;
    for (; *key != '\0'; key++) {
        char c = isalnum((unsigned char)*key) ? (char)toupper((unsigned char)*key) : '_';
        if (name.size > 0 || c != '_')
            strbuf_addc(&name, c);
    }
    if (name.size > 0)
        add_field(out, strbuf_str(&name), value);
}

static int configure_journald(const struct log_facts *facts, const struct log_target *t, const char *tag,
                              struct log_sink_config *config, struct error *err)
{
    CLEANUP_STRBUF struct strbuf fields = STRBUF_INIT;
    CLEANUP_FREE char *short_id = xstrndup(facts->id, ID_SHORT_SIZE);
    struct stat st;
    if (stat(JOURNAL_SOCKET, &st) < 0 || !S_ISSOCK(st.st_mode))
        return error_set(err, ERROR_SYSTEM, ENOENT,
                         "journald is not enabled on this host: there is no " JOURNAL_SOCKET);
    config->kind = LOG_SINK_JOURNALD;
    config->path = xstrdup(JOURNAL_SOCKET);
    add_field(&fields, "CONTAINER_ID", short_id);
    add_field(&fields, "CONTAINER_ID_FULL", facts->id);
    add_field(&fields, "CONTAINER_NAME", facts->name);
    add_field(&fields, "CONTAINER_TAG", tag);
    add_field(&fields, "IMAGE_NAME", facts->image_name != NULL ? facts->image_name : "");
    add_field(&fields, "SYSLOG_IDENTIFIER", tag);
    for (size_t i = 0; i < t->attributes.count; i++)
        add_attribute(&fields, t->attributes.items[i].key, t->attributes.items[i].value);
    config->fields = strbuf_take(&fields);
    return 0;
}

/* ---- gelf, fluentd ---- */

static int configure_gelf(const struct log_facts *facts, const struct container *c, const struct log_target *t,
                          struct log_sink_config *config, struct error *err)
{
    CLEANUP_STRBUF struct strbuf command = STRBUF_INIT;
    struct utsname host;
    char created[TIMESTAMP_MAX];
    strbuf_adds(&command, facts->path);
    for (size_t i = 0; i < facts->arguments->count; i++)
        strbuf_addf(&command, " %s", facts->arguments->items[i]);
    timestamp_format(created, c->created);
    config->kind = LOG_SINK_GELF;
    config->stream = t->settings.transport == LOG_TCP;
    config->compression = t->settings.compression;
    config->level = t->settings.compression_level;
    config->hostname = uname(&host) == 0 ? xstrdup(host.nodename) : NULL;
    strmap_set(&config->extra, "_container_id", facts->id);
    strmap_set(&config->extra, "_container_name", facts->name);
    strmap_set(&config->extra, "_image_id", facts->image_id != NULL ? facts->image_id : "");
    strmap_set(&config->extra, "_image_name", facts->image_name != NULL ? facts->image_name : "");
    strmap_set(&config->extra, "_command", strbuf_str(&command));
    strmap_set(&config->extra, "_created", created);
    for (size_t i = 0; i < t->attributes.count; i++) {
        CLEANUP_FREE char *key = xasprintf("_%s", t->attributes.items[i].key);
        strmap_set(&config->extra, key, t->attributes.items[i].value);
    }
    strmap_set(&config->extra, "_tag", config->tag);
    return resolve(t->settings.address, config->stream, 0, config, err);
}

static int configure_fluentd(const struct engine *engine, const struct log_facts *facts, const struct log_target *t,
                             struct log_sink_config *config, struct error *err)
{
    CLEANUP_FREE char *name = xasprintf("/%s", facts->name);
    config->kind = LOG_SINK_FLUENTD;
    config->stream = true;
    config->async = t->settings.async;
    config->nanoseconds = t->settings.nanoseconds;
    config->ack = t->settings.ack;
    config->read_timeout_ns = t->settings.read_timeout_ns;
    config->write_timeout_ns = t->settings.write_timeout_ns;
    config->renew_ns = t->settings.renew_ns;
    strmap_copy(&config->extra, &t->attributes);
    strmap_unset(&config->extra, "tag"); /* is the message's */
    strmap_set(&config->extra, "container_id", facts->id);
    strmap_set(&config->extra, "container_name", name);
    if (t->settings.transport == LOG_TLS)
        return use_tls(engine, &t->settings, FLUENTD_PORT, config, err);
    return t->settings.transport == LOG_TCP ? resolve(t->settings.address, true, FLUENTD_PORT, config, err)
                                            : take_path(t->settings.address, config, err);
}

/* ---- all of it ---- */

static int configure(const struct engine *engine, const struct log_facts *facts, const struct container *c,
                     const struct log_target *t, struct log_sink_config *config, struct error *err)
{
    switch (t->settings.driver) {
    case LOG_DRIVER_SYSLOG:
        return configure_syslog(engine, &t->settings, config, err);
    case LOG_DRIVER_JOURNALD:
        return configure_journald(facts, t, config->tag, config, err);
    case LOG_DRIVER_GELF:
        return configure_gelf(facts, c, t, config, err);
    default:
        return configure_fluentd(engine, facts, t, config, err);
    }
}

static int make_sink(const struct engine *engine, const struct log_facts *facts, const struct container *c,
                     struct log_target *t, struct error *err)
{
    struct log_sink_config config = {.non_blocking = t->settings.non_blocking,
                                     .buffer_size = (int64_t)t->settings.buffer_size,
                                     .retry_ns = t->settings.retry_ns,
                                     .limited = t->settings.limited,
                                     .attempts = t->settings.attempts};
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    const char *tag = t->settings.tag != NULL && *t->settings.tag != '\0' ? t->settings.tag : DEFAULT_TAG;
    int r = log_tag_expand(tag, facts, &config.tag, err);
    if (r == 0)
        r = configure(engine, facts, c, t, &config, err);
    if (r == 0) {
        json_writer_init(&w, &text);
        json_table_encode(&log_sink_config_table, &config, &w);
        t->sink = strbuf_take(&text);
    }
    json_table_release(&log_sink_config_table, &config);
    return r;
}

static int make_attributes(const struct log_facts *facts, struct log_target *t, struct error *err)
{
    CLEANUP_FREE char *tag = NULL;
    log_attributes(&t->settings, facts, &t->attributes);
    if (t->settings.tag == NULL || *t->settings.tag == '\0')
        return 0;
    int r = log_tag_expand(t->settings.tag, facts, &tag, err);
    if (r == 0) {
        strmap_set(&t->attributes, "tag", tag);
        strmap_sort(&t->attributes);
    }
    return r;
}

int log_target_make(struct engine *engine, const struct container *c, struct log_target *ret, struct error *err)
{
    CLEANUP_FREE char *name = container_slash_name(engine, c);
    struct log_facts facts = {.id = c->id,
                              .name = name + 1,
                              .image_id = c->image_id,
                              .image_name = c->config.image,
                              .path = c->path,
                              .arguments = &c->args,
                              .labels = &c->config.labels,
                              .env = &c->config.env};
    *ret = (struct log_target){0};
    int r = log_settings_parse(c->host.log_config.type, &c->host.log_config.config, &ret->settings, err);
    bool sends = ret->settings.driver >= LOG_DRIVER_SYSLOG;
    if (r == 0)
        r = make_file(engine, c, ret, err);
    if (r == 0 && ret->settings.driver != LOG_DRIVER_NONE)
        r = make_attributes(&facts, ret, err);
    if (r == 0 && sends)
        r = make_sink(engine, &facts, c, ret, err);
    if (r < 0)
        log_target_release(ret);
    return r;
}

void log_target_release(struct log_target *t)
{
    free(t->path);
    free(t->sink);
    strmap_release(&t->attributes);
    t->path = t->sink = NULL;
}
