#include "cmd/dory/build_secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/file.h"
#include "cmd/dory/csv_fields.h"

/* ---- --secret ---- */

struct secret {
    char *id, *file, *variable;
    bool of_variable; /* type=env */
};

static void secret_release(struct secret *secret)
{
    free(secret->id);
    free(secret->file);
    free(secret->variable);
}

static int take_pair(struct secret *secret, const char *pair, struct error *err)
{
    const char *equals = strchr(pair, '=');
    if (!equals)
        return error_set(err, ERROR_INVALID, 0, "invalid field '%s' must be a key=value pair", pair);
    CLEANUP_FREE char *key = xstrndup(pair, (size_t)(equals - pair));
    const char *value = equals + 1;
    if (strcmp(key, "id") == 0)
        xstrset(&secret->id, value);
    else if (strcmp(key, "src") == 0 || strcmp(key, "source") == 0)
        xstrset(&secret->file, value);
    else if (strcmp(key, "env") == 0)
        xstrset(&secret->variable, value);
    else if (strcmp(key, "type") != 0)
        return error_set(err, ERROR_INVALID, 0, "unexpected key '%s' in '%s'", key, pair);
    else if (strcmp(value, "file") != 0 && strcmp(value, "env") != 0)
        return error_set(err, ERROR_INVALID, 0, "unsupported secret type \"%s\"", value);
    else
        secret->of_variable = strcmp(value, "env") == 0;
    return 0;
}

/* Without a source the variable of the secret's name is meant, or else the file; type=env says which. */
static int parse_secret(const char *text, struct secret *ret, struct error *err)
{
    CLEANUP_STRV struct strv pairs = STRV_INIT;
    int r = 0;
    csv_fields_split(text, &pairs);
    for (size_t i = 0; i < pairs.count && r == 0; i++)
        r = take_pair(ret, pairs.items[i], err);
    if (r < 0)
        return r;
    if (ret->of_variable && ret->file && !ret->variable) {
        ret->variable = ret->file;
        ret->file = NULL;
    }
    if (!ret->id)
        ret->id = xstrdup(ret->variable ? ret->variable : ret->file ? ret->file : "");
    if (!*ret->id)
        return error_set(err, ERROR_INVALID, 0, "invalid secret \"%s\": id is missing", text);
    if (!ret->file && !ret->variable && (ret->of_variable || getenv(ret->id)))
        ret->variable = xstrdup(ret->id);
    else if (!ret->file && !ret->variable)
        ret->file = xstrdup(ret->id);
    return 0;
}

static int write_secret(struct json_writer *w, const struct secret *secret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf encoded = STRBUF_INIT;
    CLEANUP_FREE char *data = NULL;
    size_t size = 0;
    if (secret->variable) {
        const char *value = getenv(secret->variable);
        if (!value)
            return error_set(err, ERROR_INVALID, 0, "secret %s: the environment has no %s", secret->id,
                             secret->variable);
        data = xstrdup(value);
        size = strlen(value);
    } else {
        int r = file_read(AT_FDCWD, secret->file, SECRET_SIZE_MAX, &data, &size, err);
        if (r == -EFBIG)
            return error_set(err, ERROR_INVALID, EFBIG, "secret %s: %s is larger than %zu bytes", secret->id,
                             secret->file, SECRET_SIZE_MAX);
        if (r < 0)
            return error_context(err, "secret %s", secret->id);
    }
    base64_encode(data, size, false, &encoded);
    explicit_bzero(data, size);
    json_begin_object(w);
    json_member_string(w, "id", secret->id);
    json_member_string(w, "data", strbuf_str(&encoded));
    json_end_object(w);
    return 0;
}

int build_secrets_write(struct json_writer *w, const struct strv *secrets, struct error *err)
{
    int r = 0;
    json_begin_array(w);
    for (size_t i = 0; i < secrets->count && r == 0; i++) {
        struct secret secret CLEANUP(secret_release) = {0};
        r = parse_secret(secrets->items[i], &secret, err);
        if (r == 0)
            r = write_secret(w, &secret, err);
    }
    json_end_array(w);
    return r;
}
