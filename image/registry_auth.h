/* What registries and their token servers say about authentication, and the errors they answer with. Pure parsing. */
#ifndef DORY_IMAGE_REGISTRY_AUTH_H
#define DORY_IMAGE_REGISTRY_AUTH_H

#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"

enum challenge_scheme { CHALLENGE_NONE, CHALLENGE_BASIC, CHALLENGE_BEARER };

/* RFC 9110 section 11.6.1 and the distribution project's token authentication. Members that were not sent are NULL. */
struct registry_challenge {
    enum challenge_scheme scheme;
    char *realm, *service, *scope;
    char *error; /* RFC 6750 section 3.1: "insufficient_scope", what the token that was sent lacks */
};

/*
 * The challenge to answer among the values of WWW-Authenticate (each may hold several): Bearer before Basic. Schemes
 * nobody knows and malformed parts are passed over; CHALLENGE_NONE when nothing is left. A Bearer challenge always has
 * a realm.
 */
void registry_challenge_parse(const struct strv *headers, struct registry_challenge *ret);
void registry_challenge_release(struct registry_challenge *challenge);
#define CLEANUP_CHALLENGE CLEANUP(registry_challenge_release)

#define REGISTRY_TOKEN_SIZE_MAX (64 * 1024)

struct registry_token {
    char *text;
    char *refresh; /* "refresh_token": what a client may keep in the place of the password; NULL: none was sent */
    int64_t expires;
};

/* A token server's answer. Both "token" and "access_token" are understood. `now` in seconds; ret->expires likewise (a
 * token without a life time lives for 60 seconds, as the specification says). ret is untouched by a failure. */
int registry_token_parse(const char *text, size_t size, int64_t now, struct registry_token *ret, struct error *err);
void registry_token_release(struct registry_token *token);

/* The first error of {"errors":[{"code","message","detail"}]} or of a token server's {"details"} or {"error",
 * "error_description"}. A 401 whose challenge says that the token's scope does not do is a denial, whatever the body
 * says: Docker Hub answers so for repositories that are not there. `challenges` (WWW-Authenticate) may be NULL. */
struct registry_failure {
    char *code;    /* "MANIFEST_UNKNOWN"; NULL when the body is something else */
    char *message; /* docker's line: "manifest unknown: manifest unknown" */
};
void registry_failure_parse(int status, const struct strv *challenges, const char *text, size_t size,
                            struct registry_failure *ret);
void registry_failure_release(struct registry_failure *failure);
#define CLEANUP_REGISTRY_FAILURE CLEANUP(registry_failure_release)

#endif
