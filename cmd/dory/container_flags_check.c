#include "cmd/dory/container_flags_check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/parse.h"

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

int check_label(const char *value, struct error *err)
{
    if (value[0] == '\0' || value[0] == '=')
        return error_set(err, ERROR_INVALID, 0, "invalid label '%s': empty name", value);
    return 0;
}

int check_dns_search(const char *value, struct error *err)
{
    size_t begin = strspn(value, " "), size = strlen(value);
    while (size > begin && value[size - 1] == ' ')
        size--;
    if (size - begin == 1 && value[begin] == '.')
        return 0;
    /* Labels of letters, digits and hyphens between dots, a last dot may be there; a number is no name. */
    bool letter = false, valid = size > 0 && size < 255;
    for (size_t i = 0; i < size && valid; i++) {
        bool edge = i == 0 || value[i - 1] == '.' || i + 1 == size || value[i + 1] == '.';
        letter = letter || isalpha((unsigned char)value[i]);
        valid = isalnum((unsigned char)value[i]) || (value[i] == '-' && !edge) ||
                (value[i] == '.' && i > 0 && value[i - 1] != '.');
    }
    if (!valid || !letter)
        return error_set(err, ERROR_INVALID, 0, "%.*s is not a valid domain", (int)(size - begin), value + begin);
    return 0;
}

/* "c 1:3 rwm" */
int check_device_rule(const char *value, struct error *err)
{
    const char *p = value;
    bool valid = *p && strchr("acb", *p) && p[1] == ' ';
    p += valid ? 2 : 0;
    for (int i = 0; i < 2 && valid; i++) {
        size_t size = *p == '*' ? 1 : strspn(p, "0123456789");
        valid = size > 0 && p[size] == (i == 0 ? ':' : ' ');
        p += valid ? size + 1 : 0;
    }
    size_t modes = strspn(p, "rwm");
    if (!valid || modes == 0 || modes > 3 || p[modes])
        return error_set(err, ERROR_INVALID, 0, "invalid device cgroup format '%s'", value);
    return 0;
}

/* The value behind "/dev/NAME:", or NULL with err filled. */
static const char *behind_device(const char *value, struct error *err)
{
    const char *colon = strchr(value, ':');
    if (!colon || colon == value)
        error_set(err, ERROR_INVALID, 0, "bad format: %s", value);
    else if (strncmp(value, "/dev/", 5) != 0)
        error_set(err, ERROR_INVALID, 0, "bad format for device path: %s", value);
    else
        return colon + 1;
    return NULL;
}

int check_device_weight(const char *value, struct error *err)
{
    const char *text = behind_device(value, err);
    int64_t weight = 0;
    if (!text)
        return -EINVAL;
    if (parse_int64(text, 0, 1000, &weight) < 0 || (weight > 0 && weight < 10))
        return error_set(err, ERROR_INVALID, 0, "invalid weight for device: %s", value);
    return 0;
}

int check_device_bytes(const char *value, struct error *err)
{
    const char *text = behind_device(value, err);
    int64_t rate = 0;
    if (!text)
        return -EINVAL;
    if (parse_size(text, false, &rate) < 0)
        return error_set(err, ERROR_INVALID, 0,
                         "invalid rate for device: %s. The correct format is <device-path>:<number>[<unit>]. Number "
                         "must be a positive integer. Unit is optional and can be kb, mb, or gb",
                         value);
    return 0;
}

int check_device_rate(const char *value, struct error *err)
{
    const char *text = behind_device(value, err);
    int64_t rate = 0;
    if (!text)
        return -EINVAL;
    if (parse_int64(text, 0, INT64_MAX, &rate) < 0)
        return error_set(err, ERROR_INVALID, 0,
                         "invalid rate for device: %s. The correct format is <device-path>:<number>. Number must be a "
                         "positive integer",
                         value);
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

static int check_health(const struct container_flags *f, struct error *err)
{
    const struct {
        const char *flag;
        int64_t value;
    } numbers[] = {
        {"interval", f->health_interval},
        {"timeout", f->health_timeout},
        {"retries", f->health_retries},
        {"start-period", f->health_start_period},
        {"start-interval", f->health_start_interval},
    };
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (numbers[i].value < 0)
            return error_set(err, ERROR_INVALID, 0, "--health-%s cannot be negative", numbers[i].flag);
    }
    return 0;
}

static int check_options(const struct container_flags *f, struct error *err)
{
    for (size_t i = 0; i < f->storage_options.count; i++) {
        if (!strchr(f->storage_options.items[i], '='))
            return error_set(err, ERROR_INVALID, 0, "invalid storage option");
    }
    if (f->log_driver && strcmp(f->log_driver, "none") == 0 && f->log_options.count > 0)
        return error_set(err, ERROR_INVALID, 0, "invalid logging opts for driver none");
    return 0;
}

int container_flags_check(const struct container_flags *f, struct error *err)
{
    int r = check_modes(f, err);
    if (r == 0)
        r = check_health(f, err);
    if (r == 0)
        r = check_options(f, err);
    for (size_t i = 0; i < f->devices.count && r == 0; i++)
        r = check_device(f->devices.items[i], err);
    if (r == 0 && f->mac_address && *f->mac_address && !is_mac_address(f->mac_address))
        r = error_set(err, ERROR_INVALID, 0, "%s is not a valid mac address", f->mac_address);
    return r == 0 ? check_security(&f->security_options, err) : r;
}
