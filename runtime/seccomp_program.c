/*
 * Ranges and conditions to instructions. The program is written from its end to its beginning, because jumps only go
 * forward: what is jumped to is there already. Places are counted from the end ("reverse index").
 */
#include "runtime/seccomp_program.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>

#include "base/memory.h"

#define NEAR 255              /* how far a conditional jump reaches */
#define RETURNS_KEPT 16       /* latest returns that jumps may share */
#define TREE_DEPTH_SLACK 4    /* instructions that may come between choosing a place and jumping to it */
#define PROGRAM_MAX (1 << 20) /* while it is written; what the kernel takes is checked at the end */

struct group { /* rules with conditions of one system call, in their order */
    const struct seccomp_rule *rules;
    size_t count;
    uint32_t otherwise;
    size_t entry; /* reverse index */
};

struct program {
    struct sock_filter *items;
    size_t count, capacity;
    struct {
        uint32_t action;
        size_t place;
    } returns[RETURNS_KEPT];
    size_t return_count;
    struct group *groups;
    size_t group_count, group_capacity;
};

/* What happens to a number: an action, or conditions decide. */
struct leaf {
    bool is_group;
    uint32_t action;
    size_t group;
};

struct range {
    uint32_t start;
    struct leaf leaf;
};

struct range_list {
    struct range *items;
    size_t count, capacity;
};

/* ---- instructions ---- */

static size_t emit(struct program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
    if (p->count >= PROGRAM_MAX) /* too long by far already: overwriting keeps memory bounded */
        return p->count - 1;
    xgrow((void **)&p->items, p->count, &p->capacity, sizeof(p->items[0]));
    p->items[p->count] = (struct sock_filter){.code = code, .jt = jt, .jf = jf, .k = k};
    return p->count++;
}

/* An instruction that goes on to `next`, which is not necessarily the one written last. */
static size_t emit_before(struct program *p, uint16_t code, uint32_t k, size_t next)
{
    if (next != p->count - 1)
        emit(p, BPF_JMP | BPF_JA | BPF_K, (uint32_t)(p->count - next - 1), 0, 0);
    return emit(p, code, k, 0, 0);
}

static size_t load_before(struct program *p, size_t offset, size_t next)
{
    return emit_before(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, next);
}

/* A place that a conditional jump reaches from here: `place`, or a long jump to it. */
static size_t within_reach(struct program *p, size_t place)
{
    if (p->count + TREE_DEPTH_SLACK - place <= NEAR)
        return place;
    return emit(p, BPF_JMP | BPF_JA | BPF_K, (uint32_t)(p->count - place - 1), 0, 0);
}

static size_t branch(struct program *p, uint16_t operation, uint32_t k, size_t yes, size_t no)
{
    if (yes == no)
        return yes;
    no = within_reach(p, no);
    yes = within_reach(p, yes);
    return emit(p, BPF_JMP | operation | BPF_K, k, (uint8_t)(p->count - yes - 1), (uint8_t)(p->count - no - 1));
}

static size_t give(struct program *p, uint32_t action)
{
    for (size_t i = 0; i < p->return_count; i++)
        if (p->returns[i].action == action) {
            if (p->count + TREE_DEPTH_SLACK - p->returns[i].place > NEAR)
                p->returns[i].place = emit(p, BPF_RET | BPF_K, action, 0, 0);
            return p->returns[i].place;
        }
    size_t slot = p->return_count < RETURNS_KEPT ? p->return_count++ : p->count % RETURNS_KEPT;
    p->returns[slot].action = action;
    p->returns[slot].place = emit(p, BPF_RET | BPF_K, action, 0, 0);
    return p->returns[slot].place;
}

/* ---- conditions ---- */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW 0
#define HIGH 4
#else
#define LOW 4
#define HIGH 0
#endif

static size_t argument_offset(unsigned argument, size_t half)
{
    return offsetof(struct seccomp_data, args) + 8 * (size_t)argument + half;
}

static uint32_t low(uint64_t value)
{
    return (uint32_t)value;
}

static uint32_t high(uint64_t value)
{
    return (uint32_t)(value >> 32);
}

static size_t masked_half(struct program *p, size_t offset, uint32_t mask, uint32_t value, size_t yes, size_t no)
{
    if (mask == 0)
        return value == 0 ? yes : no;
    if (yes == no)
        return yes;
    size_t at = branch(p, BPF_JEQ, value, yes, no);
    if (mask != UINT32_MAX)
        at = emit_before(p, BPF_ALU | BPF_AND | BPF_K, mask, at);
    return load_before(p, offset, at);
}

