/*
 * Who may fetch what a build needs from elsewhere: secrets of the build with the names that BuildKit gives them. The
 * host is that of the URL; nobody else gets the header.
 */
#ifndef DORY_DAEMON_BUILD_SOURCE_AUTH_H
#define DORY_DAEMON_BUILD_SOURCE_AUTH_H

#include "daemon/build/build.h"

/* The value of an Authorization header for an http(s) URL, from HTTP_AUTH_HEADER_HOST (as it is) or
 * HTTP_AUTH_TOKEN_HOST
 * ("Bearer"); HOST is without a port. NULL: there is none. The caller releases it with source_auth_free(). */
char *source_auth_http(const struct build_suppliers *suppliers, const char *url);
/* The same for a git repository, from GIT_AUTH_HEADER or GIT_AUTH_TOKEN (the password of x-access-token), each with
 * ".HOST[:PORT]" behind it or for all hosts. */
char *source_auth_git(const struct build_suppliers *suppliers, const char *url);
/* Overwrites it. NULL is fine. */
void source_auth_free(char *value);
void source_auth_free_ptr(char **value);
#define CLEANUP_SOURCE_AUTH CLEANUP(source_auth_free_ptr)

#endif
