/*
 * Who may work now: a few at a time, starts before removals, and each kind in the order in which it came.
 *
 * Thirty starts that run beside each other on two processors all end late, and wait for each other's locks meanwhile;
 * one after the other the first ends at once and the last no later. What somebody removes is needed by nobody any more,
 * so it gives way, for ten times the patience at most. The limit is one of speed and not of rights: when nobody who is
 * inside makes progress, the others do not wait for them.
 *
 * A removal is done in no time, and whoever removed then often starts the next one. So among starts it leaves its place
 * free for one, for a moment: else the removals that have gathered leave all at once and come back as a crowd of
 * starts.
 */
#ifndef DORY_DAEMON_ADMISSION_H
#define DORY_DAEMON_ADMISSION_H

#include <stddef.h>
#include <stdint.h>

enum admission_kind { ADMISSION_START, ADMISSION_REMOVAL, ADMISSION_KINDS };

struct admission;

struct admission_options {
    size_t limit;        /* how many are inside at a time; 0: one more than there are processors */
    int64_t patience_ms; /* when nobody has left for so long, nobody waits for those inside; 0: 250 */
    int64_t vacancy_ms;  /* how long the place of a removal is kept for a start, beside others that start; 0: 10 */
};

/* Caller frees, when nobody is inside. */
struct admission *admission_new(const struct admission_options *options);
void admission_free(struct admission *a); /* NULL is fine */
/* Blocks until it is the caller's turn. What it returns is for leave, which may be called by another thread. */
uint64_t admission_enter(struct admission *a, enum admission_kind kind);
void admission_leave(struct admission *a, uint64_t pass);
/* How many wait to be let in. */
size_t admission_waiting(struct admission *a);

#endif
