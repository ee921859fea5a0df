#include "image/reference.h"

#include <stddef.h>

#include "base/strbuf.h"

#define DEFAULT_DOMAIN "docker.io"
#define LEGACY_DOMAIN "index.docker.io"
#define OFFICIAL_PREFIX "library/"
#define HEX_SIZE 64
/* Longer than any valid reference. */
#define TEXT_MAX 2048

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}
static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}
static bool is_hex_lower(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f');
}
static bool is_hex(char c)
{
    return is_hex_lower(c) || (c >= 'A' && c <= 'F');
}
static bool is_path_alnum(char c)
{
    return is_lower(c) || is_digit(c);
}
static bool is_alnum(char c)
{
    return is_path_alnum(c) || is_upper(c);
}

/* A piece of the text that is being parsed. */
struct span {
    const char *start;
    size_t size;
};

static struct span span_of(const char *start, const char *end)
{
    return (struct span){start, (size_t)(end - start)};
}

/* Length of the separator at s ("." "_" "__" or any number of "-"), 0 if there is none. */
static size_t separator_size(const char *s, const char *end)
{
    if (s == end)
        return 0;
    if (*s == '.')
        return 1;
    if (*s == '_')
        return s + 1 < end && s[1] == '_' ? 2 : 1;
    size_t n = 0;
    while (s + n < end && s[n] == '-')
        n++;
    return n;
}

/* One or more components joined by '/': alphanumerics with separators between them. */
static bool path_is_valid(struct span path)
{
    const char *s = path.start, *end = s + path.size;
    for (;;) {
        const char *begin = s;
        while (s < end && is_path_alnum(*s))
            s++;
        if (s == begin)
            return false;
        if (s == end)
            return true;
        if (*s == '/') {
            s++;
            continue;
        }
        size_t separator = separator_size(s, end);
        if (separator == 0)
            return false;
        s += separator;
    }
}

static bool host_name_is_valid(const char *s, const char *end)
{
    while (s < end) {
        const char *begin = s;
        while (s < end && (is_alnum(*s) || *s == '-'))
            s++;
        if (s == begin || *begin == '-' || s[-1] == '-')
            return false;
        if (s == end)
            return true;
        if (*s++ != '.')
            return false;
    }
    return false;
}

/* host[:port]; the host is a name, an IPv4 address or [an IPv6 address]. */
static bool domain_is_valid(struct span domain)
{
    const char *s = domain.start, *end = s + domain.size, *host_end;
    if (s < end && *s == '[') {
        host_end = s + 1;
        while (host_end < end && (is_hex(*host_end) || *host_end == ':'))
            host_end++;
        if (host_end == s + 1 || host_end == end || *host_end != ']')
            return false;
        host_end++;
    } else {
        host_end = memchr(s, ':', domain.size);
        if (!host_end)
            host_end = end;
        if (!host_name_is_valid(s, host_end))
            return false;
    }
    if (host_end == end)
        return true;
    if (*host_end++ != ':' || host_end == end)
        return false;
    while (host_end < end && is_digit(*host_end))
        host_end++;
    return host_end == end;
}

static bool tag_is_valid(struct span tag)
{
    if (tag.size == 0 || tag.size > REFERENCE_TAG_MAX)
        return false;
    for (size_t i = 0; i < tag.size; i++) {
        char c = tag.start[i];
        if (!is_alnum(c) && c != '_' && (i == 0 || (c != '.' && c != '-')))
            return false;
    }
    return true;
}

/* algorithm:hex of any algorithm; whether we can compute it is another question. */
static bool digest_has_form(struct span digest)
{
    const char *s = digest.start, *end = s + digest.size;
    const char *colon = memchr(s, ':', digest.size);
    if (!colon)
        return false;
    bool part_begins = true;
    for (; s < colon; s++) {
        if (is_upper(*s) || is_lower(*s) || (!part_begins && is_digit(*s)))
            part_begins = false;
        else if (!part_begins && strchr("-_+.", *s))
            part_begins = true;
        else
            return false;
    }
    if (part_begins || end - colon - 1 < 32)
        return false;
    for (s = colon + 1; s < end; s++)
        if (!is_hex(*s))
            return false;
    return true;
}

static bool has_upper(struct span s)
{
    for (size_t i = 0; i < s.size; i++)
        if (is_upper(s.start[i]))
            return true;
    return false;
}

static bool is_bare_id(const char *text)
{
    size_t n = 0;
    while (n <= HEX_SIZE && is_hex_lower(text[n]))
        n++;
    return n == HEX_SIZE && text[n] == '\0';
}

/* Whether what stands before the first '/' names a host and not the first part of a path on Docker Hub. */
static bool names_host(struct span first)
{
    static const char localhost[] = "localhost";
    return memchr(first.start, '.', first.size) || memchr(first.start, ':', first.size) || has_upper(first) ||
           (first.size == sizeof localhost - 1 && memcmp(first.start, localhost, first.size) == 0);
}

static int invalid_format(struct error *err)
{
    return error_set(err, ERROR_INVALID, 0, "invalid reference format");
}

struct parts {
    struct span domain, path, tag, digest;
};

