#include "image/registry_auth.h"

#include <ctype.h>
#include <strings.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"

#define TOKEN_LIFE_DEFAULT 60
/* A token is not used in its last seconds: the request has to arrive before it expires. */
#define TOKEN_MARGIN 5
#define MESSAGE_MAX 1000

/* ---- WWW-Authenticate ---- */

static bool is_token_char(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, " \t");
}

static const char *skip_token(const char *s)
{
    while (is_token_char(*s))
        s++;
    return s;
}

/* A quoted string (backslash escapes) or a token. NULL when it is neither; else what follows. */
static const char *read_value(const char *s, struct strbuf *out)
{
    if (*s != '"') {
        const char *end = skip_token(s);
        strbuf_add(out, s, (size_t)(end - s));
        return end == s ? NULL : end;
    }
    for (s++; *s && *s != '"'; s++) {
        if (*s == '\\' && s[1])
            s++;
        strbuf_addc(out, *s);
    }
    return *s == '"' ? s + 1 : NULL;
}

static void set_parameter(struct registry_challenge *c, const char *name, size_t size, const char *value)
{
    struct {
        const char *name;
        char **where;
    } known[] = {{"realm", &c->realm}, {"service", &c->service}, {"scope", &c->scope}, {"error", &c->error}};
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strlen(known[i].name) == size && strncasecmp(name, known[i].name, size) == 0)
            xstrset(known[i].where, value);
}

/* name=value pairs up to the next scheme or the end. Returns where that is. */
static const char *read_parameters(const char *s, struct registry_challenge *c)
{
    for (;;) {
        s += strspn(s, " \t,");
        const char *name = s, *end = skip_token(s);
        const char *equals = skip_blanks(end);
        if (end == name || *equals != '=')
            return name;
        CLEANUP_STRBUF struct strbuf value = STRBUF_INIT;
        s = read_value(skip_blanks(equals + 1), &value);
        if (!s)
            return "";
        set_parameter(c, name, (size_t)(end - name), strbuf_str(&value));
    }
}

static enum challenge_scheme scheme_of(const char *name, size_t size)
{
    if (size == 5 && strncasecmp(name, "Basic", size) == 0)
        return CHALLENGE_BASIC;
    if (size == 6 && strncasecmp(name, "Bearer", size) == 0)
        return CHALLENGE_BEARER;
    return CHALLENGE_NONE;
}

static void consider_header(const char *s, struct registry_challenge *best)
{
    while (*s) {
        s += strspn(s, " \t,");
        const char *name = s;
        s = skip_token(s);
        if (s == name)
            return;
        CLEANUP_CHALLENGE struct registry_challenge c = {.scheme = scheme_of(name, (size_t)(s - name))};
        s = read_parameters(s, &c);
        bool usable = c.scheme != CHALLENGE_BEARER || (c.realm && *c.realm);
        if (usable && c.scheme > best->scheme) {
            registry_challenge_release(best);
            *best = c;
            c = (struct registry_challenge){0};
        }
    }
}

void registry_challenge_parse(const struct strv *headers, struct registry_challenge *ret)
{
    *ret = (struct registry_challenge){0};
    for (size_t i = 0; i < headers->count; i++)
        consider_header(headers->items[i], ret);
}

void registry_challenge_release(struct registry_challenge *challenge)
{
    free(challenge->realm);
    free(challenge->service);
    free(challenge->scope);
    free(challenge->error);
    *challenge = (struct registry_challenge){0};
}

/* ---- tokens ---- */

/* A token goes into a header line. */
static bool is_header_safe(const char *s)
{
    for (; *s; s++)
        if (*s < 0x21 || *s > 0x7e)
            return false;
    return true;
}

int registry_token_parse(const char *text, size_t size, int64_t now, struct registry_token *ret, struct error *err)
{
    CLEANUP_JSON struct json *root = NULL;
    if (json_parse(text, size, &root, err) < 0)
        return error_context(err, "unable to decode token response");
    const char *token = json_get_string(root, "token");
    if (!token || !*token)
        token = json_get_string(root, "access_token");
    if (!token || !*token)
        return error_set(err, ERROR_UNAUTHORIZED, 0, "authorization server did not include a token in the response");
    if (!is_header_safe(token))
        return error_set(err, ERROR_UNAUTHORIZED, 0, "authorization server sent a malformed token");
    int64_t life = json_get_int(root, "expires_in", TOKEN_LIFE_DEFAULT);
    if (life < TOKEN_LIFE_DEFAULT)
        life = TOKEN_LIFE_DEFAULT;
    if (life > 86400)
        life = 86400;
    /* Counted from our own clock: the server's issued_at would need both clocks to agree. */
    const char *refresh = json_get_string(root, "refresh_token");
    *ret = (struct registry_token){.text = xstrdup(token),
                                   .refresh = refresh && *refresh ? xstrdup(refresh) : NULL,
                                   .expires = now + life - TOKEN_MARGIN};
    return 0;
}

