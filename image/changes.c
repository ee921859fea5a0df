#include "image/changes.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>

#include "base/memory.h"
#include "base/parse.h"

typedef int (*change_fn)(struct container_config *config, const char *rest, struct error *err);

static int invalid(struct error *err, const char *what)
{
    return error_set(err, ERROR_INVALID, EINVAL, "%s", what);
}

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static const char *skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t') {
        p++;
    }
    return p;
}

/* ---- Words ---- */

/* ${NAME...} or $NAME at p (behind the '$'); returns what follows it, NULL when it is not understood. */
static const char *expand_variable(const struct container_config *config, const char *p, struct strbuf *out)
{
    bool braces = *p == '{';
    const char *start = p + braces;
    const char *end = start;
    while (is_name_char(*end)) {
        end++;
    }
    if (end == start) {
        if (!braces) {
            strbuf_addc(out, '$');
        }
        return braces ? NULL : p;
    }
    CLEANUP_FREE char *name = xstrndup(start, (size_t)(end - start));
    const char *value = strv_env_get(&config->env, name);
    if (!braces) {
        strbuf_adds(out, value != NULL ? value : "");
        return end;
    }
    const char *close = strchr(end, '}');
    if (close == NULL) {
        return NULL;
    }
    bool set = value != NULL && value[0] != 0;
    if (strncmp(end, ":-", 2) == 0 || strncmp(end, ":+", 2) == 0) {
        if (set == (end[1] == '-')) {
            strbuf_adds(out, end[1] == '-' ? value : "");
        }
        if (set == (end[1] == '+')) {
            strbuf_add(out, end + 2, (size_t)(close - end - 2));
        }
    } else if (end == close) {
        strbuf_adds(out, value != NULL ? value : "");
    } else {
        return NULL;
    }
    return close + 1;
}

/* One word up to a blank outside quotes; quotes and backslashes are taken off, variables put in. Returns what follows,
 * NULL on an unended quote or a variable that is not understood. stop: also ends the word, outside quotes (0: none). */
static const char *take_word(const struct container_config *config, const char *p, char stop, struct strbuf *out)
{
    char quote = 0;
    for (; *p != 0; p++) {
        if (quote == 0 && (*p == ' ' || *p == '\t' || (stop != 0 && *p == stop))) {
            break;
        }
        if (*p == quote) {
            quote = 0;
        } else if (quote == 0 && (*p == '\'' || *p == '"')) {
            quote = *p;
        } else if (*p == '\\' && quote != '\'' && p[1] != 0) {
            if (quote == '"' && strchr("\"$\\", p[1]) == NULL) {
                strbuf_addc(out, '\\');
            }
            strbuf_addc(out, *++p);
        } else if (*p == '$' && quote != '\'') {
            p = expand_variable(config, p + 1, out);
            if (p == NULL) {
                return NULL;
            }
            p--;
        } else {
            strbuf_addc(out, *p);
        }
    }
    return quote == 0 ? p : NULL;
}

static int words(const struct container_config *config, const char *rest, struct strv *out, struct error *err)
{
    for (const char *p = skip_blanks(rest); *p != 0; p = skip_blanks(p)) {
        struct strbuf CLEANUP_STRBUF word = STRBUF_INIT;
        p = take_word(config, p, 0, &word);
        if (p == NULL) {
            return error_set(err, ERROR_INVALID, EINVAL, "failed to process \"%s\"", rest);
        }
        strv_add_take(out, strbuf_take(&word));
    }
    return 0;
}

/* The whole rest as one word, blanks included. */
static int one_value(const struct container_config *config, const char *rest, char **ret, struct error *err)
{
    struct strv CLEANUP_STRV list = STRV_INIT;
    int r = words(config, rest, &list, err);
    if (r == 0) {
        *ret = strv_join(&list, " ");
    }
    return r;
}

/* A JSON list of strings. False when it is none; then the text means itself. */
static bool json_words(const char *rest, struct strv *out)
{
    CLEANUP_JSON struct json *list = NULL;
    if (*rest != '[' || json_parse(rest, strlen(rest), &list, NULL) < 0 || list->kind != JSON_ARRAY) {
        return false;
    }
    for (size_t i = 0; i < json_count(list); i++) {
        const char *s = json_string(json_at(list, i));
        if (s == NULL) {
            strv_clear(out);
            return false;
        }
        strv_add(out, s);
    }
    return true;
}

