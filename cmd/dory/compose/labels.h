/* The labels by which an application's objects are known, docker's plugin's names. */
#ifndef DORY_CMD_DORY_COMPOSE_LABELS_H
#define DORY_CMD_DORY_COMPOSE_LABELS_H

#define COMPOSE_LABEL_PROJECT "com.docker.compose.project"
#define COMPOSE_LABEL_SERVICE "com.docker.compose.service"
#define COMPOSE_LABEL_NUMBER "com.docker.compose.container-number"
#define COMPOSE_LABEL_ONEOFF "com.docker.compose.oneoff" /* "True" or "False" */
#define COMPOSE_LABEL_SLUG "com.docker.compose.slug"     /* of one-off containers */
#define COMPOSE_LABEL_CONFIG_HASH "com.docker.compose.config-hash"
#define COMPOSE_LABEL_CONFIG_FILES "com.docker.compose.project.config_files"
#define COMPOSE_LABEL_WORKING_DIR "com.docker.compose.project.working_dir"
#define COMPOSE_LABEL_ENVIRONMENT_FILE "com.docker.compose.project.environment_file"
#define COMPOSE_LABEL_DEPENDS_ON "com.docker.compose.depends_on" /* "SERVICE:CONDITION:RESTART,..." */
#define COMPOSE_LABEL_IMAGE "com.docker.compose.image"           /* id of the image */
#define COMPOSE_LABEL_REPLACE "com.docker.compose.replace"       /* name of what a recreated container replaces */
#define COMPOSE_LABEL_VERSION "com.docker.compose.version"
#define COMPOSE_LABEL_NETWORK "com.docker.compose.network"
#define COMPOSE_LABEL_VOLUME "com.docker.compose.volume"

#endif
