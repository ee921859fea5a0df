/* Credentials for a pull: docker's config.json, its credential helpers, and the header they travel in. */
#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/process.h"
#include "cmd/dory/container_create.h"

#define CONFIG_MAX (1 << 20)
#define HUB_KEY "https://index.docker.io/v1/"

static char *base64_url(const char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    for (size_t i = 0; i < size; i += 3) {
        unsigned n = (unsigned char)data[i] << 16;
        n |= i + 1 < size ? (unsigned)(unsigned char)data[i + 1] << 8 : 0;
        n |= i + 2 < size ? (unsigned char)data[i + 2] : 0;
        strbuf_addc(&out, digits[n >> 18]);
        strbuf_addc(&out, digits[n >> 12 & 63]);
        strbuf_addc(&out, i + 1 < size ? digits[n >> 6 & 63] : '=');
        strbuf_addc(&out, i + 2 < size ? digits[n & 63] : '=');
    }
    return strbuf_take(&out);
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static char *base64_decode(const char *text)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    unsigned bits = 0, held = 0;
    for (; *text && *text != '='; text++) {
        int d = base64_digit(*text);
        if (d < 0)
            return NULL;
        held = held << 6 | (unsigned)d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            strbuf_addc(&out, (char)(held >> bits & 255));
        }
    }
    return strbuf_take(&out);
}

/* The key of "auths": the host of the reference, or Docker Hub's old URL. The caller frees. */
static char *registry_key(const char *reference)
{
    size_t size = strcspn(reference, "/");
    bool host = reference[size] == '/' && (memchr(reference, '.', size) || memchr(reference, ':', size) ||
                                           (size == 9 && memcmp(reference, "localhost", 9) == 0));
    if (!host || (size == 9 && memcmp(reference, "docker.io", 9) == 0))
        return xstrdup(HUB_KEY);
    return xstrndup(reference, size);
}

static char *encode(const char *user, const char *password, const char *token, const char *server)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    if (token && *token) {
        json_member_string(&w, "identitytoken", token);
    } else {
        json_member_string(&w, "username", user);
        json_member_string(&w, "password", password);
    }
    json_member_string(&w, "serveraddress", server);
    json_end_object(&w);
    CLEANUP_FREE char *encoded = base64_url(strbuf_str(&text), text.size);
    return xasprintf("X-Registry-Auth: %s", encoded);
}

/* docker-credential-NAME get, with the server on its standard input. Not found is no credentials. */
static char *ask_helper(const char *helper, const char *server)
{
    CLEANUP_FREE char *program = xasprintf("docker-credential-%s", helper);
    CLEANUP_FREE char *output = NULL;
    CLEANUP_JSON struct json *answer = NULL;
    char *argv[] = {program, (char *)"get", NULL};
    struct error err = {0};
    if (process_run(argv, server, 65536, &output, &err) < 0 || json_parse(output, strlen(output), &answer, &err) < 0)
        return NULL;
    const char *user = json_get_string(answer, "Username"), *secret = json_get_string(answer, "Secret");
    if (!user || !secret)
        return NULL;
    bool token = strcmp(user, "<token>") == 0;
    return encode(token ? NULL : user, token ? NULL : secret, token ? secret : NULL, server);
}

/* Keys of "auths" may be a bare host or a URL of it. */
static const struct json *find_auth(const struct json *auths, const char *server)
{
    const struct json *entry = json_get(auths, server);
    for (size_t i = 0; !entry && auths && auths->kind == JSON_OBJECT && i < auths->object.count; i++) {
        const char *key = auths->object.keys[i], *scheme = strstr(key, "://");
        key = scheme ? scheme + 3 : key;
        size_t size = strcspn(key, "/");
        if (size == strlen(server) && memcmp(key, server, size) == 0)
            entry = &auths->object.values[i];
    }
    return entry;
}

char *registry_auth_header(const struct cli *cli, const char *reference)
{
    CLEANUP_FREE char *path = xasprintf("%s/config.json", cli->config);
    CLEANUP_FREE char *text = NULL;
    CLEANUP_FREE char *server = registry_key(reference);
    CLEANUP_JSON struct json *config = NULL;
    size_t size;
    struct error err = {0};
    int r = file_read(AT_FDCWD, path, CONFIG_MAX, &text, &size, &err);
    if (r == -ENOENT)
        return NULL;
    if (r < 0 || json_parse(text, size, &config, &err) < 0) {
        fprintf(stderr, "WARNING: Error loading config file: %s: %s\n", path, err.message);
        return NULL;
    }
    const char *helper = json_get_string(json_get(config, "credHelpers"), server);
    if (!helper)
        helper = json_get_string(config, "credsStore");
    if (helper && *helper)
        return ask_helper(helper, server);
    const struct json *entry = find_auth(json_get(config, "auths"), server);
    const char *token = json_get_string(entry, "identitytoken"), *auth = json_get_string(entry, "auth");
    if (token && *token)
        return encode(NULL, NULL, token, server);
    CLEANUP_FREE char *pair = auth ? base64_decode(auth) : NULL;
    char *colon = pair ? strchr(pair, ':') : NULL;
    if (!colon)
        return NULL;
    *colon = '\0';
    return encode(pair, colon + 1, NULL, server);
}
