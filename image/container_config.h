/*
 * `Config` of the Engine API and `config` of an OCI image: what to run and how, apart from the host. One struct and one
 * table serve image configs, container create and inspect.
 */
#ifndef DORY_IMAGE_CONTAINER_CONFIG_H
#define DORY_IMAGE_CONTAINER_CONFIG_H

#include "base/json_table.h"

struct health_config {
    struct strv test;
    int64_t interval, timeout, start_period, start_interval; /* ns */
    int64_t retries;
};

struct container_config {
    char *hostname, *domainname, *user;
    bool attach_stdin, attach_stdout, attach_stderr;
    struct strv exposed_ports; /* "80/tcp": in JSON an object with these keys and {} values */
    bool tty, open_stdin, stdin_once;
    struct strv env;
    struct strv cmd;
    bool cmd_set; /* Cmd was there and not null: an empty list is [] and not null */
    struct strv entrypoint;
    bool entrypoint_set; /* "Entrypoint": [] clears the image's; absent or null leaves it */
    struct health_config *healthcheck;
    bool args_escaped;
    char *image;
    struct strv volumes; /* container paths: in JSON an object with {} values */
    char *working_dir;
    bool network_disabled;
    char *mac_address;
    struct strv on_build;
    struct strmap labels;
    char *stop_signal;
    int64_t *stop_timeout;
    struct strv shell;
};

/* Cmd and Entrypoint accept a string or a list, as the API does. */
extern const struct json_table container_config_table;
/*
 * Config as a request of that minor version of the API (0: the newest) sees it. Of a container: since 1.52 without
 * MacAddress, which endpoints have, and without an empty OnBuild. Of an image: since 1.50 without the members that only
 * containers have, and since 1.52 without empty ones.
 */
void container_config_show(const struct container_config *config, int api_version, struct json_writer *w);
void container_config_show_image(const struct container_config *config, int api_version, struct json_writer *w);
#define container_config_release(c) json_table_release(&container_config_table, (c))

#endif
