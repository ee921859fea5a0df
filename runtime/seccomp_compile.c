/* The OCI form of a profile to classic BPF: names to numbers, then seccomp_program.c. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>

#include "base/memory.h"
#include "runtime/seccomp.h"
#include "runtime/seccomp_names.h"
#include "runtime/seccomp_program.h"

#define RULES_MAX 10000
#define NAMES_MAX 100000 /* of all rules together */
#define CONDITIONS_MAX 16
#define ABIS_MAX 16
#define X32_BIT 0x40000000U

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

struct compiler {
    const struct oci_seccomp *profile;
    uint32_t otherwise;
    struct seccomp_abi abis[ABIS_MAX];
    size_t abi_count;
    struct seccomp_architecture architectures[ABIS_MAX];
    size_t architecture_count;
    /* The highest number that the profile mentions, per ABI; 0: none. */
    uint32_t last[ABIS_MAX];
    /* Where the conditions of the rules lie: they stay where they are until the program is built. */
    struct seccomp_condition **conditions;
    size_t condition_count, condition_capacity;
    size_t order, names;
    bool notifies;
};

/* ---- names ---- */

const char *const runtime_seccomp_actions[RUNTIME_SECCOMP_ACTIONS + 1] = {
    "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO",  "SCMP_ACT_KILL",  "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",   "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",         NULL,
};

