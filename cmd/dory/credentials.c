#include "cmd/dory/credentials.h"

#include <errno.h>
#include <string.h>

#include "base/base64.h"
#include "base/json_edit.h"
#include "base/process.h"
#include "cmd/dory/config_file.h"

#define HELPER_OUTPUT_MAX 65536
/* The user's name under which helpers keep an identity token. */
#define TOKEN_USER "<token>"

void credentials_release(struct credentials *c)
{
    free(c->server);
    free(c->username);
    free(c->password);
    free(c->token);
    *c = (struct credentials){0};
}

/* Behind the scheme. */
static const char *without_scheme(const char *server)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        if (strncmp(server, schemes[i], strlen(schemes[i])) == 0)
            return server + strlen(schemes[i]);
    }
    return server;
}

char *credentials_key(const char *server)
{
    const char *host = without_scheme(server);
    size_t size = strcspn(host, "/");
    CLEANUP_FREE char *name = xstrndup(host, size);
    if (!*server || strcmp(name, "docker.io") == 0 || strcmp(name, "index.docker.io") == 0 ||
        strcmp(name, "registry-1.docker.io") == 0)
        return xstrdup(CREDENTIALS_HUB);
    return TAKE_PTR(name);
}

/* Name of the helper that keeps this server's credentials, or NULL: config.json does. */
static const char *helper_of(const struct json *config, const char *server)
{
    const char *helper = json_get_string(json_get(config, "credHelpers"), server);
    if (!helper || !*helper)
        helper = json_get_string(config, "credsStore");
    return helper && *helper ? helper : NULL;
}

/* *ret_output may be NULL; what a helper says when it fails comes on its standard output. */
static int run_helper(const char *helper, const char *verb, const char *input, char **ret_output, struct error *err)
{
    CLEANUP_FREE char *program = xasprintf("docker-credential-%s", helper);
    char *argv[] = {program, (char *)verb, NULL};
    CLEANUP_FREE char *output = NULL;
    int r = process_run(argv, input, HELPER_OUTPUT_MAX, &output, err);
    if (r == -ENOENT)
        return error_set(err, ERROR_SYSTEM, ENOENT, "exec: \"%s\": executable file not found in $PATH", program);
    if (r == 0 && ret_output)
        *ret_output = TAKE_PTR(output);
    return r;
}

/* ---- reading ---- */

/* Keys of "auths" may be a bare host or a URL of it. */
static const struct json *find_auth(const struct json *auths, const char *server)
{
    const struct json *entry = json_get(auths, server);
    for (size_t i = 0; !entry && auths && auths->kind == JSON_OBJECT && i < auths->object.count; i++) {
        const char *key = without_scheme(auths->object.keys[i]);
        size_t size = strcspn(key, "/");
        if (size == strlen(server) && memcmp(key, server, size) == 0)
            entry = &auths->object.values[i];
    }
    return entry;
}

static void get_from_file(const struct json *config, struct credentials *ret)
{
    const struct json *entry = find_auth(json_get(config, "auths"), ret->server);
    const char *auth = json_get_string(entry, "auth"), *token = json_get_string(entry, "identitytoken");
    CLEANUP_STRBUF struct strbuf pair = STRBUF_INIT;
    if (token && *token)
        ret->token = xstrdup(token);
    if (!auth || base64_decode(auth, &pair) < 0)
        return;
    const char *colon = strchr(strbuf_str(&pair), ':');
    if (!colon)
        return;
    ret->username = xstrndup(pair.data, (size_t)(colon - pair.data));
    ret->password = xstrdup(colon + 1);
}