/* argument > value, or >=, as the lower half is compared */
static size_t above(struct program *p, const struct seccomp_condition *c, bool is_64, uint16_t operation, size_t yes,
                    size_t no)
{
    size_t at = branch(p, operation, low(c->value), yes, no);
    at = load_before(p, argument_offset(c->argument, LOW), at);
    if (!is_64)
        return at;
    at = branch(p, BPF_JEQ, high(c->value), at, no);
    at = branch(p, BPF_JGT, high(c->value), yes, at);
    return load_before(p, argument_offset(c->argument, HIGH), at);
}

static size_t condition(struct program *p, const struct seccomp_condition *c, bool is_64, size_t yes, size_t no)
{
    uint64_t mask = c->op == SECCOMP_OP_MASKED_EQ ? c->mask : UINT64_MAX;
    switch (c->op) {
    case SECCOMP_OP_NE:
        return condition(p, &(struct seccomp_condition){c->argument, SECCOMP_OP_EQ, c->value, 0}, is_64, no, yes);
    case SECCOMP_OP_GE:
        return above(p, c, is_64, BPF_JGE, yes, no);
    case SECCOMP_OP_GT:
        return above(p, c, is_64, BPF_JGT, yes, no);
    case SECCOMP_OP_LT:
        return above(p, c, is_64, BPF_JGE, no, yes);
    case SECCOMP_OP_LE:
        return above(p, c, is_64, BPF_JGT, no, yes);
    default:
        yes = masked_half(p, argument_offset(c->argument, LOW), low(mask), low(c->value & mask), yes, no);
        return is_64 ? masked_half(p, argument_offset(c->argument, HIGH), high(mask), high(c->value & mask), yes, no)
                     : yes;
    }
}

static size_t all_conditions(struct program *p, const struct seccomp_rule *rule, size_t yes, size_t no)
{
    for (size_t i = rule->condition_count; i-- > 0;)
        yes = condition(p, &rule->conditions[i], rule->is_64, yes, no);
    return yes;
}

/* ---- search ---- */

static size_t leaf_place(struct program *p, const struct leaf *leaf)
{
    return leaf->is_group ? p->groups[leaf->group].entry : give(p, leaf->action);
}

static bool same_leaf(const struct leaf *a, const struct leaf *b)
{
    return a->is_group == b->is_group && (a->is_group ? a->group == b->group : a->action == b->action);
}

/* The accumulator holds what is looked for. */
static size_t search(struct program *p, const struct range *ranges, size_t count)
{
    if (count == 1)
        return leaf_place(p, &ranges[0].leaf);
    /* One number in the middle of others: a single comparison. */
    if (count == 3 && same_leaf(&ranges[0].leaf, &ranges[2].leaf) && ranges[2].start - ranges[1].start == 1) {
        size_t no = leaf_place(p, &ranges[0].leaf), yes = leaf_place(p, &ranges[1].leaf);
        return branch(p, BPF_JEQ, ranges[1].start, yes, no);
    }
    size_t middle = count / 2;
    size_t right = search(p, ranges + middle, count - middle);
    size_t left = search(p, ranges, middle);
    return branch(p, BPF_JGE, ranges[middle].start, right, left);
}

/* Ranges come in ascending order; a new one begins where the one before ends. */
static void add_range(struct range_list *list, uint32_t start, struct leaf leaf)
{
    if (list->count > 0 && same_leaf(&list->items[list->count - 1].leaf, &leaf))
        return;
    if (list->count > 0 && list->items[list->count - 1].start == start)
        list->count--;
    if (list->count > 0 && same_leaf(&list->items[list->count - 1].leaf, &leaf))
        return;
    xgrow((void **)&list->items, list->count, &list->capacity, sizeof(list->items[0]));
    list->items[list->count++] = (struct range){.start = start, .leaf = leaf};
}

/* ---- many comparisons of one argument ---- */

struct interval {
    uint64_t from, to;
};

