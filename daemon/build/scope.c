#include "daemon/build/scope.h"

#include <string.h>

static const char *const proxies[] = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY",
                                      "ftp_proxy",  "NO_PROXY",   "no_proxy",    "ALL_PROXY",   "all_proxy"};

bool build_arg_is_proxy(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(proxies); i++)
        if (strcmp(name, proxies[i]) == 0)
            return true;
    return false;
}

void build_scope_default_path(struct container_config *config)
{
    if (strv_env_get(&config->env, "PATH") == NULL)
        strv_add(&config->env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
}

void build_scope_init(struct build_scope *scope, const struct stages *stages, const struct strmap *build_args,
                      char escape)
{
    *scope = (struct build_scope){.stages = stages, .build_args = build_args, .escape = escape};
}

void build_scope_release(struct build_scope *scope)
{
    strmap_release(&scope->args);
    strv_release(&scope->declared);
}

static const char *build_arg(const struct build_scope *scope, const char *name)
{
    return scope->build_args != NULL ? strmap_get(scope->build_args, name) : NULL;
}

static bool is_hidden(const struct build_scope *scope, const char *name)
{
    return build_arg_is_proxy(name) && !strv_contains(&scope->declared, name);
}

const char *build_scope_get(const struct build_scope *scope, const struct container_config *config, const char *name)
{
    const char *value = strv_env_get(&config->env, name);
    if (value == NULL)
        value = strmap_get(&scope->args, name);
    if (value == NULL && is_hidden(scope, name))
        value = build_arg(scope, name);
    return value;
}

void build_scope_declare(struct build_scope *scope, const char *name, const char *value)
{
    const char *given = build_arg(scope, name);
    if (given != NULL)
        value = given;
    if (value == NULL && scope->stages != NULL)
        value = strmap_get(&scope->stages->globals, name);
    if (value == NULL && scope->stages != NULL)
        value = strmap_get(&scope->stages->platform, name);
    if (!strv_contains(&scope->declared, name))
        strv_add(&scope->declared, name);
    if (value != NULL)
        strmap_set(&scope->args, name, value);
}

/* Those that Env does not have. */
static void add_args(const struct strmap *args, const struct container_config *config, struct strv *ret)
{
    for (size_t i = 0; i < args->count; i++)
        if (strv_env_get(&config->env, args->items[i].key) == NULL)
            strv_addf(ret, "%s=%s", args->items[i].key, args->items[i].value);
}

static void add_hidden(const struct build_scope *scope, const struct container_config *config, struct strv *ret)
{
    for (size_t i = 0; scope->build_args != NULL && i < scope->build_args->count; i++) {
        const struct strmap_entry *entry = &scope->build_args->items[i];
        if (is_hidden(scope, entry->key) && strv_env_get(&config->env, entry->key) == NULL)
            strv_addf(ret, "%s=%s", entry->key, entry->value);
    }
}

void build_scope_environment(const struct build_scope *scope, const struct container_config *config, struct strv *ret,
                             struct strv *ret_hidden)
{
    strv_add_all(ret, &config->env);
    add_args(&scope->args, config, ret);
    add_hidden(scope, config, ret);
    if (ret_hidden != NULL)
        add_hidden(scope, config, ret_hidden);
}

void build_scope_key_args(const struct build_scope *scope, const struct container_config *config, struct strv *ret)
{
    add_args(&scope->args, config, ret);
    strv_sort(ret);
}
