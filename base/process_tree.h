/* Processes by their descent, as /proc shows it (proc_pid_stat(5)). */
#ifndef DORY_BASE_PROCESS_TREE_H
#define DORY_BASE_PROCESS_TREE_H

#include <stdint.h>
#include <sys/types.h>

/* Field 22 of /proc/PID/stat, in clock ticks since the boot: with the pid it names a process for as long as the machine
 * is up. -1: no such process. */
int64_t process_start_time(pid_t pid);

/*
 * SIGKILL to the process and to everything that descends from it, so that nothing of it is left to go on alone. All are
 * stopped first: what is stopped makes no more children. What has lost its parent and went to another reaper is not
 * found. Nobody is waited for.
 */
void process_kill_tree(pid_t pid);

#endif
