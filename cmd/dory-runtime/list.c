/* state and list: what is known of containers. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "cmd/dory-runtime/runtime.h"
#include "cmd/dory-runtime/state.h"

#define PASSWD_MAX (1u << 20)

/* The name that /etc/passwd has for whoever owns the directory, read directly: a static program loads no name service.
 */
static char *owner_of(int dir_fd)
{
    struct stat st;
    CLEANUP_FREE char *text = NULL;
    CLEANUP_STRV struct strv lines = STRV_INIT;
    if (fstat(dir_fd, &st) < 0)
        return xstrdup("");
    if (file_read(AT_FDCWD, "/etc/passwd", PASSWD_MAX, &text, NULL, NULL) == 0)
        strv_split(&lines, text, '\n');
    for (size_t i = 0; i < lines.count; i++) {
        CLEANUP_STRV struct strv fields = STRV_INIT;
        uint64_t uid;
        strv_split(&fields, lines.items[i], ':');
        if (fields.count > 2 && parse_uint64(fields.items[2], UINT32_MAX, &uid) == 0 && uid == st.st_uid)
            return xstrdup(fields.items[0]);
    }
    return xasprintf("#%u", st.st_uid);
}

static void write_state(struct json_writer *w, const struct state *state, enum status status, const char *owner)
{
    json_begin_object(w);
    json_member_string(w, "ociVersion", state->version);
    json_member_string(w, "id", state->id);
    json_member_int(w, "pid", status == STATUS_STOPPED ? 0 : state->pid);
    json_member_string(w, "status", status_name(status));
    json_member_string(w, "bundle", state->bundle);
    json_member_string(w, "rootfs", state->rootfs);
    json_member_string(w, "created", state->created);
    if (state->annotations.count > 0) {
        json_key(w, "annotations");
        json_begin_object(w);
        for (size_t i = 0; i < state->annotations.count; i++)
            json_member_string(w, state->annotations.items[i].key, state->annotations.items[i].value);
        json_end_object(w);
    }
    json_member_string(w, "owner", owner);
    json_end_object(w);
}

int command_state(const struct global *global, int argc, char **argv, struct error *err)
{
    const struct option_row none[] = {OPTION_END};
    const char *id;
    int rest;
    int r = options_one_id(none, argc, argv, 1, &id, &rest, err);
    struct state state = {0};
    CLEANUP_CLOSE int dir = -1;
    r = r < 0 ? r : state_read(global->root, id, &state, &dir, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *owner = owner_of(dir);
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    write_state(&w, &state, state_status(&state, dir), owner);
    printf("%s\n", strbuf_str(&text));
    state_release(&state);
    return 0;
}

/* ---- list ---- */

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_QUIET };

enum { COLUMNS = 6 };

struct table {
    struct strv cells; /* row after row */
};

static void table_row(struct table *table, const char *const row[COLUMNS])
{
    for (size_t i = 0; i < COLUMNS; i++)
        strv_add(&table->cells, row[i]);
}

/* Columns as wide as their longest cell, three blanks between them, at least twelve places: runc's. */
static void table_print(const struct table *table)
{
    size_t widths[COLUMNS];
    for (size_t c = 0; c < COLUMNS; c++) {
        widths[c] = 9;
        for (size_t i = c; i < table->cells.count; i += COLUMNS)
            if (strlen(table->cells.items[i]) > widths[c])
                widths[c] = strlen(table->cells.items[i]);
    }
    for (size_t i = 0; i < table->cells.count; i++) {
        bool last = i % COLUMNS == COLUMNS - 1;
        printf("%-*s%s", last ? 0 : (int)widths[i % COLUMNS] + 3, table->cells.items[i], last ? "\n" : "");
    }
}

/* Nothing has made the usual directory before the first container; one that was asked for is to be there. */
static int collect_ids(const char *root, bool usual, struct strv *ids, struct error *err)
{
    DIR *dir = opendir(root);
    if (dir == NULL)
        return errno == ENOENT && usual ? 0 : error_errno(err, errno, "cannot read %s", root);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            strv_add(ids, entry->d_name);
    closedir(dir);
    strv_sort(ids);
    return 0;
}

static void list_one(const char *root, const char *id, enum format format, struct json_writer *w, struct table *table)
{
    struct state state = {0};
    CLEANUP_CLOSE int dir = -1;
    if (state_read(root, id, &state, &dir, NULL) < 0)
        return; /* being made or removed this moment */
    enum status status = state_status(&state, dir);
    CLEANUP_FREE char *owner = owner_of(dir);
    CLEANUP_FREE char *pid = xasprintf("%lld", status == STATUS_STOPPED ? 0LL : (long long)state.pid);
    if (format == FORMAT_JSON)
        write_state(w, &state, status, owner);
    else if (format == FORMAT_QUIET)
        printf("%s\n", state.id);
    else
        table_row(table, (const char *const[]){state.id, pid, status_name(status), state.bundle, state.created, owner});
    state_release(&state);
}

int command_list(const struct global *global, int argc, char **argv, struct error *err)
{
    const char *name = "table";
    bool quiet = false;
    const struct option_row rows[] = {OPTION_TEXT("format", 'f', &name, "table (default) or json"),
                                      OPTION_FLAG("quiet", 'q', &quiet, "ids only"), OPTION_END};
    int first;
    int r = options_parse(rows, argc, argv, &first, err);
    if (r == 0 && strcmp(name, "json") != 0 && strcmp(name, "table") != 0)
        r = error_set(err, ERROR_INVALID, 0, "invalid format option");
    CLEANUP_STRV struct strv ids = STRV_INIT;
    r = r < 0 ? r : collect_ids(global->root, global->default_root != NULL, &ids, err);
    if (r < 0)
        return r;
    enum format format = quiet ? FORMAT_QUIET : strcmp(name, "json") == 0 ? FORMAT_JSON : FORMAT_TABLE;
    struct table table = {0};
    table_row(&table, (const char *const[]){"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"});
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_array(&w);
    for (size_t i = 0; i < ids.count; i++)
        list_one(global->root, ids.items[i], format, &w, &table);
    json_end_array(&w);
    if (format == FORMAT_JSON)
        printf("%s\n", strbuf_str(&text));
    else if (format == FORMAT_TABLE)
        table_print(&table);
    strv_release(&table.cells);
    return 0;
}
