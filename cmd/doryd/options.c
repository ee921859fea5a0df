#include "cmd/doryd/options.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/parse.h"

#define CONFIG_FILE_MAX ((size_t)1024 * 1024)

enum row_type { ROW_STRING, ROW_LIST, ROW_BOOL, ROW_INT, ROW_MAP };
enum row_flags {
    ROW_RELOAD = 1 << 0,  /* SIGHUP may change it */
    ROW_NO_JSON = 1 << 1, /* a flag only */
};

struct row {
    const char *flag;
    char letter;
    const char *key; /* in daemon.json; NULL: as the flag */
    enum row_type type;
    size_t offset;
    const char *initial; /* default as text; lists get it as their only item when nothing else is given */
    unsigned flags;
    const char *help;
};

#define AT(member) offsetof(struct daemon_options, member)
static const struct row rows[] = {
    {"bip", 0, NULL, ROW_STRING, AT(bip), NULL, 0, "Address of the default bridge in CIDR form"},
    {"bridge", 'b', NULL, ROW_STRING, AT(bridge), "dory0", 0,
     "Interface that containers are attached to; made if missing"},
    {"cgroup-parent", 0, NULL, ROW_STRING, AT(cgroup_parent), "/dory", 0, "Parent cgroup of all containers"},
    {"data-root", 0, NULL, ROW_STRING, AT(data_root), "/var/lib/dory", 0, "Root directory of persistent state"},
    {"debug", 'D', NULL, ROW_BOOL, AT(debug), "false", ROW_RELOAD, "The same as --log-level debug"},
    {"dns", 0, NULL, ROW_LIST, AT(dns), NULL, 0, "Name server that containers use"},
    {"dns-opt", 0, "dns-opts", ROW_LIST, AT(dns_options), NULL, 0, "Resolver option that containers use"},
    {"dns-search", 0, NULL, ROW_LIST, AT(dns_search), NULL, 0, "Search domain that containers use"},
    {"exec-root", 0, NULL, ROW_STRING, AT(exec_root), "/run/dory", 0, "Root directory of execution state"},
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
    {"label", 0, "labels", ROW_LIST, AT(labels), NULL, ROW_RELOAD, "Label of this daemon, key=value"},
    {"live-restore", 0, NULL, ROW_BOOL, AT(live_restore), "true", ROW_RELOAD, "Containers go on while no daemon runs"},
    {"log-driver", 0, NULL, ROW_STRING, AT(log_driver), "json-file", 0,
     "Default log driver of containers: json-file or none"},
    {"log-level", 'l', NULL, ROW_STRING, AT(log_level), "info", ROW_RELOAD, "debug, info, warn, error or fatal"},
    {"log-opt", 0, "log-opts", ROW_MAP, AT(log_options), NULL, 0, "Default option of the log driver, key=value"},
    {"max-concurrent-downloads", 0, NULL, ROW_INT, AT(max_concurrent_downloads), "3", ROW_RELOAD,
     "Layers of one pull that are fetched at a time"},
    {"mtu", 0, NULL, ROW_INT, AT(mtu), "1500", 0, "MTU of the default bridge"},
    {"pidfile", 'p', NULL, ROW_STRING, AT(pidfile), "/run/dory.pid", 0, "File for the daemon's process id"},
    {"registry-mirror", 0, "registry-mirrors", ROW_LIST, AT(registry_mirrors), NULL, ROW_RELOAD,
     "URL that is tried before Docker Hub"},
    {"shim-path", 0, NULL, ROW_STRING, AT(shim_path), NULL, 0,
     "The dory-shim program; looked for beside doryd when not given"},
    {"shutdown-timeout", 0, NULL, ROW_INT, AT(shutdown_timeout), "15", ROW_RELOAD,
     "Seconds that containers have to stop when the daemon ends without live-restore"},
    {"tls", 0, NULL, ROW_BOOL, AT(tls), "false", 0, "Use TLS on tcp:// sockets; implied by --tlsverify"},
    {"tlscacert", 0, NULL, ROW_STRING, AT(tls_ca), "/etc/dory/ca.pem", 0, "Who signs the certificates of clients"},
    {"tlscert", 0, NULL, ROW_STRING, AT(tls_cert), "/etc/dory/cert.pem", 0, "The daemon's TLS certificate"},
    {"tlskey", 0, NULL, ROW_STRING, AT(tls_key), "/etc/dory/key.pem", 0, "The key of the daemon's TLS certificate"},
    {"tlsverify", 0, NULL, ROW_BOOL, AT(tls_verify), "false", 0,
     "Use TLS, and serve nobody without a certificate that tlscacert signed"},
};
#define ROWS ARRAY_SIZE(rows)

