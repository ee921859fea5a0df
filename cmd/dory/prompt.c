#include "cmd/dory/prompt.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/memory.h"

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
/* For the handler. */
static struct termios before;

static void restore_and_end(int number)
{
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    signal(number, SIG_DFL);
    raise(number);
}

char *prompt(const char *text, bool secret)
{
    struct sigaction action = {.sa_handler = restore_and_end}, old[ARRAY_SIZE(signals)];
    struct termios quiet;
    char *line = NULL;
    size_t size = 0;
    printf("%s", text);
    fflush(stdout);
    secret = secret && tcgetattr(STDIN_FILENO, &before) == 0;
    if (secret) {
        for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
            sigaction(signals[i], &action, &old[i]);
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
    }
    ssize_t n = getline(&line, &size, stdin);
    if (secret) {
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
        for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
            sigaction(signals[i], &old[i], NULL);
        printf("\n");
    }
    if (n < 0) {
        free(line);
        return NULL;
    }
    line[strcspn(line, "\r\n")] = '\0';
    return line;
}
