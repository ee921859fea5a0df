#include "daemon/log_tag.h"

#include <errno.h>
#include <regex.h>

#include "base/id.h"
#include "base/strbuf.h"
#include "daemon/log_options.h"

static const char *or_empty(const char *s)
{
    return s != NULL ? s : "";
}

/* ---- fields ---- */

static void put_short(struct strbuf *out, const char *id)
{
    strbuf_add(out, id, strnlen(id, ID_SHORT_SIZE));
}

static void put_command(struct strbuf *out, const struct log_facts *f)
{
    strbuf_adds(out, or_empty(f->path));
    for (size_t i = 0; i < f->arguments->count; i++)
        strbuf_addf(out, " %s", f->arguments->items[i]);
}

enum field { ID, FULL_ID, NAME, CONTAINER_NAME, IMAGE_ID, IMAGE_FULL_ID, IMAGE_NAME, DAEMON_NAME, COMMAND };

static const struct {
    const char *name;
    enum field field;
} fields[] = {
    {"ID", ID},
    {"FullID", FULL_ID},
    {"ContainerID", FULL_ID},
    {"Name", NAME},
    {"ContainerName", CONTAINER_NAME},
    {"ImageID", IMAGE_ID},
    {"ImageFullID", IMAGE_FULL_ID},
    {"ContainerImageID", IMAGE_FULL_ID},
    {"ImageName", IMAGE_NAME},
    {"ContainerImageName", IMAGE_NAME},
    {"DaemonName", DAEMON_NAME},
    {"Command", COMMAND},
};

static void put_field(struct strbuf *out, enum field field, const struct log_facts *f)
{
    switch (field) {
    case ID:
        put_short(out, f->id);
        break;
    case FULL_ID:
        strbuf_adds(out, f->id);
        break;
    case NAME:
        strbuf_adds(out, or_empty(f->name));
        break;
    case CONTAINER_NAME:
        strbuf_addf(out, "/%s", or_empty(f->name));
        break;
    case IMAGE_ID:
        put_short(out, or_empty(f->image_id));
        break;
    case IMAGE_FULL_ID:
        strbuf_adds(out, or_empty(f->image_id));
        break;
    case IMAGE_NAME:
        strbuf_adds(out, or_empty(f->image_name));
        break;
    case DAEMON_NAME:
        strbuf_adds(out, "docker"); /* what collectors of logs look for */
        break;
    case COMMAND:
        put_command(out, f);
        break;
    }
}

/* ---- the template ---- */

static int refuse(const char *action, size_t size, struct error *err)
{
    return error_set(err, ERROR_INVALID, 0, "template: log-tag: \"%.*s\" is not understood",
                     (int)(size < 200 ? size : 200), action);
}

/* {{index .ContainerLabels "key"}}; `action` is what stands between the braces, trimmed. */
static int put_label(struct strbuf *out, const char *action, size_t size, const struct log_facts *facts,
                     struct error *err)
{
    static const char begin[] = "index .ContainerLabels \"";
    size_t head = strlen(begin);
    if (size < head + 1 || strncmp(action, begin, head) != 0 || action[size - 1] != '"' ||
        memchr(action + head, '"', size - head - 1) != NULL || memchr(action + head, '\\', size - head - 1) != NULL)
        return refuse(action, size, err);
    CLEANUP_FREE char *key = xstrndup(action + head, size - head - 1);
    if (facts != NULL)
        strbuf_adds(out, or_empty(strmap_get(facts->labels, key)));
    return 0;
}

static int put_action(struct strbuf *out, const char *action, size_t size, const struct log_facts *facts,
                      struct error *err)
{
    while (size > 0 && *action == ' ') {
        action++;
        size--;
    }
    while (size > 0 && action[size - 1] == ' ')
        size--;
    if (size < 2 || *action != '.')
        return put_label(out, action, size, facts, err);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (strlen(fields[i].name) != size - 1 || strncmp(fields[i].name, action + 1, size - 1) != 0)
            continue;
        if (facts != NULL)
            put_field(out, fields[i].field, facts);
        return 0;
    }
    return refuse(action, size, err);
}

