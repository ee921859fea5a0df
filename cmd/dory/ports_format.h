/* The PORTS column of ps: "0.0.0.0:8080-8082->80-82/tcp, 443/tcp", ranges joined as docker joins them. Pure. */
#ifndef DORY_CMD_DORY_PORTS_FORMAT_H
#define DORY_CMD_DORY_PORTS_FORMAT_H

#include "base/json.h"

/* `ports` is the API's list of {IP, PrivatePort, PublicPort, Type}. The caller frees. */
char *ports_format(const struct json *ports);

#endif
