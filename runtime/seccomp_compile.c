/* The OCI form of a profile to classic BPF through libseccomp, behind a short prologue of our own, see there. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "runtime/seccomp.h"

#define RULES_MAX 10000
#define X32_BIT 0x40000000U
#define COMMON_FIRST 424 /* from here on system calls have the same number on every architecture */

static void release_ptr(scmp_filter_ctx *context)
{
    if (*context != NULL)
        seccomp_release(*context);
}

/* ---- names ---- */

static int parse_action(const char *name, const int64_t *errno_ret, uint32_t *ret, struct error *err)
{
    unsigned number = errno_ret != NULL ? (unsigned)*errno_ret & 0xffff : EPERM;
    const struct {
        const char *name;
        uint32_t action;
    } actions[] = {
        {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
        {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
        {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
        {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
        {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(number)},
        {"SCMP_ACT_TRACE", SCMP_ACT_TRACE(number)},
        {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
        {"SCMP_ACT_LOG", SCMP_ACT_LOG},
    };
    if (errno_ret != NULL && (*errno_ret < 0 || *errno_ret > 0xffff))
        return error_set(err, ERROR_INVALID, 0, "seccomp: errnoRet is not from 0 to 65535");
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        if (strcmp(name, actions[i].name) == 0) {
            *ret = actions[i].action;
            return 0;
        }
    if (strcmp(name, "SCMP_ACT_NOTIFY") == 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP, "seccomp: SCMP_ACT_NOTIFY is not supported");
    return error_set(err, ERROR_INVALID, 0, "seccomp: invalid action \"%s\"", name);
}

static int parse_op(const char *name, enum scmp_compare *ret, struct error *err)
{
    static const struct {
        const char *name;
        enum scmp_compare op;
    } ops[] = {
        {"SCMP_CMP_NE", SCMP_CMP_NE},
        {"SCMP_CMP_LT", SCMP_CMP_LT},
        {"SCMP_CMP_LE", SCMP_CMP_LE},
        {"SCMP_CMP_EQ", SCMP_CMP_EQ},
        {"SCMP_CMP_GE", SCMP_CMP_GE},
        {"SCMP_CMP_GT", SCMP_CMP_GT},
        {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
    };
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
        if (strcmp(name, ops[i].name) == 0) {
            *ret = ops[i].op;
            return 0;
        }
    return error_set(err, ERROR_INVALID, 0, "seccomp: invalid operator \"%s\"", name);
}

static int add_architectures(scmp_filter_ctx context, const struct strv *names, struct error *err)
{
    static const char prefix[] = "SCMP_ARCH_";
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        char lower[32] = "";
        if (strncmp(name, prefix, sizeof(prefix) - 1) == 0)
            for (size_t k = 0; k < sizeof(lower) - 1 && name[sizeof(prefix) - 1 + k] != '\0'; k++)
                lower[k] = (char)tolower((unsigned char)name[sizeof(prefix) - 1 + k]);
        uint32_t arch = seccomp_arch_resolve_name(lower);
        if (arch == 0)
            return error_set(err, ERROR_INVALID, 0, "seccomp: unknown architecture \"%s\"", name);
        int r = seccomp_arch_add(context, arch);
        if (r < 0 && r != -EEXIST)
            return error_errno(err, r, "seccomp: architecture %s", name);
    }
    return 0;
}

static int parse_flags(const struct strv *names, unsigned *ret, struct error *err)
{
    static const struct {
        const char *name;
        unsigned flag;
    } flags[] = {
        {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
        {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
        {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
    };
    *ret = 0;
    for (size_t i = 0; i < names->count; i++) {
        unsigned flag = 0;
        for (size_t k = 0; k < ARRAY_SIZE(flags); k++)
            if (strcmp(names->items[i], flags[k].name) == 0)
                flag = flags[k].flag;
        if (flag == 0)
            return error_set(err, ERROR_INVALID, 0, "seccomp: flag \"%s\" is not supported", names->items[i]);
        *ret |= flag;
    }
    return 0;
}

/* ---- rules ---- */

static int add_one(scmp_filter_ctx context, uint32_t action, const char *name, const struct scmp_arg_cmp *args,
                   unsigned count, struct error *err)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR)
        return 0; /* newer than the library (see the prologue), or of no architecture that it knows */
    int r = seccomp_rule_add_array(context, action, number, count, args);
    /* EACCES: the same as the default action; EEXIST: said before; EDOM: not of this architecture */
    return r < 0 && r != -EACCES && r != -EEXIST && r != -EDOM ? error_errno(err, r, "seccomp: rule for %s", name) : 0;
}

/* libseccomp takes one comparison per argument in a rule. Runtimes turn several on one argument into a rule each, that
 * is, "or"; profiles are written with that in mind. */
static int add_rule_arguments(scmp_filter_ctx context, uint32_t action, const char *name,
                              const struct scmp_arg_cmp *args, unsigned count, struct error *err)
{
    bool repeated = false;
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < i; k++)
            repeated = repeated || args[i].arg == args[k].arg;
    if (!repeated)
        return add_one(context, action, name, args, count, err);
    int r = 0;
    for (unsigned i = 0; r == 0 && i < count; i++)
        r = add_one(context, action, name, &args[i], 1, err);
    return r;
}

static int add_rule(scmp_filter_ctx context, const struct oci_seccomp_rule *rule, struct error *err)
{
    struct scmp_arg_cmp args[16];
    const struct oci_seccomp_arg *items = rule->args.items;
    uint32_t action;
    int r = parse_action(rule->action, rule->errno_ret, &action, err);
    if (r == 0 && rule->args.count > ARRAY_SIZE(args))
        r = error_set(err, ERROR_INVALID, 0, "seccomp: more than %zu arguments in a rule", ARRAY_SIZE(args));
    for (size_t i = 0; r == 0 && i < rule->args.count; i++) {
        enum scmp_compare op = SCMP_CMP_EQ;
        r = parse_op(items[i].op, &op, err);
        if (r == 0 && items[i].index > 5)
            r = error_set(err, ERROR_INVALID, 0, "seccomp: argument index %u", items[i].index);
        if (r == 0)
            args[i] = (struct scmp_arg_cmp){
                .arg = items[i].index, .op = op, .datum_a = items[i].value, .datum_b = items[i].value_two};
    }
    for (size_t i = 0; r == 0 && i < rule->names.count; i++)
        r = add_rule_arguments(context, action, rule->names.items[i], args, (unsigned)rule->args.count, err);
    return r;
}

/* ---- prologue ---- */

/* Younger than the libseccomp of some distribution. */
static const struct {
    const char *name;
    unsigned number;
} young[] = {
    {"cachestat", 451},         {"fchmodat2", 452},         {"map_shadow_stack", 453}, {"futex_wake", 454},
    {"futex_wait", 455},        {"futex_requeue", 456},     {"statmount", 457},        {"listmount", 458},
    {"lsm_get_self_attr", 459}, {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},        {"listxattrat", 465},      {"removexattrat", 466},
    {"open_tree_attr", 467},    {"file_getattr", 468},      {"file_setattr", 469},
};

static bool is_allowed(const struct oci_seccomp *seccomp, const char *name)
{
    const struct oci_seccomp_rule *rules = seccomp->syscalls.items;
    for (size_t i = 0; i < seccomp->syscalls.count; i++)
        if (rules[i].args.count == 0 && strcmp(rules[i].action, "SCMP_ACT_ALLOW") == 0 &&
            strv_contains(&rules[i].names, name))
            return true;
    return false;
}

/*
 * A libc that tries a new system call and is told EPERM gives up; told ENOSYS it falls back to what it did before. So
 * what libseccomp does not know yet is answered ENOSYS, unless the profile allows it by name and we know its number.
 */
static size_t make_prologue(const struct oci_seccomp *seccomp, struct sock_filter out[ARRAY_SIZE(young) + 5])
{
    unsigned first = COMMON_FIRST;
    for (char *name; (name = seccomp_syscall_resolve_num_arch(seccomp_arch_native(), (int)first)) != NULL; first++)
        free(name);
    struct sock_filter allowed[ARRAY_SIZE(young)];
    size_t count = 0, n = 0;
    for (size_t i = 0; i < ARRAY_SIZE(young); i++)
        if (young[i].number >= first && is_allowed(seccomp, young[i].name))
            allowed[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, young[i].number, 0, 0);
    out[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    /* Below `first`, or of x32, whose numbers carry a bit: on to the profile, behind the comparisons and two returns.
     */
    out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, (unsigned char)(count + 3), 0);
    out[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, (unsigned char)(count + 2));
    for (size_t i = 0; i < count; i++) {
        allowed[i].jt = (unsigned char)(count - i);
        out[n++] = allowed[i];
    }
    out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    out[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    return n;
}

/* ---- all of it ---- */

static int export_program(scmp_filter_ctx context, char **ret, size_t *ret_size, struct error *err)
{
    CLEANUP_CLOSE int fd = memfd_create("seccomp", MFD_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "memfd_create");
    int r = seccomp_export_bpf(context, fd);
    if (r < 0)
        return error_errno(err, r, "seccomp: cannot compile the profile");
    if (lseek(fd, 0, SEEK_SET) < 0)
        return error_errno(err, errno, "seccomp: cannot read the program");
    r = fd_read_all(fd, BPF_MAXINSNS * sizeof(struct sock_filter), ret, ret_size);
    return r < 0 ? error_errno(err, r, "seccomp: cannot read the program") : 0;
}

static int build(const struct oci_seccomp *seccomp, scmp_filter_ctx *ret, struct error *err)
{
    uint32_t action;
    int r = parse_action(seccomp->default_action, seccomp->default_errno_ret, &action, err);
    if (r < 0)
        return r;
    CLEANUP(release_ptr) scmp_filter_ctx context = seccomp_init(action);
    if (context == NULL)
        return error_set(err, ERROR_SYSTEM, ENOMEM, "seccomp: cannot start a filter");
    seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE,
                     2); /* a tree instead of a list; older libraries know only lists */
    r = add_architectures(context, &seccomp->architectures, err);
    const struct oci_seccomp_rule *rules = seccomp->syscalls.items;
    if (r == 0 && seccomp->syscalls.count > RULES_MAX)
        r = error_set(err, ERROR_INVALID, 0, "seccomp: more than %d rules", RULES_MAX);
    for (size_t i = 0; r == 0 && i < seccomp->syscalls.count; i++)
        r = add_rule(context, &rules[i], err);
    if (r == 0)
        *ret = TAKE_PTR(context);
    return r;
}

int runtime_seccomp_compile(const struct oci_seccomp *seccomp, void **ret_bpf, size_t *ret_size, unsigned *ret_flags,
                            struct error *err)
{
    CLEANUP(release_ptr) scmp_filter_ctx context = NULL;
    unsigned flags;
    int r = parse_flags(&seccomp->flags, &flags, err);
    r = r < 0 ? r : build(seccomp, &context, err);
    CLEANUP_FREE char *program = NULL;
    size_t size = 0;
    r = r < 0 ? r : export_program(context, &program, &size, err);
    if (r < 0)
        return r;
    struct sock_filter prologue[ARRAY_SIZE(young) + 5];
    bool refuses = strcmp(seccomp->default_action, "SCMP_ACT_ERRNO") == 0;
    size_t head = refuses ? make_prologue(seccomp, prologue) * sizeof(prologue[0]) : 0;
    if (head + size > BPF_MAXINSNS * sizeof(struct sock_filter))
        return error_set(err, ERROR_INVALID, E2BIG, "seccomp: the profile compiles to more than %d instructions",
                         BPF_MAXINSNS);
    char *all = xmalloc(head + size);
    memcpy(all, prologue, head);
    memcpy(all + head, program, size);
    *ret_bpf = all;
    *ret_size = head + size;
    *ret_flags = flags;
    return 0;
}
