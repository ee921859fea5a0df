/* Names of images as docker's reference grammar has them: for errors before the daemon is asked. Pure. */
#ifndef DORY_CMD_DORY_REFERENCE_CHECK_H
#define DORY_CMD_DORY_REFERENCE_CHECK_H

#include "base/error.h"

/* [DOMAIN/]PATH[:TAG][@DIGEST]; errors in docker's words ("invalid reference format..."). */
int reference_check(const char *reference, struct error *err);

#endif
