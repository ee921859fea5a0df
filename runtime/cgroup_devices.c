/* The device controller: text lines on v1, a small eBPF program on v2 (there is no control file there). */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "runtime/cgroup.h"

#define RULES_MAX 4096 /* a program of the kernel has at most a million instructions; ours 10 per rule */
#define ANY (-1)

_Static_assert(CGROUP_DEVICE_MKNOD == (int)BPF_DEVCG_ACC_MKNOD && CGROUP_DEVICE_READ == (int)BPF_DEVCG_ACC_READ &&
                   CGROUP_DEVICE_WRITE == (int)BPF_DEVCG_ACC_WRITE,
               "the kernel's bits");

/* Every container may use the nodes that the runtime itself makes in it, and may make (not use) any other. */
static const struct cgroup_device runtime_rules[] = {
    {true, 'c', ANY, ANY, BPF_DEVCG_ACC_MKNOD},
    {true, 'b', ANY, ANY, BPF_DEVCG_ACC_MKNOD},
    {true, 'c', 1, 3, 7},     /* null */
    {true, 'c', 1, 5, 7},     /* zero */
    {true, 'c', 1, 7, 7},     /* full */
    {true, 'c', 1, 8, 7},     /* random */
    {true, 'c', 1, 9, 7},     /* urandom */
    {true, 'c', 5, 0, 7},     /* tty */
    {true, 'c', 5, 2, 7},     /* ptmx */
    {true, 'c', 136, ANY, 7}, /* pts */
};

static int parse_rule(const struct oci_device_rule *in, struct cgroup_device *out, struct error *err)
{
    const char *type = in->type != NULL && in->type[0] != '\0' ? in->type : "a";
    if (strlen(type) != 1 || strchr("abc", type[0]) == NULL)
        return error_set(err, ERROR_INVALID, 0, "invalid device type \"%s\" in linux.resources.devices", type);
    *out = (struct cgroup_device){.allow = in->allow, .type = type[0], .major = ANY, .minor = ANY};
    if (in->major != NULL && *in->major >= 0)
        out->major = *in->major;
    if (in->minor != NULL && *in->minor >= 0)
        out->minor = *in->minor;
    if (out->major > INT32_MAX || out->minor > INT32_MAX)
        return error_set(err, ERROR_INVALID, ERANGE, "device number out of range in linux.resources.devices");
    const char *access = in->access != NULL && in->access[0] != '\0' ? in->access : "rwm";
    for (; *access != '\0'; access++) {
        unsigned bit = *access == 'r'   ? BPF_DEVCG_ACC_READ
                       : *access == 'w' ? BPF_DEVCG_ACC_WRITE
                       : *access == 'm' ? BPF_DEVCG_ACC_MKNOD
                                        : 0;
        if (bit == 0)
            return error_set(err, ERROR_INVALID, 0, "invalid device access \"%s\": only r, w and m", in->access);
        out->access |= bit;
    }
    return 0;
}

/* The whole list in our form; the runtime's own rules are left out when the spec's end by allowing everything. */
static int collect_rules(const struct json_array *in, struct cgroup_device **ret, size_t *ret_count, struct error *err)
{
    if (in->count > RULES_MAX)
        return error_set(err, ERROR_INVALID, 0, "more than %d device rules", RULES_MAX);
    CLEANUP_FREE struct cgroup_device *rules = xcalloc(in->count + ARRAY_SIZE(runtime_rules), sizeof(*rules));
    const struct oci_device_rule *items = in->items;
    size_t count = 0;
    for (size_t i = 0; i < in->count; i++) {
        int r = parse_rule(&items[i], &rules[count], err);
        if (r < 0)
            return r;
        bool everything = rules[count].type == 'a' && rules[count].access == 7;
        if (everything && (rules[count].major != ANY || rules[count].minor != ANY))
            return error_set(err, ERROR_INVALID, 0, "a device rule of type \"a\" cannot name a number");
        if (everything) { /* what stood before it no longer matters */
            rules[0] = rules[count];
            count = 0;
        }
        count++;
    }
    bool open = count == 1 && rules[0].allow && rules[0].type == 'a' && rules[0].access == 7;
    for (size_t i = 0; !open && i < ARRAY_SIZE(runtime_rules); i++)
        rules[count++] = runtime_rules[i];
    *ret = TAKE_PTR(rules);
    *ret_count = count;
    return 0;
}