static int parse_action(const char *name, const int64_t *errno_ret, uint32_t *ret, struct error *err)
{
    unsigned number = errno_ret != NULL ? (unsigned)*errno_ret & 0xffff : EPERM;
    const struct {
        const char *name;
        uint32_t action;
    } actions[] = {
        {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
        {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
        {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
        {"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
        {"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO | number},
        {"SCMP_ACT_TRACE", SECCOMP_RET_TRACE | number},
        {"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
        {"SCMP_ACT_LOG", SECCOMP_RET_LOG},
        {"SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF},
    };
    if (errno_ret != NULL && (*errno_ret < 0 || *errno_ret > 0xffff))
        return error_set(err, ERROR_INVALID, 0, "errnoRet is not from 0 to 65535");
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        if (strcmp(name, actions[i].name) == 0) {
            *ret = actions[i].action;
            return 0;
        }
    return error_set(err, ERROR_INVALID, 0, "invalid action \"%s\"", name);
}

static int parse_op(const char *name, enum seccomp_op *ret, struct error *err)
{
    static const char *const ops[] = {
        [SECCOMP_OP_EQ] = "SCMP_CMP_EQ",
        [SECCOMP_OP_NE] = "SCMP_CMP_NE",
        [SECCOMP_OP_LT] = "SCMP_CMP_LT",
        [SECCOMP_OP_LE] = "SCMP_CMP_LE",
        [SECCOMP_OP_GE] = "SCMP_CMP_GE",
        [SECCOMP_OP_GT] = "SCMP_CMP_GT",
        [SECCOMP_OP_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
    };
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
        if (strcmp(name, ops[i]) == 0) {
            *ret = (enum seccomp_op)i;
            return 0;
        }
    return error_set(err, ERROR_INVALID, 0, "invalid operator \"%s\"", name);
}

const struct runtime_seccomp_flag runtime_seccomp_flags[RUNTIME_SECCOMP_FLAGS + 1] = {
    {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
    {0},
};

static int parse_flags(const struct strv *names, unsigned *ret, struct error *err)
{
    *ret = 0;
    for (size_t i = 0; i < names->count; i++) {
        unsigned flag = 0;
        for (size_t k = 0; k < RUNTIME_SECCOMP_FLAGS; k++)
            if (strcmp(names->items[i], runtime_seccomp_flags[k].name) == 0)
                flag = runtime_seccomp_flags[k].flag;
        if (flag == 0)
            return error_set(err, ERROR_INVALID, 0, "seccomp.flags[%zu]: seccomp flag \"%s\" is not known", i,
                             names->items[i]);
        *ret |= flag;
    }
    /* A container's process has one thread when the filter is loaded, and with a listener the flag is an error. */
    *ret &= ~(unsigned)SECCOMP_FILTER_FLAG_TSYNC;
    return 0;
}

/* ---- architectures ---- */

static struct seccomp_architecture *architecture_of(struct compiler *c, const struct seccomp_abi *abi)
{
    for (size_t i = 0; i < c->architecture_count; i++)
        if (c->architectures[i].audit_arch == abi->audit_arch)
            return &c->architectures[i];
    struct seccomp_architecture *a = &c->architectures[c->architecture_count++];
    *a = (struct seccomp_architecture){.audit_arch = abi->audit_arch};
    return a;
}

static int add_abi(struct compiler *c, const char *name, size_t index, struct error *err)
{
    struct seccomp_abi abi;
    if (!seccomp_abi_find(name, &abi))
        return error_set(err, ERROR_INVALID, 0, "seccomp.architectures[%zu]: unknown architecture \"%s\"", index,
                         name != NULL ? name : "native");
    for (size_t i = 0; i < c->abi_count; i++)
        if (c->abis[i].token == abi.token)
            return 0;
    if (c->abi_count == ABIS_MAX)
        return error_set(err, ERROR_INVALID, 0, "seccomp.architectures: more than %d", ABIS_MAX);
    c->abis[c->abi_count++] = abi;
    architecture_of(c, &abi);
    return 0;
}

/* The machine's own architecture is always among them. */
static int add_abis(struct compiler *c, struct error *err)
{
    int r = add_abi(c, NULL, 0, err);
    for (size_t i = 0; r == 0 && i < c->profile->architectures.count; i++)
        r = add_abi(c, c->profile->architectures.items[i], i, err);
    return r;
}

/* ---- rules ---- */

static void keep_conditions(struct compiler *c, struct seccomp_condition *conditions)
{
    xgrow((void **)&c->conditions, c->condition_count, &c->condition_capacity, sizeof(c->conditions[0]));
    c->conditions[c->condition_count++] = conditions;
}

/* Argument 0 of socketcall and ipc tells which call is meant; its own arguments lie in memory, out of a filter's sight.
 * Conditions on the others are kept, as libseccomp keeps them. */
static struct seccomp_condition *muxed_conditions(struct compiler *c, uint32_t selector,
                                                  const struct seccomp_condition *conditions, size_t *count)
{
    struct seccomp_condition *out = xcalloc(*count + 1, sizeof(*out));
    size_t n = 0;
    out[n++] = (struct seccomp_condition){.op = SECCOMP_OP_EQ, .value = selector};
    for (size_t i = 0; i < *count; i++)
        if (conditions[i].argument != 0)
            out[n++] = conditions[i];
    *count = n;
    keep_conditions(c, out);
    return out;
}

static void add_for_abi(struct compiler *c, size_t abi, const char *name, uint32_t action,
                        const struct seccomp_condition *conditions, size_t count)
{
    struct seccomp_number numbers[SECCOMP_NUMBERS];
    size_t n = seccomp_numbers_of(&c->abis[abi], name, numbers);
    struct seccomp_architecture *a = architecture_of(c, &c->abis[abi]);
    for (size_t i = 0; i < n; i++) {
        if (numbers[i].number > c->last[abi])
            c->last[abi] = numbers[i].number;
        if (action == c->otherwise) /* says what holds anyway */
            continue;
        size_t condition_count = count;
        const struct seccomp_condition *own =
            numbers[i].muxed ? muxed_conditions(c, numbers[i].selector, conditions, &condition_count) : conditions;
        xgrow((void **)&a->rules, a->rule_count, &a->rule_capacity, sizeof(a->rules[0]));
        a->rules[a->rule_count++] = (struct seccomp_rule){.number = numbers[i].number,
                                                          .action = action,
                                                          .order = c->order,
                                                          .is_64 = c->abis[abi].is_64,
                                                          .conditions = own,
                                                          .condition_count = condition_count};
    }
    c->order++;
}

static bool repeats_an_argument(const struct seccomp_condition *conditions, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (conditions[i].argument == conditions[k].argument)
                return true;
    return false;
}

/* Several comparisons of one argument are a rule each, that is, "or": so do runtimes, and profiles rely on it. */
static void add_name(struct compiler *c, const char *name, uint32_t action, const struct seccomp_condition *conditions,
                     size_t count)
{
    bool each = repeats_an_argument(conditions, count);
    for (size_t abi = 0; abi < c->abi_count; abi++)
        for (size_t i = 0; i < (each ? count : 1); i++)
            add_for_abi(c, abi, name, action, each ? &conditions[i] : conditions, each ? 1 : count);
}

static int parse_conditions(const struct json_array *args, struct seccomp_condition **ret, struct error *err)
{
    const struct oci_seccomp_arg *items = args->items;
    if (args->count > CONDITIONS_MAX)
        return error_set(err, ERROR_INVALID, 0, "more than %d args", CONDITIONS_MAX);
    CLEANUP_FREE struct seccomp_condition *out = xcalloc(args->count + 1, sizeof(*out));
    for (size_t i = 0; i < args->count; i++) {
        int r = parse_op(items[i].op, &out[i].op, err);
        if (r < 0)
            return error_context(err, "args[%zu].op", i);
        if (items[i].index >= SECCOMP_ARGUMENTS)
            return error_set(err, ERROR_INVALID, 0, "args[%zu].index: %u is not from 0 to 5", i, items[i].index);
        bool masked = out[i].op == SECCOMP_OP_MASKED_EQ;
        out[i].argument = items[i].index;
        out[i].value = masked ? items[i].value_two : items[i].value;
        out[i].mask = masked ? items[i].value : UINT64_MAX;
    }
    *ret = TAKE_PTR(out);
    return 0;
}

static int check_notify(const struct oci_seccomp_rule *rule, struct error *err)
{
    /* The runtime is told of the descriptor by write(2); a listener that has not got it yet cannot let that pass. */
    if (strv_contains(&rule->names, "write"))
        return error_set(err, ERROR_INVALID, 0, "SCMP_ACT_NOTIFY cannot be used for the write syscall");
    return 0;
}

static int add_rule(struct compiler *c, const struct oci_seccomp_rule *rule, struct error *err)
{
    struct seccomp_condition *conditions = NULL;
    uint32_t action;
    int r = parse_action(rule->action, rule->errno_ret, &action, err);
    if (r == 0 && action == SECCOMP_RET_USER_NOTIF) {
        c->notifies = true;
        r = check_notify(rule, err);
    }
    if (r == 0 && (c->names += rule->names.count) > NAMES_MAX)
        r = error_set(err, ERROR_INVALID, E2BIG, "more than %d names", NAMES_MAX);
    r = r < 0 ? r : parse_conditions(&rule->args, &conditions, err);
    if (r < 0)
        return r;
    keep_conditions(c, conditions);
    for (size_t i = 0; i < rule->names.count; i++)
        add_name(c, rule->names.items[i], action, conditions, rule->args.count);
    return 0;
}

static int add_rules(struct compiler *c, struct error *err)
{
    const struct oci_seccomp_rule *rules = c->profile->syscalls.items;
    if (c->profile->syscalls.count > RULES_MAX)
        return error_set(err, ERROR_INVALID, 0, "seccomp.syscalls: more than %d rules", RULES_MAX);
    for (size_t i = 0; i < c->profile->syscalls.count; i++)
        if (add_rule(c, &rules[i], err) < 0)
            return error_context(err, "seccomp.syscalls[%zu]", i);
    return 0;
}

/* ---- what no rule names ---- */

static void add_span(struct seccomp_architecture *a, uint32_t start, uint32_t action)
{
    a->spans[a->span_count++] = (struct seccomp_span){.start = start, .action = action};
}

/*
 * A libc that tries a new system call and is told EPERM gives up; told ENOSYS it falls back to what it did before. So
 * what is newer than everything that a profile mentions is missing, as with runc, unless the profile is one that lets
 * pass what it does not name.
 */
static bool newer_ones_are_missing(const struct compiler *c)
{
    uint32_t action = c->otherwise & SECCOMP_RET_ACTION_FULL;
    return action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG && action != SECCOMP_RET_TRACE &&
           c->otherwise != (SECCOMP_RET_ERRNO | ENOSYS);
}

static void add_abi_spans(const struct compiler *c, size_t abi, struct seccomp_architecture *a)
{
    add_span(a, c->abis[abi].token == c->abis[abi].audit_arch ? 0 : X32_BIT, c->otherwise);
    if (newer_ones_are_missing(c) && c->last[abi] > 0 && c->last[abi] != UINT32_MAX)
        add_span(a, c->last[abi] + 1, SECCOMP_RET_ERRNO | ENOSYS);
}

static void add_spans(struct compiler *c)
{
    for (size_t i = 0; i < c->architecture_count; i++) {
        struct seccomp_architecture *a = &c->architectures[i];
        bool x32 = false;
        /* Numbers of x32 are those of x86_64 with a bit; they come second. */
        for (int pass = 0; pass < 2; pass++)
            for (size_t k = 0; k < c->abi_count; k++) {
                bool is_x32 = c->abis[k].token != c->abis[k].audit_arch;
                if (c->abis[k].audit_arch != a->audit_arch || is_x32 != (pass == 1))
                    continue;
                if (pass == 1 && a->span_count == 0)
                    add_span(a, 0, SECCOMP_RET_KILL_THREAD); /* x32 alone */
                add_abi_spans(c, k, a);
                x32 = x32 || is_x32;
            }
        if (a->audit_arch == AUDIT_ARCH_X86_64 && !x32)
            add_span(a, X32_BIT, SECCOMP_RET_KILL_THREAD);
        if (a->audit_arch == AUDIT_ARCH_X86_64 && !x32) /* -1: a tracer has taken the call away */
            add_span(a, UINT32_MAX, c->otherwise);
    }
}

/* ---- all of it ---- */

static void release_compiler(struct compiler *c)
{
    for (size_t i = 0; i < c->architecture_count; i++)
        free(c->architectures[i].rules);
    for (size_t i = 0; i < c->condition_count; i++)
        free(c->conditions[i]);
    free(c->conditions);
}

static int compile(struct compiler *c, void **ret_bpf, size_t *ret_size, struct error *err)
{
    int r = parse_action(c->profile->default_action, c->profile->default_errno_ret, &c->otherwise, err);
    if (r == 0 && c->otherwise == SECCOMP_RET_USER_NOTIF)
        r = error_set(err, ERROR_INVALID, 0, "SCMP_ACT_NOTIFY cannot be used as default action");
    if (r < 0)
        return error_context(err, "seccomp.defaultAction");
    r = add_abis(c, err);
    r = r < 0 ? r : add_rules(c, err);
    if (r < 0)
        return r;
    add_spans(c);
    return seccomp_program_build(c->architectures, c->architecture_count, SECCOMP_RET_KILL_THREAD, ret_bpf, ret_size,
                                 err);
}

int runtime_seccomp_compile(const struct oci_seccomp *seccomp, void **ret_bpf, size_t *ret_size, unsigned *ret_flags,
                            struct error *err)
{
    struct compiler c = {.profile = seccomp};
    unsigned flags;
    int r = parse_flags(&seccomp->flags, &flags, err);
    r = r < 0 ? r : compile(&c, ret_bpf, ret_size, err);
    release_compiler(&c);
    if (r < 0)
        return r;
    *ret_flags = flags | (c.notifies ? (unsigned)SECCOMP_FILTER_FLAG_NEW_LISTENER : 0);
    return 0;
}
