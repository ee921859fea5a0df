/* Signals by name, as docker's clients write them. Pure. */
#ifndef DORY_DAEMON_SIGNALS_H
#define DORY_DAEMON_SIGNALS_H

/* "KILL", "SIGKILL", "9", "RTMIN+3"; -EINVAL. */
int signal_parse(const char *text);

#endif