/* The values below 2^32, or up to the highest there is, for which the condition holds. */
static bool to_interval(const struct seccomp_condition *c, bool is_64, struct interval *ret)
{
    uint64_t value = is_64 ? c->value : low(c->value), top = is_64 ? UINT64_MAX : UINT32_MAX;
    switch (c->op) {
    case SECCOMP_OP_EQ:
        *ret = (struct interval){value, value};
        break;
    case SECCOMP_OP_LE:
        *ret = (struct interval){0, value};
        break;
    case SECCOMP_OP_LT:
        if (value == 0)
            return false;
        *ret = (struct interval){0, value - 1};
        break;
    case SECCOMP_OP_GE:
        *ret = (struct interval){value, top};
        break;
    case SECCOMP_OP_GT:
        if (value == top)
            return false;
        *ret = (struct interval){value + 1, top};
        break;
    default:
        return false;
    }
    return ret->from <= UINT32_MAX && (ret->to <= UINT32_MAX || ret->to == top);
}

static int compare_intervals(const void *a, const void *b)
{
    const struct interval *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

/* How many rules from the first on compare one and the same argument with a number and have the same action. */
static size_t alike(const struct seccomp_rule *rules, size_t count)
{
    struct interval unused;
    size_t n = 0;
    while (n < count && rules[n].condition_count == 1 && rules[n].action == rules[0].action &&
           rules[n].conditions[0].argument == rules[0].conditions[0].argument &&
           to_interval(&rules[n].conditions[0], rules[n].is_64, &unused))
        n++;
    return n;
}

/* Such rules as a search over the values of the argument. */
static size_t search_values(struct program *p, const struct seccomp_rule *rules, size_t count, size_t no)
{
    bool is_64 = rules[0].is_64;
    CLEANUP_FREE struct interval *intervals = xcalloc(count, sizeof(*intervals));
    for (size_t i = 0; i < count; i++)
        to_interval(&rules[i].conditions[0], is_64, &intervals[i]);
    qsort(intervals, count, sizeof(*intervals), compare_intervals);
    /* A group of its own for what comes after, so that it can be a leaf. */
    size_t otherwise = p->group_count;
    xgrow((void **)&p->groups, p->group_count, &p->group_capacity, sizeof(p->groups[0]));
    p->groups[p->group_count++] = (struct group){.entry = no};
    struct leaf yes_leaf = {.action = rules[0].action}, no_leaf = {.is_group = true, .group = otherwise};
    struct range_list list = {0};
    uint64_t next = 0;
    bool open = false;
    add_range(&list, 0, no_leaf);
    for (size_t i = 0; i < count && next <= UINT32_MAX; i++) {
        if (intervals[i].to < next)
            continue;
        if (intervals[i].from > next)
            add_range(&list, (uint32_t)next, no_leaf);
        add_range(&list, (uint32_t)(intervals[i].from > next ? intervals[i].from : next), yes_leaf);
        open = intervals[i].to > UINT32_MAX;
        next = open ? (uint64_t)UINT32_MAX + 1 : intervals[i].to + 1;
    }
    if (next <= UINT32_MAX)
        add_range(&list, (uint32_t)next, no_leaf);
    unsigned argument = rules[0].conditions[0].argument;
    size_t place = search(p, list.items, list.count);
    free(list.items);
    place = load_before(p, argument_offset(argument, LOW), place);
    if (!is_64)
        return place;
    place = branch(p, BPF_JEQ, 0, place, open ? give(p, rules[0].action) : no);
    return load_before(p, argument_offset(argument, HIGH), place);
}

static size_t emit_group(struct program *p, const struct group *group)
{
    /* From the last rule to the first; runs of rules that are alike are found from the front. */
    CLEANUP_FREE size_t *runs = xcalloc(group->count + 1, sizeof(*runs));
    for (size_t i = 0; i < group->count;) {
        size_t n = alike(group->rules + i, group->count - i);
        runs[i] = n > 1 ? n : 1;
        i += runs[i];
    }
    size_t next = give(p, group->otherwise);
    for (size_t i = group->count; i-- > 0;) {
        if (runs[i] == 0)
            continue;
        const struct seccomp_rule *rule = &group->rules[i];
        next =
            runs[i] > 1 ? search_values(p, rule, runs[i], next) : all_conditions(p, rule, give(p, rule->action), next);
    }
    return next;
}

/* ---- one architecture ---- */

static bool same_rules(const struct seccomp_rule *a, const struct seccomp_rule *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (a[i].action != b[i].action || a[i].is_64 != b[i].is_64 || a[i].condition_count != b[i].condition_count)
            return false;
        for (size_t k = 0; k < a[i].condition_count; k++) {
            const struct seccomp_condition *x = &a[i].conditions[k], *y = &b[i].conditions[k];
            if (x->argument != y->argument || x->op != y->op || x->value != y->value || x->mask != y->mask)
                return false;
        }
    }
    return true;
}

