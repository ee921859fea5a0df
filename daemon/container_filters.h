/* The filters of `docker ps`: a container's facts against {"status":["running"],...}. Pure. */
#ifndef DORY_DAEMON_CONTAINER_FILTERS_H
#define DORY_DAEMON_CONTAINER_FILTERS_H

#include "base/json.h"
#include "base/strmap.h"
#include "base/strv.h"
#include "daemon/container_state.h"
#include "daemon/endpoint_settings.h"
#include "daemon/mounts.h"

struct container_facts {
    const char *id, *name;
    const struct strmap *labels;
    enum container_state state;
    int exit_code;
    const char *health; /* NULL: none */
    int64_t created;
    const struct strv *ancestors; /* ids and names of its image */
    const struct mount_point *mounts;
    size_t mount_count;
    const struct endpoint_settings *networks; /* names and ids of its networks */
    size_t network_count;
    /* "80/tcp", "80-90/tcp": the container's that are to be published and exposed, and the host's that are published */
    const struct strv *ports, *exposed, *published;
    int64_t before, since; /* creation times that "before" and "since" name; 0: none */
};

/* Values that make no sense (status=foo, exited=x, health=bad): 400 in docker's words. */
int container_filters_check(const struct json *filters, struct error *err);
bool container_filters_match(const struct json *filters, const struct container_facts *facts);

/* Names and ids: as a part of the text, or as a regular expression. */
bool filter_text_matches(const char *text, const char *pattern);
/* Whether `labels` carries each of the values ("key" or "key=value"). */
bool filter_labels_match(const struct json *values, const struct strmap *labels);

#endif
