/* URLs of git repositories, with what is wanted of them behind '#' or '?'. Pure. */
#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/parse.h"
#include "daemon/build/git.h"

#define CHECKSUM_MAX 64

void git_source_release(struct git_source *source)
{
    free(source->url);
    free(source->ref);
    free(source->subdir);
    free(source->checksum);
    *source = (struct git_source){0};
}

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool git_is_url(const char *text)
{
    static const char *const schemes[] = {"git://", "git@", "ssh://", "github.com/"};
    size_t size = strcspn(text, "#?");
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        if (begins_with(text, schemes[i]))
            return true;
    }
    return (begins_with(text, "http://") || begins_with(text, "https://")) && size > 4 &&
           strncmp(text + size - 4, ".git", 4) == 0;
}

/* ---- "#ref:subdir" ---- */

static void read_fragment(const char *fragment, struct git_source *source)
{
    size_t ref = strcspn(fragment, ":");
    if (ref > 0)
        source->ref = xstrndup(fragment, ref);
    if (fragment[ref] == ':' && fragment[ref + 1])
        source->subdir = xstrdup(fragment + ref + 1);
}

/* ---- "?branch=main&subdir=docs" ---- */

static int conflict(struct error *err, const char *what)
{
    return error_set(err, ERROR_INVALID, 0, "URL of a git repository: %s is given more than once", what);
}

static int set_ref(struct git_source *source, const char *prefix, const char *value, struct error *err)
{
    if (source->ref)
        return conflict(err, "what to check out (ref, tag, branch)");
    source->ref = xasprintf("%s%s", prefix, value);
    return 0;
}

static int set_subdir(struct git_source *source, const char *value, struct error *err)
{
    if (source->subdir)
        return conflict(err, "subdir");
    source->subdir = xstrdup(value);
    return 0;
}

static int set_checksum(struct git_source *source, const char *value, struct error *err)
{
    size_t size = strlen(value);
    if (source->checksum)
        return conflict(err, "checksum");
    if (size == 0 || size > CHECKSUM_MAX || strspn(value, "0123456789abcdef") != size)
        return error_set(err, ERROR_INVALID, 0, "URL of a git repository: invalid checksum \"%.100s\"", value);
    source->checksum = xstrdup(value);
    return 0;
}

/* An option that is named without a value is on. */
static int set_switch(enum git_choice *choice, const char *name, const char *value, struct error *err)
{
    bool on = true;
    if (*value && parse_bool(value, &on) < 0)
        return error_set(err, ERROR_INVALID, 0, "URL of a git repository: invalid value for %s: %.100s", name, value);
    *choice = on ? GIT_YES : GIT_NO;
    return 0;
}

static int read_option(const char *name, const char *value, struct git_source *source, struct error *err)
{
    bool empty = *value == '\0';
    if (strcmp(name, "ref") == 0)
        return empty ? 0 : set_ref(source, "", value, err);
    if (strcmp(name, "tag") == 0)
        return empty ? 0 : set_ref(source, begins_with(value, "refs/tags/") ? "" : "refs/tags/", value, err);
    if (strcmp(name, "branch") == 0)
        return empty ? 0 : set_ref(source, begins_with(value, "refs/heads/") ? "" : "refs/heads/", value, err);
    if (strcmp(name, "subdir") == 0)
        return empty ? 0 : set_subdir(source, value, err);
    if (strcmp(name, "checksum") == 0 || strcmp(name, "commit") == 0)
        return set_checksum(source, value, err);
    if (strcmp(name, "keep-git-dir") == 0)
        return set_switch(&source->keep_git_dir, name, value, err);
    if (strcmp(name, "submodules") == 0)
        return set_switch(&source->submodules, name, value, err);
    return error_set(
        err, ERROR_INVALID, 0,
        "URL of a git repository: unexpected option \"%.100s\": ref, tag, branch, subdir, checksum, commit, "
        "keep-git-dir and submodules are known",
        name);
}

static int read_query(const char *query, size_t size, struct git_source *source, struct error *err)
{
    int r = 0;
    for (const char *at = query, *end = query + size; r == 0 && at < end;) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        size_t n = stop ? (size_t)(stop - at) : (size_t)(end - at);
        const char *equals = memchr(at, '=', n);
        size_t name_size = equals ? (size_t)(equals - at) : n;
        CLEANUP_FREE char *name = parse_escapes(at, name_size, true);
        CLEANUP_FREE char *value = equals ? parse_escapes(equals + 1, n - name_size - 1, true) : xstrdup("");
        if (!name || !value)
            r = error_set(err, ERROR_INVALID, 0, "URL of a git repository: malformed query");
        else if (n > 0)
            r = read_option(name, value, source, err);
        at += n + 1;
    }
    /* A commit alone is what to check out. */
    if (r == 0 && source->checksum && !source->ref)
        source->ref = xstrdup(source->checksum);
    return r;
}

/* ---- All of it ---- */

static int check(const struct git_source *source, struct error *err)
{
    if (source->ref && (source->ref[0] == '-' || strpbrk(source->ref, " \t\r\n:")))
        return error_set(err, ERROR_INVALID, 0, "invalid git reference \"%.200s\"", source->ref);
    for (const char *p = source->url; *p; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return error_set(err, ERROR_INVALID, 0, "invalid character in the URL of a git repository");
    }
    /* ssh takes a host that begins with a dash for an option (CVE-2017-1000117). */
    const char *host = strstr(source->url, "://");
    host = host ? host + 3 : strchr(source->url, '@') + 1;
    const char *at = strchr(host, '@');
    if (host[0] == '-' || (at && at[1] == '-'))
        return error_set(err, ERROR_INVALID, 0, "invalid host in the URL of a git repository");
    return 0;
}

int git_source_parse(const char *text, struct git_source *ret, struct error *err)
{
    bool scp = begins_with(text, "git@"); /* host:path, in which '?' is a character like any other */
    size_t size = strcspn(text, scp ? "#" : "#?"), query = text[size] == '?' ? strcspn(text + size, "#") : 0;
    const char *fragment = text + size + query;
    *ret = (struct git_source){0};
    if (!git_is_url(text))
        return error_set(err, ERROR_INVALID, 0, "%.200s is no URL of a git repository", text);
    ret->url = begins_with(text, "github.com/") ? xasprintf("https://%.*s", (int)size, text) : xstrndup(text, size);
    if (*fragment == '#')
        read_fragment(fragment + 1, ret);
    int r = query > 0 ? read_query(text + size + 1, query - 1, ret, err) : 0;
    return r < 0 ? r : check(ret, err);
}