/* The group of these rules: the one that another system call has already, or a new one, written down now. */
static size_t find_group(struct program *p, const struct seccomp_rule *rules, size_t count, uint32_t otherwise)
{
    for (size_t i = 0; i < p->group_count; i++) {
        const struct group *g = &p->groups[i];
        if (g->rules != NULL && g->count == count && g->otherwise == otherwise && same_rules(g->rules, rules, count))
            return i;
    }
    struct group group = {.rules = rules, .count = count, .otherwise = otherwise};
    group.entry = emit_group(p, &group);
    xgrow((void **)&p->groups, p->group_count, &p->group_capacity, sizeof(p->groups[0]));
    p->groups[p->group_count] = group;
    return p->group_count++;
}

static uint32_t span_action(const struct seccomp_architecture *a, uint32_t number)
{
    size_t i = a->span_count;
    while (i > 1 && a->spans[i - 1].start > number)
        i--;
    return a->spans[i - 1].action;
}

static struct leaf decide(struct program *p, const struct seccomp_architecture *a, const struct seccomp_rule *rules,
                          size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rules[i].condition_count == 0)
            return (struct leaf){.action = rules[i].action};
    size_t group = find_group(p, rules, count, span_action(a, rules[0].number));
    return (struct leaf){.is_group = true, .group = group};
}

static int compare_rules(const void *a, const void *b)
{
    const struct seccomp_rule *x = a, *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* The spans that begin in [from, to). */
static void add_spans(struct range_list *list, const struct seccomp_architecture *a, uint64_t from, uint64_t to)
{
    if (from >= to)
        return;
    add_range(list, (uint32_t)from, (struct leaf){.action = span_action(a, (uint32_t)from)});
    for (size_t i = 0; i < a->span_count; i++)
        if (a->spans[i].start > from && a->spans[i].start < to)
            add_range(list, a->spans[i].start, (struct leaf){.action = a->spans[i].action});
}

static size_t emit_architecture(struct program *p, struct seccomp_architecture *a)
{
    struct range_list list = {0};
    if (a->rule_count > 0)
        qsort(a->rules, a->rule_count, sizeof(a->rules[0]), compare_rules);
    uint64_t next = 0;
    for (size_t i = 0, n; i < a->rule_count; i += n) {
        for (n = 1; i + n < a->rule_count && a->rules[i + n].number == a->rules[i].number; n++)
            ;
        add_spans(&list, a, next, a->rules[i].number);
        add_range(&list, a->rules[i].number, decide(p, a, &a->rules[i], n));
        next = (uint64_t)a->rules[i].number + 1;
    }
    add_spans(&list, a, next, (uint64_t)UINT32_MAX + 1);
    size_t place = search(p, list.items, list.count);
    free(list.items);
    if (p->items[place].code == (BPF_RET | BPF_K))
        return place; /* everything is treated alike */
    return load_before(p, offsetof(struct seccomp_data, nr), place);
}

/* ---- all of it ---- */

int seccomp_program_build(struct seccomp_architecture *architectures, size_t count, uint32_t other, void **ret,
                          size_t *ret_size, struct error *err)
{
    struct program p = {0};
    CLEANUP_FREE size_t *places = xcalloc(count + 1, sizeof(*places));
    for (size_t i = count; i-- > 0;)
        places[i] = emit_architecture(&p, &architectures[i]);
    size_t next = give(&p, other);
    for (size_t i = count; i-- > 0;)
        next = branch(&p, BPF_JEQ, architectures[i].audit_arch, places[i], next);
    load_before(&p, offsetof(struct seccomp_data, arch), next);
    free(p.groups);
    CLEANUP_FREE struct sock_filter *items = p.items;
    if (p.count > BPF_MAXINSNS)
        return error_set(err, ERROR_INVALID, E2BIG, "seccomp: the profile compiles to more than %d instructions",
                         BPF_MAXINSNS);
    struct sock_filter *out = xcalloc(p.count, sizeof(*out));
    for (size_t i = 0; i < p.count; i++)
        out[i] = items[p.count - 1 - i];
    *ret = out;
    *ret_size = p.count * sizeof(*out);
    return 0;
}
