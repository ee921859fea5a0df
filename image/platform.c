#include "image/platform.h"

#include <ctype.h>
#include <sys/utsname.h>

#include "base/memory.h"
#include "base/strv.h"

/* Other names of architectures, uname(2)'s among them. */
static const struct {
    const char *name, *architecture, *variant;
} aliases[] = {
    {"x86_64", "amd64", ""},   {"x86-64", "amd64", ""},      {"i386", "386", ""},
    {"i486", "386", ""},       {"i586", "386", ""},          {"i686", "386", ""},
    {"aarch64", "arm64", ""},  {"armhf", "arm", "v7"},       {"armel", "arm", "v6"},
    {"armv8l", "arm", "v8"},   {"armv7l", "arm", "v7"},      {"armv6l", "arm", "v6"},
    {"armv5tel", "arm", "v5"}, {"mips64el", "mips64le", ""}, {"loongarch64", "loong64", ""},
};

static const char *const architectures[] = {"386",    "amd64",    "arm",   "arm64",   "loong64", "mips",  "mipsle",
                                            "mips64", "mips64le", "ppc64", "ppc64le", "riscv64", "s390x", "wasm"};
static const char *const systems[] = {"linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "plan9"};

static bool is_one_of(const char *s, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(s, names[i]) == 0)
            return true;
    return false;
}

/* Lower-cased; what does not fit becomes "?", which matches nothing. */
static void set_part(char part[PLATFORM_PART_MAX], const char *s)
{
    size_t size = s ? strlen(s) : 0;
    if (size >= PLATFORM_PART_MAX) {
        s = "?";
        size = 1;
    }
    for (size_t i = 0; i < size; i++)
        part[i] = (char)tolower((unsigned char)s[i]);
    part[size] = '\0';
}

static void normalise(struct platform *p)
{
    for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
        if (strcmp(p->architecture, aliases[i].name) == 0) {
            set_part(p->architecture, aliases[i].architecture);
            if (!p->variant[0])
                set_part(p->variant, aliases[i].variant);
            break;
        }
    if (isdigit((unsigned char)p->variant[0]) && !p->variant[1])
        memcpy(p->variant, (char[]){'v', p->variant[0], '\0'}, 3);
    bool is_default = (strcmp(p->architecture, "arm64") == 0 && strcmp(p->variant, "v8") == 0) ||
                      (strcmp(p->architecture, "amd64") == 0 && strcmp(p->variant, "v1") == 0);
    if (is_default)
        p->variant[0] = '\0';
    if (strcmp(p->architecture, "arm") == 0 && !p->variant[0])
        set_part(p->variant, "v7");
}

void platform_set(struct platform *platform, const char *os, const char *architecture, const char *variant)
{
    set_part(platform->os, os);
    set_part(platform->architecture, architecture);
    set_part(platform->variant, variant);
    normalise(platform);
}

void platform_host(struct platform *ret)
{
    struct utsname name;
    platform_set(ret, "linux", uname(&name) == 0 ? name.machine : "", NULL);
}

static bool is_known_architecture(const char *text)
{
    struct platform p;
    platform_set(&p, "", text, NULL);
    return is_one_of(p.architecture, architectures, ARRAY_SIZE(architectures));
}

int platform_parse(const char *text, struct platform *ret, struct error *err)
{
    CLEANUP_STRV struct strv parts = STRV_INIT;
    strv_split(&parts, text, '/');
    bool valid = parts.count <= 3;
    for (size_t i = 0; i < parts.count; i++) {
        const char *part = parts.items[i];
        valid = valid && part[0] && strlen(part) < PLATFORM_PART_MAX;
        for (; valid && *part; part++)
            valid = isalnum((unsigned char)*part) || *part == '_' || *part == '-' || *part == '.';
    }
    if (!valid)
        return error_set(err, ERROR_INVALID, 0, "\"%s\" is an invalid platform: invalid argument", text);

    struct platform host;
    platform_host(&host);
    if (parts.count > 1) {
        platform_set(ret, parts.items[0], parts.items[1], parts.count == 3 ? parts.items[2] : NULL);
        return 0;
    }
    char only[PLATFORM_PART_MAX];
    set_part(only, parts.items[0]);
    if (is_one_of(only, systems, ARRAY_SIZE(systems)))
        platform_set(ret, only, host.architecture, host.variant);
    else if (is_known_architecture(only))
        platform_set(ret, "linux", only, NULL);
    else
        return error_set(err, ERROR_INVALID, 0, "\"%s\": unknown operating system or architecture: invalid argument",
                         text);
    return 0;
}

void platform_format(const struct platform *platform, char text[PLATFORM_TEXT_MAX])
{
    bool variant = platform->variant[0] != '\0';
    snprintf(text, PLATFORM_TEXT_MAX, "%s/%s%s%s", platform->os, platform->architecture, variant ? "/" : "",
             platform->variant);
}

/* N of "vN", the architecture's default when there is none, -1 when it has another form. */
static int variant_number(const struct platform *p)
{
    if (!p->variant[0])
        return strcmp(p->architecture, "arm64") == 0 ? 8 : 1;
    if (p->variant[0] != 'v' || !isdigit((unsigned char)p->variant[1]) || p->variant[2])
        return -1;
    return p->variant[1] - '0';
}

int platform_distance(const struct platform *want, const struct platform *have)
{
    enum { OTHER_ARCHITECTURE = 10 };
    if (strcmp(want->os, have->os) != 0)
        return -1;
    int wanted = variant_number(want), had = variant_number(have);
    if (strcmp(want->architecture, have->architecture) == 0) {
        if (strcmp(want->variant, have->variant) == 0)
            return 0;
        bool ordered = strncmp(want->architecture, "arm", 3) == 0 || strcmp(want->architecture, "amd64") == 0;
        return ordered && wanted >= 0 && had >= 0 && had < wanted ? wanted - had : -1;
    }
    if (strcmp(want->architecture, "arm64") == 0 && strcmp(have->architecture, "arm") == 0 && had >= 0 && had <= 8)
        return OTHER_ARCHITECTURE + 8 - had;
    if (strcmp(want->architecture, "amd64") == 0 && strcmp(have->architecture, "386") == 0)
        return OTHER_ARCHITECTURE;
    return -1;
}

char *platform_directory(const char *text)
{
    struct platform platform;
    char name[PLATFORM_TEXT_MAX] = "";
    if (platform_parse(text, &platform, NULL) == 0)
        platform_format(&platform, name);
    for (char *p = name; *p; p++)
        if (*p == '/')
            *p = '_';
    return xstrdup(name);
}
