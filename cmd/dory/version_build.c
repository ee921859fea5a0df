/* Alone in its file, so that a new commit rebuilds nothing else (the Makefile defines the commit for files of this
 * name). */
#include <time.h>

#include "cmd/dory/global_flags.h"

const char *cli_git_commit(void)
{
    return DORY_GIT_COMMIT;
}

const char *cli_build_time(void)
{
    static char text[64];
    struct tm tm = {0};
    /* The compiler has no weekday, and puts the year in another place. */
    if (strptime(__DATE__ " " __TIME__, "%b %d %Y %H:%M:%S", &tm))
        strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm);
    return text;
}
