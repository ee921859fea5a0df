/* Alone in its file, so that a new commit rebuilds nothing else (the Makefile defines the commit for files of this
 * name). */
#include "cmd/dory/global_flags.h"

const char *cli_git_commit(void)
{
    return DORY_GIT_COMMIT;
}