/* NAME=VALUE pairs, or "NAME the rest". */
static int pairs(const struct container_config *config, const char *rest, const char *command, struct strmap *out,
                 struct error *err)
{
    const char *p = skip_blanks(rest);
    size_t first = strcspn(p, " \t=");
    if (p[first] != '=' && p[first] != 0) {
        CLEANUP_FREE char *name = xstrndup(p, first);
        CLEANUP_FREE char *value = NULL;
        int r = one_value(config, p + first, &value, err);
        if (r == 0) {
            strmap_set(out, name, value);
        }
        return r;
    }
    while (*p != 0) {
        struct strbuf CLEANUP_STRBUF name = STRBUF_INIT;
        struct strbuf CLEANUP_STRBUF value = STRBUF_INIT;
        p = take_word(config, p, '=', &name);
        if (p != NULL && *p == '=') {
            p = take_word(config, p + 1, 0, &value);
        } else if (p != NULL) {
            return error_set(err, ERROR_INVALID, EINVAL,
                             "Syntax error - can't find = in \"%s\". Must be of the form: name=value",
                             strbuf_str(&name));
        }
        if (p == NULL) {
            return error_set(err, ERROR_INVALID, EINVAL, "failed to process \"%s\"", rest);
        }
        if (name.size == 0) {
            return error_set(err, ERROR_INVALID, EINVAL, "%s names can not be blank", command);
        }
        strmap_set(out, strbuf_str(&name), strbuf_str(&value));
        p = skip_blanks(p);
    }
    return 0;
}

/* ---- Instructions ---- */

static void command_line(const struct container_config *config, const char *rest, struct strv *out)
{
    strv_clear(out);
    if (json_words(rest, out)) {
        return;
    }
    if (config->shell.count > 0) {
        strv_add_all(out, &config->shell);
    } else {
        strv_add(out, "/bin/sh");
        strv_add(out, "-c");
    }
    strv_add(out, rest);
}

static int change_cmd(struct container_config *config, const char *rest, struct error *err)
{
    (void)err;
    command_line(config, rest, &config->cmd);
    config->cmd_set = true;
    return 0;
}

static int change_entrypoint(struct container_config *config, const char *rest, struct error *err)
{
    (void)err;
    command_line(config, rest, &config->entrypoint);
    config->entrypoint_set = true;
    return 0;
}

static int change_env(struct container_config *config, const char *rest, struct error *err)
{
    struct strmap CLEANUP_STRMAP map = STRMAP_INIT;
    int r = pairs(config, rest, "ENV", &map, err);
    for (size_t i = 0; r == 0 && i < map.count; i++) {
        CLEANUP_FREE char *entry = xasprintf("%s=%s", map.items[i].key, map.items[i].value);
        strv_env_set(&config->env, entry);
    }
    return r;
}

static int change_label(struct container_config *config, const char *rest, struct error *err)
{
    struct strmap CLEANUP_STRMAP map = STRMAP_INIT;
    int r = pairs(config, rest, "LABEL", &map, err);
    for (size_t i = 0; r == 0 && i < map.count; i++) {
        strmap_set(&config->labels, map.items[i].key, map.items[i].value);
    }
    return r;
}

/* "[HOST:]PORT[-PORT][/PROTOCOL]"; a host part means nothing here. */
static int expose(struct container_config *config, const char *word, struct error *err)
{
    const char *colon = strrchr(word, ':');
    CLEANUP_FREE char *port = xstrdup(colon != NULL ? colon + 1 : word);
    char *slash = strchr(port, '/');
    const char *protocol = slash != NULL ? slash + 1 : "tcp";
    uint64_t first, last;
    if (slash != NULL) {
        *slash = 0;
    }
    char *dash = strchr(port, '-');
    if (dash != NULL) {
        *dash = 0;
    }
    bool known =
        strcasecmp(protocol, "tcp") == 0 || strcasecmp(protocol, "udp") == 0 || strcasecmp(protocol, "sctp") == 0;
    if (!known) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid proto: %s", protocol);
    }
    if (parse_uint64(port, 65535, &first) < 0 || parse_uint64(dash != NULL ? dash + 1 : port, 65535, &last) < 0 ||
        last < first || first == 0) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid containerPort: %s", word);
    }
    for (uint64_t n = first; n <= last; n++) {
        CLEANUP_FREE char *text = xasprintf("%u/%s", (unsigned)n, protocol);
        for (char *c = text; *c != 0; c++) {
            *c = (char)tolower((unsigned char)*c);
        }
        if (!strv_contains(&config->exposed_ports, text)) {
            strv_add(&config->exposed_ports, text);
        }
    }
    return 0;
}

