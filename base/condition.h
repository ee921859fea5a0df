/* Waiting for a condition until a point in time. */
#ifndef DORY_BASE_CONDITION_H
#define DORY_BASE_CONDITION_H

#include <pthread.h>
#include <stdint.h>

/*
 * pthread_cond_clockwait(3) on CLOCK_MONOTONIC, for conditions without attributes: a clock that is set does not
 * lengthen or shorten a wait. until: nanoseconds, as timestamp_monotonic() counts them. 0, also when nothing has
 * changed, or ETIMEDOUT (positive, as of pthreads).
 */
int condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until);

#endif
