/* login, logout. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/client.h"
#include "cmd/dory/credentials.h"
#include "cmd/dory/prompt.h"

#define PASSWORD_MAX 65536

struct login_flags {
    char *password, *username;
    bool password_given, password_stdin;
};

#define AT(member) offsetof(struct login_flags, member)
static const struct option login_options[] = {
    {"password", 'p', OPTION_STRING, AT(password), "string", "Password or Personal Access Token (PAT)", 0,
     AT(password_given), NULL},
    {"password-stdin", 0, OPTION_BOOL, AT(password_stdin), NULL,
     "Take the Password or Personal Access Token (PAT) from stdin", 0, 0, NULL},
    {"username", 'u', OPTION_STRING, AT(username), "string", "Username", 0, 0, NULL},
    {0},
};

/* All of standard input without the end of its last line. */
static char *read_password(void)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    char buf[4096];
    ssize_t n;
    while (text.size < PASSWORD_MAX && (n = read(STDIN_FILENO, buf, sizeof(buf))) > 0)
        strbuf_add(&text, buf, (size_t)n);
    while (text.size > 0 && strchr("\r\n", text.data[text.size - 1]))
        text.data[--text.size] = '\0';
    return strbuf_take(&text);
}

static int check_flags(const struct login_flags *flags, struct error *err)
{
    if (flags->password_given && flags->password_stdin)
        return error_set(err, ERROR_INVALID, 0,
                         "conflicting options: cannot specify both --password and --password-stdin");
    if (flags->password_stdin && (!flags->username || !*flags->username))
        return error_set(err, ERROR_INVALID, 0, "the --password-stdin option requires --username to be set");
    if (flags->username && !*flags->username)
        return error_set(err, ERROR_INVALID, 0, "username is empty");
    if (flags->password_given && !*flags->password)
        return error_set(err, ERROR_INVALID, 0, "password is empty");
    return 0;
}

/* What is missing is asked for, on a terminal. */
static int ask(struct credentials *c, struct error *err)
{
    if (c->username && *c->username && c->password && *c->password)
        return 0;
    if (!isatty(STDIN_FILENO))
        return error_set(err, ERROR_INVALID, 0, "Error: Cannot perform an interactive login from a non TTY device");
    if (!c->username || !*c->username) {
        free(c->username);
        c->username = prompt("Username: ", false);
    }
    if (!c->username || !*c->username)
        return error_set(err, ERROR_INVALID, 0, "error: username is required");
    free(c->password);
    c->password = prompt("Password: ", true);
    if (!c->password || !*c->password)
        return error_set(err, ERROR_INVALID, 0, "error: password is required");
    return 0;
}

/* Asks the daemon to try them; an identity token in the answer takes the password's place. *ret_status: its words. */
static int authenticate(struct cli *cli, struct credentials *c, char **ret_status, struct error *err)
{
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    credentials_write(c, &body);
    struct client_request request = {.method = "POST", .path = "/auth", .body = body.data, .body_size = body.size};
    int r = client_json(cli_client(cli), &request, &answer, err);
    if (r < 0)
        return r;
    const char *token = json_get_string(answer, "IdentityToken"), *status = json_get_string(answer, "Status");
    if (token && *token) {
        xstrset(&c->token, token);
        xstrset(&c->password, NULL);
    }
    *ret_status = xstrdup(status && *status ? status : "Login Succeeded");
    return 0;
}

/* Keeps them; `existing`: they were kept before. */
static int finish(struct cli *cli, struct credentials *c, const char *status, bool existing, struct error *err)
{
    bool in_file = false;
    int r = credentials_store(cli, c, &in_file, err);
    if (r < 0)
        return error_context(err, "Error saving credentials");
    if (in_file && !existing && c->password && *c->password)
        fprintf(stderr,
                "\nWARNING! Your credentials are stored unencrypted in '%s/config.json'.\n"
                "Configure a credential helper to remove this warning. See\n"
                "https://docs.docker.com/go/credential-store/\n\n",
                cli->config);
    printf("%s\n", status);
    return 0;
}

/* With what is stored already. False: there is nothing, or it does not do any more. */
static bool try_existing(struct cli *cli, struct credentials *c, char **ret_status)
{
    struct error failure = {0};
    if (!c->token && (!c->username || !*c->username || !c->password || !*c->password))
        return false;
    fprintf(stderr, "Authenticating with existing credentials...");
    if (c->username && *c->username)
        fprintf(stderr, " [Username: %s]", c->username);
    fprintf(stderr, "\n\n Info -> To login with a different account, run '%s logout' followed by '%s login'\n\n\n",
            cli->program, cli->program);
    if (authenticate(cli, c, ret_status, &failure) == 0)
        return true;
    fprintf(stderr, "Login did not succeed, error: %s\n", failure.message);
    return false;
}

static int run_login(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct login_flags *flags = data;
    CLEANUP_CREDENTIALS struct credentials c = {0};
    CLEANUP_FREE char *server = credentials_key(arguments->count ? arguments->items[0] : "");
    CLEANUP_FREE char *status = NULL;
    int r = check_flags(flags, err);
    if (r < 0)
        return r;
    if (flags->password_given)
        fprintf(stderr, "WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
    bool given = flags->username || flags->password_given;
    r = given ? 0 : credentials_get(cli, server, &c, err);
    if (r < 0)
        return r;
    if (given)
        c = (struct credentials){.server = xstrdup(server),
                                 .username = xstrdup(flags->username),
                                 .password = flags->password_stdin ? read_password() : xstrdup(flags->password)};
    bool existing = !given && try_existing(cli, &c, &status);
    if (!existing) {
        xstrset(&c.token, NULL);
        if (!given)
            xstrset(&c.password, NULL);
        r = ask(&c, err);
        if (r == 0)
            r = authenticate(cli, &c, &status, err);
    }
    return r == 0 ? finish(cli, &c, status, existing, err) : r;
}

static int run_logout(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)flags;
    CLEANUP_FREE char *server = credentials_key(arguments->count ? arguments->items[0] : "");
    printf("Removing login credentials for %s\n", server);
    fflush(stdout);
    int r = credentials_erase(cli, server, err);
    return r < 0 ? error_context(err, "WARNING: could not erase credentials") : 0;
}

const struct command command_login = {
    .name = "login",
    .place = PLACE_COMMON,
    .usage = "[OPTIONS] [SERVER]",
    .summary = "Authenticate to a registry",
    .description = "Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.",
    .options = login_options,
    .flags_size = sizeof(struct login_flags),
    .max_arguments = 1,
    .run = run_login,
};
const struct command command_logout = {
    .name = "logout",
    .place = PLACE_COMMON,
    .usage = "[SERVER]",
    .summary = "Log out from a registry",
    .description = "Log out from a registry.\nIf no server is specified, the default is Docker Hub.",
    .max_arguments = 1,
    .local = true,
    .run = run_logout,
};
