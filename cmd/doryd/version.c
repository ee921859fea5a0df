/* In a file of its own, because the build gives the commit only to files of this name. */
#include "cmd/doryd/version.h"

const char doryd_version[] = DORY_VERSION;
const char doryd_git_commit[] = DORY_GIT_COMMIT;
