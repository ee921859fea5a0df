#include "runtime/settings.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>

#include "base/memory.h"

#define WEIGHTED_INTERLEAVE 6 /* Linux 6.9; not in older headers */

struct word {
    const char *name;
    int64_t value;
};

static const struct word *find(const struct word *words, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i].name, name) == 0)
            return &words[i];
    return NULL;
}

/* Flags are ORed together. */
static int find_all(const struct word *words, size_t count, const struct strv *names, const char *field, int64_t *ret,
                    struct error *err)
{
    *ret = 0;
    for (size_t i = 0; i < names->count; i++) {
        const struct word *word = find(words, count, names->items[i]);
        if (word == NULL)
            return error_set(err, ERROR_INVALID, 0, "%s[%zu]: unknown flag \"%s\"", field, i, names->items[i]);
        *ret |= word->value;
    }
    return 0;
}

/* ---- lists ---- */

static bool read_number(const char **p, unsigned *ret)
{
    unsigned n = 0;
    const char *start = *p;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        n = n * 10 + (unsigned)(**p - '0');
        if (n >= SETTINGS_BITS)
            return false;
    }
    *ret = n;
    return *p > start;
}

int settings_list(const char *field, const char *text, struct settings_mask *ret, struct error *err)
{
    struct settings_mask mask = {0};
    const char *p = text;
    while (*p != '\0') {
        unsigned first, last;
        bool good = read_number(&p, &first);
        last = first;
        if (good && *p == '-') {
            p++;
            good = read_number(&p, &last) && last >= first;
        }
        if (good && *p == ',')
            good = *++p != '\0';
        else
            good = good && *p == '\0';
        if (!good)
            return error_set(err, ERROR_INVALID, 0, "%s: \"%.200s\" is not a list like 0-3,7 of numbers below %d",
                             field, text, SETTINGS_BITS);
        for (unsigned n = first; n <= last; n++) {
            unsigned long bit = 1UL << n % (8 * sizeof(long)), *word = &mask.words[n / (8 * sizeof(long))];
            mask.count += (*word & bit) == 0;
            *word |= bit;
        }
    }
    *ret = mask;
    return 0;
}

/* ---- scheduler ---- */

/* What the policies take is said in sched(7); the kernel answers EINVAL for all of it. */
static int check_scheduler(const struct oci_scheduler *s, uint32_t policy, struct error *err)
{
    bool real = policy == SCHED_FIFO || policy == SCHED_RR;
    if (s->nice < -20 || s->nice > 19) /* other policies than OTHER and BATCH have no use for it */
        return error_set(err, ERROR_INVALID, 0, "process.scheduler.nice: %lld is not from -20 to 19",
                         (long long)s->nice);
    if (real ? s->priority < 1 || s->priority > 99 : s->priority != 0)
        return error_set(err, ERROR_INVALID, 0, "process.scheduler.priority: %lld is not possible with %s",
                         (long long)s->priority, s->policy);
    if (policy != SCHED_DEADLINE && (s->runtime | s->deadline | s->period) != 0)
        return error_set(err, ERROR_INVALID, 0, "process.scheduler.%s is for SCHED_DEADLINE alone, not for %s",
                         s->runtime != 0    ? "runtime"
                         : s->deadline != 0 ? "deadline"
                                            : "period",
                         s->policy);
    return 0;
}