static const char *key_of(const struct row *row)
{
    return row->key ? row->key : row->flag;
}

static const char *type_name(const struct row *row)
{
    static const char *const names[] = {"string", "list", "", "int", "map"};

    return names[row->type];
}

static void *field(struct daemon_options *options, const struct row *row)
{
    return (char *)options + row->offset;
}

static const void *const_field(const struct daemon_options *options, const struct row *row)
{
    return (const char *)options + row->offset;
}

/* One value in text form. */
static int set_text(struct daemon_options *options, const struct row *row, const char *value, struct error *err)
{
    void *at = field(options, row);
    const char *equals;

    switch (row->type) {
    case ROW_STRING:
        xstrset(at, value);
        return 0;
    case ROW_LIST:
        strv_add(at, value);
        return 0;
    case ROW_BOOL:
        if (parse_bool(value, at) < 0)
            return error_set(err, ERROR_INVALID, 0, "invalid argument \"%s\" for \"--%s\" flag: not a boolean value",
                             value, row->flag);
        return 0;
    case ROW_INT:
        if (parse_int64(value, INT32_MIN, INT32_MAX, at) < 0)
            return error_set(err, ERROR_INVALID, 0, "invalid argument \"%s\" for \"--%s\" flag: not a whole number",
                             value, row->flag);
        return 0;
    case ROW_MAP:
        equals = strchr(value, '=');
        if (!equals || equals == value)
            return error_set(err, ERROR_INVALID, 0, "invalid argument \"%s\" for \"--%s\" flag: key=value is expected",
                             value, row->flag);
        {
            CLEANUP_FREE char *name = xstrndup(value, (size_t)(equals - value));

            strmap_set(at, name, equals + 1);
        }
        return 0;
    }
    return 0;
}

/* For messages: the value as dockerd would print it. */
static char *get_text(const struct daemon_options *options, const struct row *row)
{
    const void *at = const_field(options, row);
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

    switch (row->type) {
    case ROW_STRING:
        return xstrdup(*(char *const *)at ? *(char *const *)at : "");
    case ROW_BOOL:
        return xstrdup(*(const bool *)at ? "true" : "false");
    case ROW_INT:
        return xasprintf("%" PRId64, *(const int64_t *)at);
    case ROW_LIST: {
        CLEANUP_FREE char *joined = strv_join(at, " ");

        return xasprintf("[%s]", joined);
    }
    case ROW_MAP:
        for (size_t i = 0; i < ((const struct strmap *)at)->count; i++) {
            const struct strmap_entry *entry = &((const struct strmap *)at)->items[i];

            strbuf_addf(&text, "%s%s:%s", i ? " " : "", entry->key, entry->value);
        }
        return xasprintf("map[%s]", strbuf_str(&text));
    }
    return NULL;
}

static void release_row(struct daemon_options *options, const struct row *row)
{
    void *at = field(options, row);

    if (row->type == ROW_STRING)
        xstrset(at, NULL);
    else if (row->type == ROW_LIST)
        strv_release(at);
    else if (row->type == ROW_MAP)
        strmap_release(at);
}

void daemon_options_init(struct daemon_options *options)
{
    pthread_rwlock_init(&options->reload, NULL);
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].initial && rows[i].type != ROW_LIST)
            set_text(options, &rows[i], rows[i].initial, NULL);
    }
}

void daemon_options_release(struct daemon_options *options)
{
    for (size_t i = 0; i < ROWS; i++)
        release_row(options, &rows[i]);
    pthread_rwlock_destroy(&options->reload);
}

void invocation_release(struct invocation *invocation)
{
    free(invocation->config_file);
    invocation->config_file = NULL;
}

/* ---- flags ---- */

static const struct row *find_flag(const char *name, size_t size)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (strlen(rows[i].flag) == size && strncmp(rows[i].flag, name, size) == 0)
            return &rows[i];
    }
    return NULL;
}

static const struct row *find_letter(char letter)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].letter == letter)
            return &rows[i];
    }
    return NULL;
}

/* Flags that are no settings. */
static bool take_special(struct invocation *invocation, const char *argument)
{
    const struct {
        const char *name;
        bool *flag;
    } specials[] = {{"--help", &invocation->help},         {"-h", &invocation->help},
                    {"--version", &invocation->version},   {"-v", &invocation->version},
                    {"--validate", &invocation->validate}, {"--man", &invocation->man}};

    for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
        if (strcmp(argument, specials[i].name) == 0) {
            *specials[i].flag = true;
            return true;
        }
    }
    return false;
}

