#include "cmd/dory/container_flags_check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

int check_address(const char *value, struct error *err)
{
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, value, address) == 1 || inet_pton(AF_INET6, value, address) == 1)
        return 0;
    return error_set(err, ERROR_INVALID, 0, "IP address is not correctly formatted: %s", value);
}

int check_sysctl(const char *value, struct error *err)
{
    static const char *const names[] = {"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
                                        "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"};
    static const char *const prefixes[] = {"net.", "fs.mqueue."};
    size_t size = strcspn(value, "=");
    bool known = false;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        known = known || (strlen(names[i]) == size && memcmp(names[i], value, size) == 0);
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        known = known || strncmp(value, prefixes[i], strlen(prefixes[i])) == 0;
    if (!known || !value[size])
        return error_set(err, ERROR_INVALID, 0, "sysctl '%s' is not allowed", value);
    return 0;
}

/* A namespace flag is one of `words` (blank separated), or container:NAME where that can be. */
static bool is_mode(const char *value, const char *words, bool container)
{
    size_t size = strlen(value);
    if (container && strncmp(value, "container:", 10) == 0)
        return value[10] != '\0';
    for (const char *p = words; *p;) {
        size_t n = strcspn(p, " ");
        if (n == size && memcmp(p, value, n) == 0)
            return true;
        p += n + (p[n] == ' ');
    }
    return size == 0;
}

static int check_modes(const struct container_flags *f, struct error *err)
{
    const struct {
        const char *value, *words, *message;
        bool container;
    } modes[] = {
        {f->pid, "host", "--pid: invalid PID mode", true},
        {f->uts, "host", "--uts: invalid UTS mode", false},
        {f->userns, "host", "--userns: invalid USER mode", false},
        {f->cgroupns, "host private", "--cgroupns: invalid CGROUP mode", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        if (modes[i].value && !is_mode(modes[i].value, modes[i].words, modes[i].container))
            return error_set(err, ERROR_INVALID, 0, "%s", modes[i].message);
    }
    return 0;
}

/* SOURCE[:TARGET[:rwm]]; names of the Container Device Interface (vendor/class=name) are the daemon's business. */
static int check_device(const char *device, struct error *err)
{
    CLEANUP_STRV struct strv parts = STRV_INIT;
    if (strchr(device, '='))
        return 0;
    strv_split(&parts, device, ':');
    if (parts.count > 3)
        return error_set(err, ERROR_INVALID, 0, "invalid device specification: %s", device);
    if (parts.items[0][0] != '/')
        return error_set(err, ERROR_INVALID, 0, "%s is not an absolute path", parts.items[0]);
    bool mode = parts.count == 2 && strspn(parts.items[1], "rwm") == strlen(parts.items[1]);
    if (parts.count >= 2 && !mode && parts.items[1][0] != '/')
        return error_set(err, ERROR_INVALID, 0, "%s is not an absolute path", parts.items[1]);
    if (parts.count == 3 && strspn(parts.items[2], "rwm") != strlen(parts.items[2]))
        return error_set(err, ERROR_INVALID, 0, "bad mode specified: %s", parts.items[2]);
    return 0;
}

/* Six or eight pairs of hex digits between colons, hyphens, or four digits between dots. */
static bool is_mac_address(const char *text)
{
    size_t digits = 0;
    for (const char *p = text; *p; p++) {
        if (isxdigit((unsigned char)*p))
            digits++;
        else if (!strchr(":-.", *p) || p == text || !isxdigit((unsigned char)p[1]))
            return false;
    }
    return digits == 12 || digits == 16 || digits == 40;
}

static int check_security(const struct strv *options, struct error *err)
{
    for (size_t i = 0; i < options->count; i++) {
        const char *option = options->items[i];
        if (!strchr(option, '=') && !strchr(option, ':') && strcmp(option, "no-new-privileges") != 0)
            return error_set(err, ERROR_INVALID, 0, "Invalid --security-opt: \"%s\"", option);
    }
    return 0;
}

int container_flags_check(const struct container_flags *f, struct error *err)
{
    int r = check_modes(f, err);
    for (size_t i = 0; i < f->devices.count && r == 0; i++)
        r = check_device(f->devices.items[i], err);
    if (r == 0 && f->mac_address && *f->mac_address && !is_mac_address(f->mac_address))
        r = error_set(err, ERROR_INVALID, 0, "%s is not a valid mac address", f->mac_address);
    return r == 0 ? check_security(&f->security_options, err) : r;
}
