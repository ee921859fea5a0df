/*
 * Log tags: docker's templates "{{.Name}}/{{.ID}}" over what is known of the container, and the attributes that labels
 * and environment contribute to each record. Pure and bounded.
 */
#ifndef DORY_DAEMON_LOG_TAG_H
#define DORY_DAEMON_LOG_TAG_H

#include "base/error.h"
#include "base/strmap.h"
#include "base/strv.h"

/* Longest result. */
#define LOG_TAG_MAX 1024

struct log_facts {
    const char *id, *name; /* name without the slash */
    const char *image_id, *image_name;
    const char *path;
    const struct strv *arguments;
    const struct strmap *labels;
    const struct strv *env;
};

/*
 * The fields are those of docker: ID, FullID, ContainerID, Name, ContainerName, ImageID, ImageFullID, ContainerImageID,
 * ImageName, ContainerImageName, DaemonName, Command; and {{index .ContainerLabels "key"}}. Anything else is refused
 * ("template: log-tag: ...").
 */
int log_tag_check(const char *text, struct error *err);
/* The caller frees *ret. */
int log_tag_expand(const char *text, const struct log_facts *facts, char **ret, struct error *err);

struct log_settings;
/* What labels, labels-regex, env and env-regex select is set in ret. */
void log_attributes(const struct log_settings *settings, const struct log_facts *facts, struct strmap *ret);

#endif
