/*
 * Commands that are programs of their own, as docker's CLI has them: "docker-NAME" in a directory of plugins is
 * `dory NAME`. What they are made for is docker's protocol (docs.docker.com, "Docker CLI plugins"; docker/cli,
 * cli-plugins/): called with "docker-cli-plugin-metadata" a plugin prints a JSON object with SchemaVersion and Vendor,
 * and called as a command it gets the words that dory got, global flags included, and finds in the environment which
 * program called it. The directories, first come first served: `cliPluginsExtraDirs` of config.json, "cli-plugins"
 * beside config.json, and those that packages install to. A command of dory's own is never a plugin's.
 */
#ifndef DORY_CMD_DORY_PLUGINS_H
#define DORY_CMD_DORY_PLUGINS_H

#include "cmd/dory/endpoint.h"

struct plugin {
    char *name, *path;
    char *schema, *vendor, *version, *summary, *url; /* NULL: not said */
    bool hidden;
    char *problem; /* why it cannot be used; NULL: nothing speaks against it */
};

void plugin_release(struct plugin *plugin);
#define CLEANUP_PLUGIN CLEANUP(plugin_release)

/* Letters and digits in lower case, a letter first: what a plugin may be called. Pure. */
bool plugin_name_is_valid(const char *name);
/* Reads what a plugin says of itself (`text`, of any origin) into *plugin, or its problem. Pure. */
void plugin_read_metadata(const char *text, struct plugin *plugin);

/* The plugin of that name, asked for its metadata. -ENOENT: there is none. */
int plugin_find(const struct cli *cli, const char *name, struct plugin *ret);
/* All of them, by name, those with a problem too. */
void plugins_list(const struct cli *cli, struct plugin **ret, size_t *ret_count);
void plugins_free(struct plugin *plugins, size_t count);

/*
 * Becomes the plugin `name` with the words of the command line, before whose word number `inserted` (from 0, global
 * flags counted; -1: nowhere) the plugin's name is put. The daemon that dory would have spoken to is the plugin's, too.
 * Returns only when it cannot: -ENOENT (err untouched) where there is no such plugin.
 */
int plugin_become(struct cli *cli, const struct endpoint_choice *choice, const char *name, int inserted,
                  struct error *err);

#endif
