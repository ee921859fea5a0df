#include "cmd/dory/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json_edit.h"

#define CONFIG_MAX (1 << 20)

int config_file_read(const struct cli *cli, struct json **ret, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("%s/config.json", cli->config);
    CLEANUP_FREE char *text = NULL;
    struct json *config;
    size_t size;
    int r = file_read(AT_FDCWD, path, CONFIG_MAX, &text, &size, err);
    if (r == -ENOENT || r == -ENOTDIR || (r == 0 && text[strspn(text, " \t\r\n")] == '\0')) {
        error_clear(err);
        *ret = json_new_object();
        return 0;
    }
    if (r < 0)
        return r;
    r = json_parse(text, size, &config, err);
    if (r == 0 && config->kind != JSON_OBJECT) {
        json_free(config);
        r = error_set(err, ERROR_INVALID, 0, "not a JSON object");
    }
    if (r < 0)
        return error_context(err, "Error loading config file: %s", path);
    *ret = config;
    return 0;
}

struct json *config_file_load(const struct cli *cli)
{
    static bool told; /* several parts of a command read it */
    struct json *config;
    struct error err = {0};
    if (config_file_read(cli, &config, &err) == 0)
        return config;
    if (!told)
        fprintf(stderr, "WARNING: %s\n", err.message);
    told = true;
    return json_new_object();
}

void config_file_check(const struct cli *cli)
{
    json_free(config_file_load(cli));
}

int config_file_write(const struct cli *cli, const struct json *config, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("%s/config.json", cli->config);
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    char resolved[PATH_MAX];
    json_print(config, "\t", 0, &text);
    int r = file_mkdirs(cli->config, 0700, err);
    if (r < 0)
        return r;
    return file_write_atomic(AT_FDCWD, realpath(path, resolved) ? resolved : path, text.data, text.size, 0600, err);
}

char *config_file_string(const struct cli *cli, const char *member)
{
    CLEANUP_JSON struct json *config = config_file_load(cli);
    return xstrdup(json_get_string(config, member));
}

void config_file_default(const struct cli *cli, const char *member, char **flag)
{
    if (!*flag)
        *flag = config_file_string(cli, member);
}
