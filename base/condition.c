#include "base/condition.h"

#include <time.h>

#define NS_PER_S 1000000000

int condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until)
{
    const struct timespec at = {.tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S};
    return pthread_cond_clockwait(condition, lock, CLOCK_MONOTONIC, &at);
}