int settings_scheduler(const struct oci_scheduler *s, struct sched_attr *ret, struct error *err)
{
    static const struct word policies[] = {
        {"SCHED_OTHER", SCHED_NORMAL}, {"SCHED_FIFO", SCHED_FIFO}, {"SCHED_RR", SCHED_RR},
        {"SCHED_BATCH", SCHED_BATCH},  {"SCHED_IDLE", SCHED_IDLE}, {"SCHED_DEADLINE", SCHED_DEADLINE},
    };
    static const struct word flags[] = {
        {"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},
        {"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
        {"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},
        {"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
        {"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS},
        {"SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN},
        {"SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX},
    };
    const struct word *policy = find(policies, ARRAY_SIZE(policies), s->policy);
    if (policy == NULL && strcmp(s->policy, "SCHED_ISO") == 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP, "process.scheduler.policy: Linux has no SCHED_ISO");
    if (policy == NULL)
        return error_set(err, ERROR_INVALID, 0, "process.scheduler.policy: unknown policy \"%s\"", s->policy);
    int64_t bits;
    int r = find_all(flags, ARRAY_SIZE(flags), &s->flags, "process.scheduler.flags", &bits, err);
    r = r < 0 ? r : check_scheduler(s, (uint32_t)policy->value, err);
    if (r < 0)
        return r;
    *ret = (struct sched_attr){
        .size = sizeof(*ret),
        .sched_policy = (uint32_t)policy->value,
        .sched_flags = (uint64_t)bits,
        .sched_nice = (int32_t)s->nice,
        .sched_priority = (uint32_t)s->priority,
        .sched_runtime = s->runtime,
        .sched_deadline = s->deadline,
        .sched_period = s->period,
    };
    return 0;
}

/* ---- the others ---- */

int settings_io_priority(const struct oci_io_priority *priority, int *ret, struct error *err)
{
    static const struct word classes[] = {{"IOPRIO_CLASS_RT", IOPRIO_CLASS_RT},
                                          {"IOPRIO_CLASS_BE", IOPRIO_CLASS_BE},
                                          {"IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE}};
    const struct word *class = find(classes, ARRAY_SIZE(classes), priority->class);
    if (class == NULL)
        return error_set(err, ERROR_INVALID, 0, "process.ioPriority.class: unknown class \"%s\"", priority->class);
    if (priority->priority < 0 || priority->priority > 7)
        return error_set(err, ERROR_INVALID, 0, "process.ioPriority.priority: %lld is not from 0 to 7",
                         (long long)priority->priority);
    *ret = IOPRIO_PRIO_VALUE((int)class->value, (int)priority->priority);
    return 0;
}

int settings_personality(const struct oci_personality *personality, unsigned long *ret, struct error *err)
{
    static const struct word domains[] = {{"LINUX", PER_LINUX}, {"LINUX32", PER_LINUX32}};
    const struct word *domain = find(domains, ARRAY_SIZE(domains), personality->domain);
    if (domain == NULL)
        return error_set(err, ERROR_INVALID, 0, "linux.personality.domain: unknown domain \"%s\"", personality->domain);
    if (personality->flags.count > 0)
        return error_set(err, ERROR_INVALID, 0, "linux.personality.flags[0]: unknown flag \"%s\"",
                         personality->flags.items[0]);
    *ret = (unsigned long)domain->value;
    return 0;
}

int settings_memory_policy(const struct oci_memory_policy *policy, struct settings_memory_policy *ret,
                           struct error *err)
{
    static const struct word modes[] = {
        {"MPOL_DEFAULT", MPOL_DEFAULT},       {"MPOL_BIND", MPOL_BIND},
        {"MPOL_INTERLEAVE", MPOL_INTERLEAVE}, {"MPOL_WEIGHTED_INTERLEAVE", WEIGHTED_INTERLEAVE},
        {"MPOL_PREFERRED", MPOL_PREFERRED},   {"MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY},
        {"MPOL_LOCAL", MPOL_LOCAL},
    };
    static const struct word flags[] = {
        {"MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING},
        {"MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES},
        {"MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES},
    };
    const struct word *mode = find(modes, ARRAY_SIZE(modes), policy->mode);
    if (mode == NULL)
        return error_set(err, ERROR_INVALID, 0, "linux.memoryPolicy.mode: unknown mode \"%s\"", policy->mode);
    int64_t bits;
    int r = find_all(flags, ARRAY_SIZE(flags), &policy->flags, "linux.memoryPolicy.flags", &bits, err);
    r = r < 0 ? r
              : settings_list("linux.memoryPolicy.nodes", policy->nodes != NULL ? policy->nodes : "", &ret->nodes, err);
    if (r < 0)
        return r;
    bool none = mode->value == MPOL_DEFAULT || mode->value == MPOL_LOCAL;
    bool some = !none && mode->value != MPOL_PREFERRED;
    if (none ? ret->nodes.count > 0 : some && ret->nodes.count == 0)
        return error_set(err, ERROR_INVALID, 0, "linux.memoryPolicy.nodes: %s needs %s", policy->mode,
                         none ? "no nodes" : "at least one node");
    ret->mode = (int)(mode->value | bits);
    return 0;
}