static int change_expose(struct container_config *config, const char *rest, struct error *err)
{
    struct strv CLEANUP_STRV list = STRV_INIT;
    int r = words(config, rest, &list, err);
    for (size_t i = 0; r == 0 && i < list.count; i++) {
        r = expose(config, list.items[i], err);
    }
    return r;
}

static int change_volume(struct container_config *config, const char *rest, struct error *err)
{
    struct strv CLEANUP_STRV list = STRV_INIT;
    int r = json_words(rest, &list) ? 0 : words(config, rest, &list, err);
    for (size_t i = 0; r == 0 && i < list.count; i++) {
        if (list.items[i][0] == 0) {
            return invalid(err, "VOLUME specified can not be an empty string");
        }
        if (!strv_contains(&config->volumes, list.items[i])) {
            strv_add(&config->volumes, list.items[i]);
        }
    }
    return r;
}

static int change_user(struct container_config *config, const char *rest, struct error *err)
{
    char *value = NULL;
    int r = one_value(config, rest, &value, err);
    if (r == 0) {
        free(config->user);
        config->user = value;
    }
    return r;
}

static int change_stopsignal(struct container_config *config, const char *rest, struct error *err)
{
    char *value = NULL;
    int r = one_value(config, rest, &value, err);
    if (r == 0) {
        free(config->stop_signal);
        config->stop_signal = value;
    }
    return r;
}

static int change_workdir(struct container_config *config, const char *rest, struct error *err)
{
    struct strv CLEANUP_STRV parts = STRV_INIT;
    struct strv CLEANUP_STRV clean = STRV_INIT;
    CLEANUP_FREE char *value = NULL;
    int r = one_value(config, rest, &value, err);
    if (r < 0) {
        return r;
    }
    CLEANUP_FREE char *whole = value[0] == '/'
                                   ? xstrdup(value)
                                   : xasprintf("%s/%s", config->working_dir != NULL ? config->working_dir : "", value);
    strv_split(&parts, whole, '/');
    for (size_t i = 0; i < parts.count; i++) {
        if (strcmp(parts.items[i], "..") == 0) {
            if (clean.count > 0) {
                strv_remove(&clean, clean.count - 1);
            }
        } else if (parts.items[i][0] != 0 && strcmp(parts.items[i], ".") != 0) {
            strv_add(&clean, parts.items[i]);
        }
    }
    CLEANUP_FREE char *joined = strv_join(&clean, "/");
    free(config->working_dir);
    config->working_dir = xasprintf("/%s", joined);
    return 0;
}

static int change_shell(struct container_config *config, const char *rest, struct error *err)
{
    struct strv CLEANUP_STRV list = STRV_INIT;
    if (!json_words(rest, &list) || list.count == 0) {
        return invalid(err, "SHELL requires the arguments to be in JSON form");
    }
    strv_copy(&config->shell, &list);
    return 0;
}

static int change_onbuild(struct container_config *config, const char *rest, struct error *err)
{
    static const char *const refused[] = {"ONBUILD", "FROM", "MAINTAINER"};
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        size_t size = strlen(refused[i]);
        if (strncasecmp(rest, refused[i], size) == 0 && (rest[size] == ' ' || rest[size] == 0)) {
            return error_set(err, ERROR_INVALID, EINVAL, "%s isn't allowed as an ONBUILD trigger", refused[i]);
        }
    }
    strv_add(&config->on_build, rest);
    return 0;
}