struct flags {
    int argc;
    char **argv;
    int at;
    bool given[ROWS];
};

/* The value of the flag at flags->at: behind "=", right behind the letter, or the next argument. */
static const char *flag_value(struct flags *flags, const char *inline_value, bool is_bool)
{
    if (inline_value)
        return inline_value;
    if (is_bool)
        return "true";
    return flags->at + 1 < flags->argc ? flags->argv[++flags->at] : NULL;
}

static int take_flag(struct daemon_options *options, struct invocation *invocation, struct flags *flags,
                     struct error *err)
{
    const char *argument = flags->argv[flags->at], *value = NULL;
    bool is_long = strncmp(argument, "--", 2) == 0;
    size_t size = is_long ? strcspn(argument + 2, "=") : 1;
    const struct row *row = is_long ? find_flag(argument + 2, size) : find_letter(argument[1]);

    if (is_long && argument[2 + size])
        value = argument + 2 + size + 1;
    else if (!is_long && argument[2])
        value = argument + 2 + (argument[2] == '=');
    if (is_long && size == strlen("config-file") && strncmp(argument + 2, "config-file", size) == 0) {
        value = flag_value(flags, value, false);
        if (value)
            xstrset(&invocation->config_file, value);
        return value ? 0 : error_set(err, ERROR_INVALID, 0, "flag needs an argument: --config-file");
    }
    if (!row && is_long)
        return error_set(err, ERROR_INVALID, 0, "unknown flag: %.*s", (int)size + 2, argument);
    if (!row)
        return error_set(err, ERROR_INVALID, 0, "unknown shorthand flag: '%c' in %s", argument[1], argument);
    value = flag_value(flags, value, row->type == ROW_BOOL);
    if (!value)
        return error_set(err, ERROR_INVALID, 0, "flag needs an argument: --%s", row->flag);
    flags->given[row - rows] = true;
    return set_text(options, row, value, err);
}

static int parse_flags(struct daemon_options *options, struct invocation *invocation, struct flags *flags,
                       struct error *err)
{
    for (flags->at = 1; flags->at < flags->argc; flags->at++) {
        const char *argument = flags->argv[flags->at];
        int r;

        if (take_special(invocation, argument))
            continue;
        if (argument[0] != '-' || !argument[1])
            return error_set(err, ERROR_INVALID, 0, "unknown argument: %s (doryd takes no arguments)", argument);
        r = take_flag(options, invocation, flags, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- daemon.json ---- */

static int wrong_type(const struct row *row, const char *expected, struct error *err)
{
    return error_set(err, ERROR_INVALID, 0, "%s: expected %s", key_of(row), expected);
}

static int set_json_list(struct daemon_options *options, const struct row *row, const struct json *value,
                         struct error *err)
{
    if (value->kind != JSON_ARRAY)
        return wrong_type(row, "a list of strings", err);
    for (size_t i = 0; i < value->array.count; i++) {
        const char *text = json_string(&value->array.items[i]);

        if (!text)
            return wrong_type(row, "a list of strings", err);
        strv_add(field(options, row), text);
    }
    return 0;
}

static int set_json(struct daemon_options *options, const struct row *row, const struct json *value, struct error *err)
{
    switch (row->type) {
    case ROW_STRING:
        if (value->kind != JSON_STRING)
            return wrong_type(row, "a string", err);
        xstrset(field(options, row), value->string.data);
        return 0;
    case ROW_BOOL:
        if (value->kind != JSON_BOOL)
            return wrong_type(row, "true or false", err);
        *(bool *)field(options, row) = value->boolean;
        return 0;
    case ROW_INT:
        if (value->kind != JSON_INTEGER || value->integer < INT32_MIN || value->integer > INT32_MAX)
            return wrong_type(row, "a whole number", err);
        *(int64_t *)field(options, row) = value->integer;
        return 0;
    case ROW_LIST:
        return set_json_list(options, row, value, err);
    case ROW_MAP:
        if (value->kind != JSON_OBJECT)
            return wrong_type(row, "an object of strings", err);
        for (size_t i = 0; i < value->object.count; i++) {
            const char *text = json_string(&value->object.values[i]);

            if (!text)
                return wrong_type(row, "an object of strings", err);
            strmap_set(field(options, row), value->object.keys[i], text);
        }
        return 0;
    }
    return 0;
}

static const struct row *find_key(const char *key)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (!(rows[i].flags & ROW_NO_JSON) && strcmp(key_of(&rows[i]), key) == 0)
            return &rows[i];
    }
    return NULL;
}

/* Both sides of a conflict, as dockerd prints them: "log-level: (from flag: debug, from file: info)". */
static void describe_conflict(const struct daemon_options *options, const struct row *row, const struct json *value,
                              struct strv *conflicts)
{
    struct daemon_options file = {0};
    CLEANUP_FREE char *flag_text = get_text(options, row), *file_text = NULL;