static int get_from_helper(const char *helper, struct credentials *ret, struct error *err)
{
    CLEANUP_FREE char *output = NULL;
    CLEANUP_JSON struct json *answer = NULL;
    struct error failure = {0};
    int r = run_helper(helper, "get", ret->server, &output, &failure);
    if (r == -ENOENT)
        return error_propagate(err, &failure);
    /* A helper that has nothing fails too. */
    if (r < 0 || json_parse(output, strlen(output), &answer, &failure) < 0)
        return 0;
    const char *user = json_get_string(answer, "Username"), *secret = json_get_string(answer, "Secret");
    if (user && secret && strcmp(user, TOKEN_USER) == 0) {
        ret->token = xstrdup(secret);
    } else if (user && secret) {
        ret->username = xstrdup(user);
        ret->password = xstrdup(secret);
    }
    return 0;
}

int credentials_get(const struct cli *cli, const char *server, struct credentials *ret, struct error *err)
{
    CLEANUP_JSON struct json *config = config_file_load(cli);
    const char *helper = helper_of(config, server);
    *ret = (struct credentials){.server = xstrdup(server)};
    if (helper)
        return get_from_helper(helper, ret, err);
    get_from_file(config, ret);
    return 0;
}

/* ---- writing ---- */

static int store_in_helper(const char *helper, const struct credentials *c, struct error *err)
{
    CLEANUP_STRBUF struct strbuf input = STRBUF_INIT;
    struct json_writer w;
    bool token = c->token && *c->token;
    json_writer_init(&w, &input);
    json_begin_object(&w);
    json_member_string(&w, "ServerURL", c->server);
    json_member_string(&w, "Username", token ? TOKEN_USER : c->username);
    json_member_string(&w, "Secret", token ? c->token : c->password);
    json_end_object(&w);
    int r = run_helper(helper, "store", strbuf_str(&input), NULL, err);
    return r < 0 ? error_context(err, "error storing credentials - err") : 0;
}

static struct json *file_entry(const struct credentials *c)
{
    CLEANUP_STRBUF struct strbuf encoded = STRBUF_INIT;
    bool token = c->token && *c->token;
    CLEANUP_FREE char *pair =
        xasprintf("%s:%s", c->username ? c->username : "", token || !c->password ? "" : c->password);
    struct json *entry = json_new_object();
    base64_encode(pair, strlen(pair), false, &encoded);
    json_set(entry, "auth", json_new_string(strbuf_str(&encoded)));
    if (token)
        json_set(entry, "identitytoken", json_new_string(c->token));
    return entry;
}

int credentials_store(const struct cli *cli, const struct credentials *c, bool *ret_file, struct error *err)
{
    CLEANUP_JSON struct json *config = NULL;
    int r = config_file_read(cli, &config, err);
    if (r < 0)
        return r;
    const char *helper = helper_of(config, c->server);
    struct json *auths = json_object_of(config, "auths");
    if (helper)
        r = store_in_helper(helper, c, err);
    if (r < 0)
        return r;
    /* With a helper the entry only tells that there are credentials. */
    json_set(auths, c->server, helper ? json_new_object() : file_entry(c));
    *ret_file = !helper;
    return config_file_write(cli, config, err);
}

int credentials_erase(const struct cli *cli, const char *server, struct error *err)
{
    static const char *const schemes[] = {"", "http://", "https://"};
    CLEANUP_JSON struct json *config = NULL;
    int r = config_file_read(cli, &config, err);
    if (r < 0)
        return r;
    const char *helper = helper_of(config, server);
    bool changed = false;
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        CLEANUP_FREE char *key = xasprintf("%s%s", schemes[i], server);
        struct error failure = {0};
        /* Helpers fail for what they do not have. */
        if (helper && run_helper(helper, "erase", key, NULL, &failure) == -ENOENT)
            return error_propagate(err, &failure);
        if (json_get(json_get(config, "auths"), key))
            changed = json_remove(json_object_of(config, "auths"), key) || changed;
    }
    return changed ? config_file_write(cli, config, err) : 0;
}

void credentials_write(const struct credentials *c, struct strbuf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    if (c->token && *c->token) {
        json_member_string(&w, "identitytoken", c->token);
    } else {
        json_member_string(&w, "username", c->username);
        json_member_string(&w, "password", c->password);
    }
    json_member_string(&w, "serveraddress", c->server);
    json_end_object(&w);
}
