/* In what order the containers of an application are brought up when the daemon starts. */
#ifndef DORY_DAEMON_START_ORDER_H
#define DORY_DAEMON_START_ORDER_H

#include <stddef.h>

struct container; /* daemon/container.h */

/*
 * Sorts, otherwise keeping the order, so that each container comes behind those that it needs: what the label
 * com.docker.compose.depends_on names ("SERVICE:CONDITION:RESTART,...") of the same com.docker.compose.project. A
 * circle is cut where it is entered. The labels do not change, so no lock is needed.
 */
void start_order_sort(struct container **list, size_t count);

#endif