    set_json(&file, row, value, NULL);
    file_text = get_text(&file, row);
    release_row(&file, row);
    strv_addf(conflicts, "%s: (from flag: %s, from file: %s)", key_of(row), flag_text, file_text);
}

static int check_keys(const struct daemon_options *options, const struct json *tree, const bool *given,
                      struct error *err)
{
    CLEANUP_STRV struct strv unknown = STRV_INIT, conflicts = STRV_INIT;
    CLEANUP_FREE char *list = NULL;

    for (size_t i = 0; i < tree->object.count; i++) {
        const struct row *row = find_key(tree->object.keys[i]);

        if (!row)
            strv_add(&unknown, tree->object.keys[i]);
        else if (given && given[row - rows])
            describe_conflict(options, row, &tree->object.values[i], &conflicts);
    }
    if (unknown.count > 0) {
        list = strv_join(&unknown, ", ");
        return error_set(err, ERROR_INVALID, 0, "the following directives don't match any configuration option: %s",
                         list);
    }
    if (conflicts.count > 0) {
        list = strv_join(&conflicts, ", ");
        return error_set(err, ERROR_INVALID, 0,
                         "the following directives are specified both as a flag and in the configuration file: %s",
                         list);
    }
    return 0;
}

int daemon_options_read_json(struct daemon_options *options, const char *text, size_t size, const bool *given,
                             struct error *err)
{
    CLEANUP_JSON struct json *tree = NULL;
    int r;

    if (strspn(text, " \t\r\n") == size)
        return 0; /* dockerd takes an empty file for an empty object */
    r = json_parse(text, size, &tree, err);
    if (r < 0)
        return r;
    if (tree->kind != JSON_OBJECT)
        return error_set(err, ERROR_INVALID, 0, "not a JSON object");
    r = check_keys(options, tree, given, err);
    for (size_t i = 0; r == 0 && i < tree->object.count; i++)
        r = set_json(options, find_key(tree->object.keys[i]), &tree->object.values[i], err);
    return r;
}

static int read_config_file(struct daemon_options *options, const struct invocation *invocation, const bool *given,
                            struct error *err)
{
    const char *path = invocation->config_file ? invocation->config_file : DEFAULT_CONFIG_FILE;
    CLEANUP_FREE char *text = NULL;
    struct error own = {0};
    size_t size = 0;
    int r = file_read(AT_FDCWD, path, CONFIG_FILE_MAX, &text, &size, &own);

