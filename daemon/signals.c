#include "daemon/signals.h"

#include <errno.h>
#include <signal.h>
#include <strings.h>

#include "base/memory.h"
#include "base/parse.h"

static const struct {
    const char *name;
    int number;
} signals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},       {"QUIT", SIGQUIT},     {"ILL", SIGILL},   {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT}, {"IOT", SIGIOT},       {"BUS", SIGBUS},       {"FPE", SIGFPE},   {"KILL", SIGKILL},
    {"USR1", SIGUSR1}, {"SEGV", SIGSEGV},     {"USR2", SIGUSR2},     {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},
    {"TERM", SIGTERM}, {"STKFLT", SIGSTKFLT}, {"CHLD", SIGCHLD},     {"CLD", SIGCHLD},  {"CONT", SIGCONT},
    {"STOP", SIGSTOP}, {"TSTP", SIGTSTP},     {"TTIN", SIGTTIN},     {"TTOU", SIGTTOU}, {"URG", SIGURG},
    {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},     {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},
    {"IO", SIGIO},     {"POLL", SIGPOLL},     {"PWR", SIGPWR},       {"SYS", SIGSYS},
};

#define REALTIME_MIN 34 /* as everyone outside of glibc's threads counts them */
#define REALTIME_MAX 64

int signal_parse(const char *text)
{
    int64_t n;
    if (parse_int64(text, 1, REALTIME_MAX, &n) == 0)
        return (int)n;
    if (strncasecmp(text, "SIG", 3) == 0)
        text += 3;
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        if (strcasecmp(text, signals[i].name) == 0)
            return signals[i].number;
    bool from_max = strncasecmp(text, "RTMAX", 5) == 0;
    if (!from_max && strncasecmp(text, "RTMIN", 5) != 0)
        return -EINVAL;
    if (text[5] == '\0')
        return from_max ? REALTIME_MAX : REALTIME_MIN;
    if (text[5] != (from_max ? '-' : '+') || parse_int64(text + 6, 0, REALTIME_MAX - REALTIME_MIN, &n) < 0)
        return -EINVAL;
    return from_max ? REALTIME_MAX - (int)n : REALTIME_MIN + (int)n;
}