void registry_token_release(struct registry_token *token)
{
    free(token->text);
    free(token->refresh);
    *token = (struct registry_token){0};
}

/* ---- errors ---- */

/* "MANIFEST_UNKNOWN" -> "manifest unknown" */
static void add_code_words(struct strbuf *out, const char *code)
{
    for (; *code; code++)
        strbuf_addc(out, *code == '_' ? ' ' : (char)tolower((unsigned char)*code));
}

/* Text of a stranger: one line, bounded, no control characters. */
static void add_cleaned(struct strbuf *out, const char *text, size_t size)
{
    size_t limit = size < MESSAGE_MAX ? size : MESSAGE_MAX;
    for (size_t i = 0; i < limit;) {
        size_t n = utf8_sequence(text + i, size - i);
        if (n == 0 || (n == 1 && ((unsigned char)text[i] < 0x20 || text[i] == 0x7f))) {
            strbuf_addc(out, n == 0 ? '?' : ' ');
            i++;
            continue;
        }
        strbuf_add(out, text + i, n);
        i += n;
    }
}

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {410, "Gone"},
    {416, "Range Not Satisfiable"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "";
}

/* What the status alone means, when the body says nothing (as docker's registry client). */
static const char *code_of_status(int status)
{
    switch (status) {
    case 401:
        return "UNAUTHORIZED";
    case 403:
        return "DENIED";
    case 429:
        return "TOOMANYREQUESTS";
    default:
        return NULL;
    }
}

static const char *default_message(const char *code)
{
    if (strcmp(code, "UNAUTHORIZED") == 0)
        return "authentication required";
    if (strcmp(code, "DENIED") == 0)
        return "requested access to the resource is denied";
    return NULL;
}

static void set_failure(struct registry_failure *ret, const char *code, const char *message)
{
    struct strbuf out = STRBUF_INIT;
    add_code_words(&out, code);
    if (!message || !*message)
        message = default_message(code);
    strbuf_adds(&out, ": ");
    if (message)
        add_cleaned(&out, message, strlen(message));
    else
        add_code_words(&out, code);
    ret->code = xstrdup(code);
    ret->message = strbuf_take(&out);
}

static bool code_is_valid(const char *code)
{
    size_t n = code ? strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_ ") : 0;
    return n > 0 && n < 64 && code[n] == '\0';
}

static bool scope_is_insufficient(const struct strv *challenges)
{
    CLEANUP_CHALLENGE struct registry_challenge c = {0};
    registry_challenge_parse(challenges, &c);
    return c.error && strcmp(c.error, "insufficient_scope") == 0;
}

void registry_failure_parse(int status, const struct strv *challenges, const char *text, size_t size,
                            struct registry_failure *ret)
{
    *ret = (struct registry_failure){0};
    if (status == 401 && challenges && scope_is_insufficient(challenges)) {
        set_failure(ret, "DENIED", NULL);
        return;
    }
    CLEANUP_JSON struct json *root = NULL;
    if (size > 0 && json_parse(text, size, &root, NULL) < 0)
        root = NULL;
    const struct json *first = json_at(json_get(root, "errors"), 0);
    const char *code = json_get_string(first, "code"), *details = json_get_string(root, "details");
    if (code_is_valid(code)) {
        set_failure(ret, code, json_get_string(first, "message"));
        return;
    }
    if (!details)
        details = json_get_string(root, "error_description");
    if (code_of_status(status)) {
        set_failure(ret, code_of_status(status), details);
        return;
    }
    struct strbuf out = STRBUF_INIT;
    strbuf_addf(&out, "received unexpected HTTP status: %d %s", status, reason_of(status));
    if (details) {
        strbuf_adds(&out, ": ");
        add_cleaned(&out, details, strlen(details));
    }
    ret->message = strbuf_take(&out);
}

void registry_failure_release(struct registry_failure *failure)
{
    free(failure->code);
    free(failure->message);
    *failure = (struct registry_failure){0};
}
