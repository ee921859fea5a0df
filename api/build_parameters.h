/* The parameters of POST /build, and of dory's own sessions, which take the same. Private to api/. */
#ifndef DORY_API_BUILD_PARAMETERS_H
#define DORY_API_BUILD_PARAMETERS_H

#include "api/server.h"
#include "daemon/build/build.h"
#include "image/image.h"

/* Credentials of one registry, as the header X-Registry-Config has them. */
struct build_login {
    char *server;
    struct registry_auth auth;
};

struct build_parameters {
    /* Filled but for the context, the Dockerfile and the events; points into this struct and into the request. */
    struct build_options options;
    struct reference *tags;
    struct strv tag_names; /* as they are shown: "x:latest" */
    struct registry_config registries;
    struct build_login *logins;
    size_t login_count;
    const char *remote;          /* NULL: the context is the body */
    const char *dockerfile_name; /* NULL: the default */
    bool quiet, keep_git_dir;
    int64_t source_date_epoch; /* of the build argument of this name */
};
#define CLEANUP_BUILD_PARAMETERS CLEANUP(build_parameters_release)
void build_parameters_release(struct build_parameters *parameters);

/* The request is for BuildKit: version=2. */
bool build_parameters_is_buildkit(const struct api_request *request);

/* Reads the query and the header X-Registry-Config. What is malformed is ERROR_INVALID and names the parameter. */
int build_parameters_read(struct api_request *request, struct engine *engine, struct build_parameters *ret,
                          struct error *err);

/* What containers of steps could not be made with is said before the first step. */
int build_parameters_validate_host(const struct host_config *host, struct engine *engine, struct error *err);

/* A build_suppliers.credentials: data is the parameters. */
const struct registry_auth *build_parameters_credentials(const char *registry, void *data);

#endif
