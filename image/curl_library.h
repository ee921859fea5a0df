/*
 * libcurl, loaded while it is needed. Linking it costs a daemon that pulls nothing 4.3 MB of PSS (it brings
 * OpenSSL, Kerberos, LDAP and twenty more libraries), so it is opened with dlopen(3) and called through this table.
 */
#ifndef DORY_IMAGE_CURL_LIBRARY_H
#define DORY_IMAGE_CURL_LIBRARY_H

#include <curl/curl.h>

#include "base/error.h"

struct curl_library {
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_global_cleanup) *global_cleanup;
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_easy_reset) *easy_reset;
    __typeof__((curl_easy_setopt)) *setopt;
    __typeof__((curl_easy_getinfo)) *getinfo;
    __typeof__(curl_easy_perform) *perform;
    __typeof__(curl_easy_strerror) *strerror;
    __typeof__(curl_free) *free;
    __typeof__(curl_slist_append) *slist_append;
    __typeof__(curl_slist_free_all) *slist_free_all;
    __typeof__(curl_url) *url;
    __typeof__(curl_url_cleanup) *url_cleanup;
    __typeof__((curl_url_set)) *url_set;
    __typeof__((curl_url_get)) *url_get;
};

/* The table, the same for every caller. It is unloaded with the last curl_library_put. Thread-safe. */
int curl_library_get(const struct curl_library **ret, struct error *err);
void curl_library_put(const struct curl_library *library); /* NULL is fine */
/* After a transfer that was broken off: a thread that still waits for the name server may be running in the library, so
 * it stays from now on. */
void curl_library_keep(void);

#endif