/* One "--name=value" in front of HEALTHCHECK's CMD. */
static int health_option(struct health_config *health, const char *option, struct error *err)
{
    static const struct {
        const char *name;
        size_t offset;
    } durations[] = {
        {"--interval=", offsetof(struct health_config, interval)},
        {"--timeout=", offsetof(struct health_config, timeout)},
        {"--start-period=", offsetof(struct health_config, start_period)},
        {"--start-interval=", offsetof(struct health_config, start_interval)},
    };
    static const char retries[] = "--retries=";
    for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
        size_t size = strlen(durations[i].name);
        if (strncmp(option, durations[i].name, size) == 0) {
            int64_t *to = (int64_t *)((char *)health + durations[i].offset);
            if (parse_duration(option + size, to) < 0 || *to < 1000000) {
                return error_set(err, ERROR_INVALID, EINVAL, "invalid duration in HEALTHCHECK: %s", option);
            }
            return 0;
        }
    }
    if (strncmp(option, retries, strlen(retries)) == 0) {
        return parse_int64(option + strlen(retries), 0, INT32_MAX, &health->retries) == 0
                   ? 0
                   : error_set(err, ERROR_INVALID, EINVAL, "invalid number in HEALTHCHECK: %s", option);
    }
    return error_set(err, ERROR_INVALID, EINVAL, "Unknown flag: %s", option);
}

static int health_command(struct health_config *health, const char *rest, struct error *err)
{
    const char *p = skip_blanks(rest);
    while (strncmp(p, "--", 2) == 0) {
        size_t size = strcspn(p, " \t");
        CLEANUP_FREE char *option = xstrndup(p, size);
        int r = health_option(health, option, err);
        if (r < 0) {
            return r;
        }
        p = skip_blanks(p + size);
    }
    if (strcasecmp(p, "NONE") == 0) {
        strv_add(&health->test, "NONE");
        return 0;
    }
    if (strncasecmp(p, "CMD", 3) != 0 || (p[3] != ' ' && p[3] != '\t')) {
        return error_set(err, ERROR_INVALID, EINVAL, "Unknown type \"%s\" in HEALTHCHECK (try CMD)", p);
    }
    p = skip_blanks(p + 3);
    struct strv CLEANUP_STRV list = STRV_INIT;
    if (json_words(p, &list)) {
        strv_add(&health->test, "CMD");
        strv_add_all(&health->test, &list);
    } else {
        strv_add(&health->test, "CMD-SHELL");
        strv_add(&health->test, p);
    }
    return *p != 0 ? 0 : invalid(err, "Missing command after HEALTHCHECK CMD");
}

static int change_healthcheck(struct container_config *config, const char *rest, struct error *err)
{
    struct health_config *health = xcalloc(1, sizeof(*health));
    int r = health_command(health, rest, err);
    if (r < 0) {
        strv_release(&health->test);
        free(health);
        return r;
    }
    if (config->healthcheck != NULL) {
        strv_release(&config->healthcheck->test);
        free(config->healthcheck);
    }
    config->healthcheck = health;
    return 0;
}

int container_config_change(struct container_config *config, const char *instruction, struct error *err)
{
    static const struct {
        const char *name;
        change_fn change;
    } changes[] = {
        {"CMD", change_cmd},
        {"ENTRYPOINT", change_entrypoint},
        {"ENV", change_env},
        {"EXPOSE", change_expose},
        {"HEALTHCHECK", change_healthcheck},
        {"LABEL", change_label},
        {"ONBUILD", change_onbuild},
        {"SHELL", change_shell},
        {"STOPSIGNAL", change_stopsignal},
        {"USER", change_user},
        {"VOLUME", change_volume},
        {"WORKDIR", change_workdir},
    };
    const char *name = skip_blanks(instruction);
    size_t size = strcspn(name, " \t");
    CLEANUP_FREE char *rest = xstrdup(skip_blanks(name + size));
    for (size_t n = strlen(rest); n > 0 && isspace((unsigned char)rest[n - 1]); n--) {
        rest[n - 1] = 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        if (strlen(changes[i].name) == size && strncasecmp(name, changes[i].name, size) == 0) {
            return rest[0] != 0
                       ? changes[i].change(config, rest, err)
                       : error_set(err, ERROR_INVALID, EINVAL, "%s requires at least one argument", changes[i].name);
        }
    }
    return error_set(err, ERROR_INVALID, EINVAL, "%.*s is not a valid change command", (int)size, name);
}