int cgroup_devices_allowed(const struct json_array *rules, struct cgroup_device **ret, size_t *ret_count,
                           bool *ret_closed, struct error *err)
{
    CLEANUP_FREE struct cgroup_device *list = NULL;
    size_t count = 0, kept = 0;
    int r = collect_rules(rules, &list, &count, err);
    if (r < 0)
        return r;
    *ret_closed = !list[0].allow && list[0].type == 'a' && list[0].access == 7;
    for (size_t i = 0; i < count; i++)
        if (list[i].allow)
            list[kept++] = list[i];
    *ret = TAKE_PTR(list);
    *ret_count = kept;
    return 0;
}

/* ---- v1 ---- */

static bool overlap(const struct cgroup_device *a, const struct cgroup_device *b)
{
    return (a->type == 'a' || b->type == 'a' || a->type == b->type) &&
           (a->major == ANY || b->major == ANY || a->major == b->major) &&
           (a->minor == ANY || b->minor == ANY || a->minor == b->minor) && (a->access & b->access) != 0;
}

static bool same_devices(const struct cgroup_device *a, const struct cgroup_device *b)
{
    return a->type == b->type && a->major == b->major && a->minor == b->minor;
}

/* v1 keeps a default and exceptions to it. An exception goes away only by the very numbers that it was made with:
 * denying one of many devices that were allowed by a wildcard does nothing there. */
static bool fits_v1(const struct cgroup_device *rules, size_t count)
{
    bool otherwise = true; /* what a new cgroup inherits */
    size_t first = 0;
    for (size_t i = 0; i < count; i++) {
        if (rules[i].type == 'a' && rules[i].access == 7) {
            otherwise = rules[i].allow;
            first = i + 1;
            continue;
        }
        for (size_t k = first; rules[i].allow == otherwise && k < i; k++)
            if (rules[k].allow != otherwise && overlap(&rules[i], &rules[k]) && !same_devices(&rules[i], &rules[k]))
                return false;
    }
    return true;
}

int cgroup_devices_fit_v1(const struct json_array *rules, bool *ret, struct error *err)
{
    CLEANUP_FREE struct cgroup_device *list = NULL;
    size_t count = 0;
    int r = collect_rules(rules, &list, &count, err);
    if (r == 0)
        *ret = fits_v1(list, count);
    return r;
}

static void format_number(char buf[16], int64_t n)
{
    if (n == ANY)
        snprintf(buf, 16, "*");
    else
        snprintf(buf, 16, "%d", (int)n);
}

static int write_rule_v1(int allow_fd, int deny_fd, const struct cgroup_device *rule, struct error *err)
{
    if (rule->type == 'a' && rule->access != 7) { /* to v1 "a" means everything, whatever follows it */
        struct cgroup_device one = *rule;
        one.type = 'b';
        int r = write_rule_v1(allow_fd, deny_fd, &one, err);
        one.type = 'c';
        return r < 0 ? r : write_rule_v1(allow_fd, deny_fd, &one, err);
    }
    char text[64] = "a", major[16], minor[16];
    if (rule->type != 'a') {
        format_number(major, rule->major);
        format_number(minor, rule->minor);
        snprintf(text, sizeof(text), "%c %s:%s %s%s%s", rule->type, major, minor,
                 rule->access & BPF_DEVCG_ACC_READ ? "r" : "", rule->access & BPF_DEVCG_ACC_WRITE ? "w" : "",
                 rule->access & BPF_DEVCG_ACC_MKNOD ? "m" : "");
    }
    if (write(rule->allow ? allow_fd : deny_fd, text, strlen(text)) < 0)
        return error_errno(err, errno, "failed to write \"%s\" to cgroup file devices.%s", text,
                           rule->allow ? "allow" : "deny");
    return 0;
}

/* The runtime's own rules are mostly the spec's as well, and each of them is a write. */
static bool said_before(const struct cgroup_device *rules, size_t i)
{
    for (size_t k = i; k-- > 0;) {
        if (rules[k].allow != rules[i].allow)
            return false;
        if (same_devices(&rules[k], &rules[i]) && (rules[i].access & ~rules[k].access) == 0)
            return true;
    }
    return false;
}

