#include "base/detach_keys.h"

#include <errno.h>

/* The code of one key, or -1. */
static int key_code(const char *key, size_t size)
{
    if (size == 1)
        return (unsigned char)key[0];
    if (size == 3 && memcmp(key, "DEL", 3) == 0)
        return 127;
    if (size != 6 || memcmp(key, "ctrl-", 5) != 0)
        return -1;
    if (key[5] >= 'a' && key[5] <= 'z')
        return key[5] - 'a' + 1;
    if (key[5] == '@')
        return 0;
    if (key[5] >= '[' && key[5] <= '_')
        return key[5] - '[' + 27;
    return -1;
}

int detach_keys_parse(const char *text, struct detach_keys *ret, struct error *err)
{
    struct detach_keys keys = {0};
    const char *key;

    if (!text)
        text = DETACH_KEYS_DEFAULT;
    for (key = text; *text;) {
        size_t size = strcspn(key, ",");
        int code = key_code(key, size);

        if (code < 0 || keys.count == DETACH_KEYS_MAX)
            return error_set(err, ERROR_INVALID, EINVAL, "Invalid detach keys (%s) provided", text);
        keys.codes[keys.count++] = (unsigned char)code;
        if (!key[size])
            break;
        key += size + 1;
    }
    if (ret)
        *ret = keys;
    return 0;
}

bool detach_matcher_feed(struct detach_matcher *matcher, const char *in, size_t size, char *out, size_t *ret_size)
{
    const struct detach_keys *keys = &matcher->keys;
    size_t n = 0;

    for (size_t i = 0; i < size; i++) {
        if (keys->count > 0 && (unsigned char)in[i] == keys->codes[matcher->matched]) {
            if (++matcher->matched == keys->count) {
                matcher->matched = 0;
                *ret_size = n;
                return true;
            }
            continue;
        }
        memcpy(out + n, keys->codes, matcher->matched);
        n += matcher->matched;
        matcher->matched = 0;
        out[n++] = in[i];
    }
    *ret_size = n;
    return false;
}