    if (r == -ENOENT && !invocation->config_file)
        return 0;
    if (r == 0)
        r = daemon_options_read_json(options, text, size, given, &own);
    if (r < 0) {
        error_context(&own, "unable to configure the Dory daemon with file %s", path);
        return error_propagate(err, &own);
    }
    return 0;
}

/* ---- the whole ---- */

int daemon_options_check(const struct daemon_options *options, struct error *err)
{
    enum log_level level;

    if (log_parse_level(options->log_level, &level) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid logging level: %s", options->log_level);
    if (options->data_root[0] != '/' || options->exec_root[0] != '/')
        return error_set(err, ERROR_INVALID, 0, "data-root and exec-root have to be absolute paths");
    if (strcmp(options->log_driver, "json-file") != 0 && strcmp(options->log_driver, "none") != 0)
        return error_set(err, ERROR_INVALID, 0, "log driver %s is not implemented: json-file or none",
                         options->log_driver);
    if (options->mtu != 0 && (options->mtu < 68 || options->mtu > 65535))
        return error_set(err, ERROR_INVALID, 0, "invalid default MTU: %" PRId64, options->mtu);
    if (options->max_concurrent_downloads < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid max concurrent downloads: %" PRId64,
                         options->max_concurrent_downloads);
    if (options->shutdown_timeout < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid shutdown timeout: %" PRId64, options->shutdown_timeout);
    for (size_t i = 0; i < options->labels.count; i++) {
        if (!strchr(options->labels.items[i], '='))
            return error_set(err, ERROR_INVALID, 0, "bad attribute format: %s", options->labels.items[i]);
    }
    return 0;
}

int daemon_options_load(struct daemon_options *options, struct invocation *invocation, int argc, char **argv,
                        struct error *err)
{
    struct flags flags = {.argc = argc, .argv = argv};
    int r = parse_flags(options, invocation, &flags, err);

    if (r < 0 || invocation->help || invocation->man || invocation->version)
        return r;
    r = read_config_file(options, invocation, flags.given, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].type == ROW_LIST && rows[i].initial &&
            ((const struct strv *)const_field(options, &rows[i]))->count == 0)
            set_text(options, &rows[i], rows[i].initial, NULL);
    }
    if (options->debug)
        xstrset(&options->log_level, "debug");
    return daemon_options_check(options, err);
}

static void swap_row(struct daemon_options *a, struct daemon_options *b, const struct row *row)
{
    static const size_t sizes[] = {sizeof(char *), sizeof(struct strv), sizeof(bool), sizeof(int64_t),
                                   sizeof(struct strmap)};
    char kept[sizeof(struct strmap)];

    memcpy(kept, field(a, row), sizes[row->type]);
    memcpy(field(a, row), field(b, row), sizes[row->type]);
    memcpy(field(b, row), kept, sizes[row->type]);
}

void daemon_options_reload(struct daemon_options *options, struct daemon_options *from, struct strv *ignored)
{
    pthread_rwlock_wrlock(&options->reload);
    for (size_t i = 0; i < ROWS; i++) {
        CLEANUP_FREE char *now = get_text(options, &rows[i]), *then = get_text(from, &rows[i]);

        if (strcmp(now, then) == 0)
            continue;
        if (rows[i].flags & ROW_RELOAD)
            swap_row(options, from, &rows[i]);
        else
            strv_add(ignored, key_of(&rows[i]));
    }
    pthread_rwlock_unlock(&options->reload);
    daemon_options_release(from);
}

/* ---- texts ---- */

void daemon_options_print_help(FILE *out)
{
    fprintf(out, "\nUsage:  doryd [OPTIONS]\n\nA container engine with the Docker Engine API.\n\nOptions:\n");
    for (size_t i = 0; i < ROWS; i++) {
        CLEANUP_FREE char *left = xasprintf("%s %s", rows[i].flag, type_name(&rows[i]));

        if (rows[i].letter)
            fprintf(out, "  -%c, ", rows[i].letter);
        else
            fprintf(out, "      ");
        fprintf(out, "--%-32s %s", left, rows[i].help);
        if (rows[i].initial && strcmp(rows[i].initial, "false") != 0)
            fprintf(out, " (default %s)", rows[i].initial);
        fputc('\n', out);
    }
    fprintf(out, "      --%-32s Settings in JSON (default " DEFAULT_CONFIG_FILE ")\n", "config-file string");
    fprintf(out,
            "  -h, --%-32s Print this\n      --%-32s Check the settings and exit\n  -v, --%-32s Print the version\n",
            "help", "validate", "version");
}

void daemon_options_print_man(FILE *out)
{
    fprintf(out,
            ".TH DORYD 8\n.SH NAME\ndoryd \\- container engine with the Docker Engine API\n.SH SYNOPSIS\n.B doryd\n"
            "[OPTIONS]\n.SH OPTIONS\n");
    for (size_t i = 0; i < ROWS; i++) {
        fprintf(out, ".TP\n");
        if (rows[i].letter)
            fprintf(out, "\\fB\\-%c\\fR, ", rows[i].letter);
        fprintf(out, "\\fB\\-\\-%s\\fR \\fI%s\\fR\n%s.", rows[i].flag, type_name(&rows[i]), rows[i].help);
        if (rows[i].initial)
            fprintf(out, " Default: %s.", rows[i].initial);
        if (!(rows[i].flags & ROW_NO_JSON))
            fprintf(out, " In daemon.json: \"%s\"%s.", key_of(&rows[i]),
                    rows[i].flags & ROW_RELOAD ? " (read again on SIGHUP)" : "");
        fputc('\n', out);
    }
    fprintf(out, ".TP\n\\fB\\-\\-config\\-file\\fR \\fIstring\\fR\nSettings in JSON. Default: " DEFAULT_CONFIG_FILE
                 ". A setting that is also given as a flag is an error.\n.SH SIGNALS\nSIGTERM and SIGINT end the "
                 "daemon; SIGHUP reads daemon.json again.\n");
}