/* facts NULL: only looks whether it is understood. */
static int expand(const char *text, const struct log_facts *facts, struct strbuf *out, struct error *err)
{
    while (*text != '\0') {
        const char *open = strstr(text, "{{"), *close = open != NULL ? strstr(open, "}}") : NULL;
        if (open == NULL) {
            strbuf_adds(out, text);
            return 0;
        }
        if (close == NULL)
            return error_set(err, ERROR_INVALID, 0, "template: log-tag: unclosed action: %.200s", open);
        strbuf_add(out, text, (size_t)(open - text));
        int r = put_action(out, open + 2, (size_t)(close - open) - 2, facts, err);
        if (r < 0)
            return r;
        text = close + 2;
    }
    return 0;
}

int log_tag_check(const char *text, struct error *err)
{
    CLEANUP_STRBUF struct strbuf unused = STRBUF_INIT;
    if (strlen(text) > LOG_TAG_MAX)
        return error_set(err, ERROR_INVALID, 0, "log tag is longer than %d bytes", LOG_TAG_MAX);
    return expand(text, NULL, &unused, err);
}

int log_tag_expand(const char *text, const struct log_facts *facts, char **ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    int r = log_tag_check(text, err);
    if (r == 0)
        r = expand(text, facts, &out, err);
    if (r < 0)
        return r;
    *ret = xstrndup(strbuf_str(&out), out.size < LOG_TAG_MAX ? out.size : LOG_TAG_MAX);
    return 0;
}

/* ---- attributes ---- */

static void add_env(const struct log_facts *facts, const char *name, struct strmap *ret)
{
    const char *value = strv_env_get(facts->env, name);
    if (value != NULL)
        strmap_set(ret, name, value);
}

static void add_named(const struct log_settings *s, const struct log_facts *facts, struct strmap *ret)
{
    CLEANUP_STRV struct strv labels = STRV_INIT, env = STRV_INIT;
    if (s->labels != NULL)
        strv_split(&labels, s->labels, ',');
    if (s->env != NULL)
        strv_split(&env, s->env, ',');
    for (size_t i = 0; i < labels.count; i++)
        if (strmap_get(facts->labels, labels.items[i]) != NULL)
            strmap_set(ret, labels.items[i], strmap_get(facts->labels, labels.items[i]));
    for (size_t i = 0; i < env.count; i++)
        add_env(facts, env.items[i], ret);
}

static void add_matching(const struct log_settings *s, const struct log_facts *facts, struct strmap *ret)
{
    regex_t regex;
    if (s->labels_regex != NULL && regcomp(&regex, s->labels_regex, REG_EXTENDED | REG_NOSUB) == 0) {
        for (size_t i = 0; i < facts->labels->count; i++)
            if (regexec(&regex, facts->labels->items[i].key, 0, NULL, 0) == 0)
                strmap_set(ret, facts->labels->items[i].key, facts->labels->items[i].value);
        regfree(&regex);
    }
    if (s->env_regex != NULL && regcomp(&regex, s->env_regex, REG_EXTENDED | REG_NOSUB) == 0) {
        for (size_t i = 0; i < facts->env->count; i++) {
            const char *entry = facts->env->items[i];
            CLEANUP_FREE char *name = xstrndup(entry, strcspn(entry, "="));
            if (regexec(&regex, name, 0, NULL, 0) == 0)
                add_env(facts, name, ret);
        }
        regfree(&regex);
    }
}

void log_attributes(const struct log_settings *s, const struct log_facts *facts, struct strmap *ret)
{
    add_named(s, facts, ret);
    add_matching(s, facts, ret);
    strmap_sort(ret);
}