int cgroup_devices_write_v1(int dir_fd, const struct json_array *rules, struct error *err)
{
    if (rules->count == 0)
        return 0;
    CLEANUP_FREE struct cgroup_device *list = NULL;
    size_t count = 0;
    int r = collect_rules(rules, &list, &count, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int allow_fd = openat(dir_fd, "devices.allow", O_WRONLY | O_CLOEXEC);
    CLEANUP_CLOSE int deny_fd = openat(dir_fd, "devices.deny", O_WRONLY | O_CLOEXEC);
    if (allow_fd < 0 || deny_fd < 0)
        return error_errno(err, errno, "cannot open the control files of the devices cgroup");
    for (size_t i = 0; r == 0 && i < count; i++)
        if (!said_before(list, i))
            r = write_rule_v1(allow_fd, deny_fd, &list[i], err);
    return r;
}

/* ---- v2 ---- */

#define INSN(code_, dst_, src_, off_, imm_)                                                                            \
    ((struct bpf_insn){.code = (code_), .dst_reg = (dst_), .src_reg = (src_), .off = (off_), .imm = (imm_)})

struct program {
    struct bpf_insn *items;
    size_t count, capacity;
};

static void emit(struct program *p, struct bpf_insn insn)
{
    xgrow((void **)&p->items, p->count, &p->capacity, sizeof(p->items[0]));
    p->items[p->count++] = insn;
}

enum { R0, R1, R2, R3, R4, R5, R6 }; /* r2: access still wanted, r3: major, r4: minor, r5: type */

/* Jumps to the next rule are patched when its place is known. */
static void emit_rule(struct program *p, const struct cgroup_device *rule)
{
    size_t jumps[4], jump_count = 0;
    if (rule->type != 'a') {
        jumps[jump_count++] = p->count;
        emit(p,
             INSN(BPF_JMP | BPF_JNE | BPF_K, R5, 0, 0, rule->type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK));
    }
    if (rule->major != ANY) {
        jumps[jump_count++] = p->count;
        emit(p, INSN(BPF_JMP | BPF_JNE | BPF_K, R3, 0, 0, (int)rule->major));
    }
    if (rule->minor != ANY) {
        jumps[jump_count++] = p->count;
        emit(p, INSN(BPF_JMP | BPF_JNE | BPF_K, R4, 0, 0, (int)rule->minor));
    }
    if (rule->allow) { /* these bits are granted; go on with the rest of them */
        emit(p, INSN(BPF_ALU64 | BPF_AND | BPF_K, R2, 0, 0, (int)~rule->access));
        jumps[jump_count++] = p->count;
        emit(p, INSN(BPF_JMP | BPF_JNE | BPF_K, R2, 0, 0, 0));
    } else {
        emit(p, INSN(BPF_ALU64 | BPF_MOV | BPF_X, R6, R2, 0, 0));
        emit(p, INSN(BPF_ALU64 | BPF_AND | BPF_K, R6, 0, 0, (int)rule->access));
        jumps[jump_count++] = p->count;
        emit(p, INSN(BPF_JMP | BPF_JEQ | BPF_K, R6, 0, 0, 0));
    }
    emit(p, INSN(BPF_ALU64 | BPF_MOV | BPF_K, R0, 0, 0, rule->allow));
    emit(p, INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
    for (size_t i = 0; i < jump_count; i++)
        p->items[jumps[i]].off = (short)(p->count - jumps[i] - 1);
}

int cgroup_devices_program(const struct json_array *rules, struct bpf_insn **ret, size_t *ret_count, struct error *err)
{
    CLEANUP_FREE struct cgroup_device *list = NULL;
    size_t count = 0;
    int r = collect_rules(rules, &list, &count, err);
    if (r < 0)
        return r;
    struct program p = {0};
    /* struct bpf_cgroup_dev_ctx: access_type (access << 16 | type), major, minor */
    emit(&p, INSN(BPF_LDX | BPF_MEM | BPF_W, R2, R1, 0, 0));
    emit(&p, INSN(BPF_ALU64 | BPF_MOV | BPF_X, R5, R2, 0, 0));
    emit(&p, INSN(BPF_ALU64 | BPF_AND | BPF_K, R5, 0, 0, 0xffff));
    emit(&p, INSN(BPF_ALU64 | BPF_RSH | BPF_K, R2, 0, 0, 16));
    emit(&p, INSN(BPF_LDX | BPF_MEM | BPF_W, R3, R1, 4, 0));
    emit(&p, INSN(BPF_LDX | BPF_MEM | BPF_W, R4, R1, 8, 0));
    for (size_t i = count; i-- > 0;)
        emit_rule(&p, &list[i]);
    emit(&p, INSN(BPF_ALU64 | BPF_MOV | BPF_K, R0, 0, 0, 0));
    emit(&p, INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
    *ret = p.items;
    *ret_count = p.count;
    return 0;
}

static int bpf_call(enum bpf_cmd command, union bpf_attr *attr)
{
    return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

#define PROGRAM_NAME "dory_devices"
#define PROGRAMS_MAX 64 /* what the kernel attaches to one cgroup */

/* Programs of ours that are attached to the cgroup itself. */
static size_t attached_programs(int dir_fd, int ret_fds[PROGRAMS_MAX])
{
    uint32_t ids[PROGRAMS_MAX];
    union bpf_attr query = {0};
    query.query.target_fd = (uint32_t)dir_fd;
    query.query.attach_type = BPF_CGROUP_DEVICE;
    query.query.prog_ids = (uintptr_t)ids;
    query.query.prog_cnt = PROGRAMS_MAX;
    size_t count = 0;
    if (bpf_call(BPF_PROG_QUERY, &query) < 0)
        return 0;
    for (uint32_t i = 0; i < query.query.prog_cnt; i++) {
        union bpf_attr by_id = {0}, about = {0};
        struct bpf_prog_info info = {0};
        by_id.prog_id = ids[i];
        CLEANUP_CLOSE int fd = bpf_call(BPF_PROG_GET_FD_BY_ID, &by_id);
        about.info.bpf_fd = (uint32_t)fd;
        about.info.info_len = sizeof(info);
        about.info.info = (uintptr_t)&info;
        if (fd >= 0 && bpf_call(BPF_OBJ_GET_INFO_BY_FD, &about) == 0 && strcmp(info.name, PROGRAM_NAME) == 0)
            ret_fds[count++] = TAKE_FD(fd);
    }
    return count;
}

static int load_program(const struct bpf_insn *insns, size_t count)
{
    static const char license[] = "Apache-2.0";
    union bpf_attr load = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE};
    load.insns = (uintptr_t)insns;
    load.insn_cnt = (uint32_t)count;
    load.license = (uintptr_t)license;
    snprintf(load.prog_name, sizeof(load.prog_name), PROGRAM_NAME);
    return bpf_call(BPF_PROG_LOAD, &load);
}

int cgroup_devices_attach_v2(int cgroup_fd, const struct json_array *rules, struct error *err)
{
    if (rules->count == 0)
        return 0;
    CLEANUP_FREE struct bpf_insn *insns = NULL;
    size_t count = 0;
    int r = cgroup_devices_program(rules, &insns, &count, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int program = load_program(insns, count);
    if (program < 0)
        return error_errno(err, errno, "cannot load the device rules of the cgroup");
    /* bpf(2) does not take O_PATH descriptors. */
    CLEANUP_CLOSE int dir = openat(cgroup_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int former[PROGRAMS_MAX];
    size_t former_count = dir < 0 ? 0 : attached_programs(dir, former);
    union bpf_attr attach = {0};
    attach.target_fd = (uint32_t)dir;
    attach.attach_bpf_fd = (uint32_t)program;
    attach.attach_type = BPF_CGROUP_DEVICE;
    attach.attach_flags = BPF_F_ALLOW_MULTI;
    if (dir < 0 || bpf_call(BPF_PROG_ATTACH, &attach) < 0)
        r = error_errno(err, errno, "cannot attach the device rules to the cgroup");
    /* For a moment both hold, never none. */
    for (size_t i = 0; i < former_count; i++) {
        attach.attach_bpf_fd = (uint32_t)former[i];
        attach.attach_flags = 0;
        if (r == 0 && bpf_call(BPF_PROG_DETACH, &attach) < 0)
            r = error_errno(err, errno, "cannot detach the former device rules from the cgroup");
        fd_close(former[i]);
    }
    return r;
}
