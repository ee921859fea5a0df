#include "cmd/dory/command_names.h"

#include <string.h>

#include "base/strbuf.h"

/* The name and the aliases, in the order of the table. */
static void all_names(const struct command *command, struct strv *names)
{
    strv_add(names, command->name);
    if (command->aliases)
        strv_split(names, command->aliases, ',');
}

void command_names(const struct command *command, struct strv *names)
{
    CLEANUP_STRV struct strv all = STRV_INIT;
    all_names(command, &all);
    for (int grouped = 1; grouped >= 0; grouped--) {
        for (size_t i = 0; i < all.count; i++) {
            if ((strchr(all.items[i], ' ') != NULL) == (grouped == 1))
                strv_add(names, all.items[i]);
        }
    }
}

/* Is `name` in the group, or outside of all of them? */
static bool in_group(const char *name, const struct command_group *group)
{
    if (!group)
        return strchr(name, ' ') == NULL;
    size_t size = strlen(group->name);
    return strncmp(name, group->name, size) == 0 && name[size] == ' ';
}

bool command_name_in(const struct command *command, const struct command_group *group, struct strbuf *ret)
{
    CLEANUP_STRV struct strv all = STRV_INIT;
    all_names(command, &all);
    for (size_t i = 0; i < all.count; i++) {
        if (in_group(all.items[i], group)) {
            strbuf_adds(ret, all.items[i]);
            return true;
        }
    }
    return false;
}

const struct command_group *command_group_find(const char *word)
{
    for (size_t i = 0; i < command_group_count; i++) {
        if (strcmp(command_groups[i].name, word) == 0)
            return &command_groups[i];
    }
    return NULL;
}

/* Without allocations: this is in the way of every command. */
static bool has_name(const struct command *command, const char *name)
{
    size_t size = strlen(name);
    if (strcmp(command->name, name) == 0)
        return true;
    for (const char *p = command->aliases; p && *p;) {
        size_t n = strcspn(p, ",");
        if (n == size && memcmp(p, name, n) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (has_name(commands[i], name))
            return commands[i];
    }
    return NULL;
}

void command_find(char *const *words, size_t count, struct command_match *ret)
{
    *ret = (struct command_match){0};
    if (count == 0)
        return;
    ret->group = command_group_find(words[0]);
    if (ret->group) {
        ret->words = 1 + (int)(ret->group->options ? options_skip(ret->group->options, words + 1, count - 1, NULL) : 0);
        const char *word = (size_t)ret->words < count ? words[ret->words] : NULL;
        CLEANUP_FREE char *name = word ? xasprintf("%s %s", words[0], word) : NULL;
        ret->command = name ? find(name) : NULL;
        ret->words += ret->command != NULL;
        return;
    }
    ret->command = strchr(words[0], ' ') ? NULL : find(words[0]);
    ret->words = ret->command != NULL;
}