/* Cuts the text into its parts; nothing is checked yet but where they begin and end. */
static void split(const char *text, struct parts *parts)
{
    const char *end = text + strlen(text);
    const char *slash = strchr(text, '/');
    const char *rest = text;
    if (slash && names_host(span_of(text, slash))) {
        parts->domain = span_of(text, slash);
        rest = slash + 1;
    }
    const char *at = strchr(rest, '@');
    if (at) {
        parts->digest = span_of(at + 1, end);
        end = at;
    }
    const char *colon = memchr(rest, ':', (size_t)(end - rest));
    if (colon) {
        parts->tag = span_of(colon + 1, end);
        end = colon;
    }
    parts->path = span_of(rest, end);
}

static int check_digest(struct span digest, struct error *err)
{
    if (!digest_has_form(digest))
        return invalid_format(err);
    if (digest.size < 7 || memcmp(digest.start, "sha256:", 7) != 0)
        return error_set(err, ERROR_INVALID, 0, "unsupported digest algorithm");
    if (digest.size != 7 + HEX_SIZE)
        return error_set(err, ERROR_INVALID, 0, "invalid checksum digest length");
    if (has_upper(digest))
        return error_set(err, ERROR_INVALID, 0, "invalid checksum digest format");
    return 0;
}

static int check_parts(const struct parts *parts, struct error *err)
{
    if (has_upper(parts->path))
        return error_set(err, ERROR_INVALID, 0, "invalid reference format: repository name (%s%.*s) must be lowercase",
                         parts->domain.start || memchr(parts->path.start, '/', parts->path.size) ? "" : "library/",
                         (int)parts->path.size, parts->path.start);
    if ((parts->domain.start && !domain_is_valid(parts->domain)) || !path_is_valid(parts->path) ||
        (parts->tag.start && !tag_is_valid(parts->tag)))
        return invalid_format(err);
    return parts->digest.start ? check_digest(parts->digest, err) : 0;
}

static char *span_dup(struct span s)
{
    return s.start ? xstrndup(s.start, s.size) : NULL;
}

int reference_parse(const char *text, struct reference *ret, struct error *err)
{
    if (is_bare_id(text))
        return error_set(err, ERROR_INVALID, 0,
                         "invalid repository name (%s), cannot specify 64-byte hexadecimal strings", text);
    if (strnlen(text, TEXT_MAX + 1) > TEXT_MAX)
        return invalid_format(err);
    struct parts parts = {0};
    split(text, &parts);
    int rc = check_parts(&parts, err);
    if (rc < 0)
        return rc;

    CLEANUP_FREE char *domain = parts.domain.start ? span_dup(parts.domain) : xstrdup(DEFAULT_DOMAIN);
    if (strcmp(domain, LEGACY_DOMAIN) == 0)
        xstrset(&domain, DEFAULT_DOMAIN);
    bool official = strcmp(domain, DEFAULT_DOMAIN) == 0 && !memchr(parts.path.start, '/', parts.path.size);
    CLEANUP_FREE char *path =
        xasprintf("%s%.*s", official ? OFFICIAL_PREFIX : "", (int)parts.path.size, parts.path.start);
    if (strlen(path) > REFERENCE_NAME_MAX)
        return error_set(err, ERROR_INVALID, 0,
                         "invalid reference format: repository name must not be more than %d characters",
                         REFERENCE_NAME_MAX);
    *ret = (struct reference){TAKE_PTR(domain), TAKE_PTR(path), span_dup(parts.tag), span_dup(parts.digest)};
    return 0;
}

int reference_check(const char *text, struct error *err)
{
    struct reference ref = {0};
    int r = reference_parse(text, &ref, err);
    reference_release(&ref);
    return r;
}

void reference_release(struct reference *ref)
{
    free(ref->domain);
    free(ref->path);
    free(ref->tag);
    free(ref->digest);
    *ref = (struct reference){0};
}

void reference_default_tag(struct reference *ref)
{
    if (!ref->tag && !ref->digest)
        ref->tag = xstrdup("latest");
}

/* The name followed by the tag and the digest, whichever are there. Takes `name`. */
static char *with_suffixes(char *name, const struct reference *ref)
{
    struct strbuf out = STRBUF_INIT;
    strbuf_adds(&out, name);
    free(name);
    if (ref->tag)
        strbuf_addf(&out, ":%s", ref->tag);
    if (ref->digest)
        strbuf_addf(&out, "@%s", ref->digest);
    return strbuf_take(&out);
}

char *reference_familiar_name(const struct reference *ref)
{
    if (strcmp(ref->domain, DEFAULT_DOMAIN) != 0)
        return reference_full_name(ref);
    const size_t prefix = sizeof OFFICIAL_PREFIX - 1;
    bool official = strncmp(ref->path, OFFICIAL_PREFIX, prefix) == 0 && !strchr(ref->path + prefix, '/');
    return xstrdup(ref->path + (official ? prefix : 0));
}

char *reference_familiar(const struct reference *ref)
{
    return with_suffixes(reference_familiar_name(ref), ref);
}

char *reference_full_name(const struct reference *ref)
{
    return xasprintf("%s/%s", ref->domain, ref->path);
}

char *reference_full(const struct reference *ref)
{
    return with_suffixes(reference_full_name(ref), ref);
}

bool digest_is_valid(const char *text)
{
    if (!text || strncmp(text, "sha256:", 7) != 0)
        return false;
    size_t n = 0;
    while (n < HEX_SIZE && is_hex_lower(text[7 + n]))
        n++;
    return n == HEX_SIZE && text[7 + n] == '\0';
}
