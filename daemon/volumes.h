/*
 * Volumes of the local driver: a row in the database and <data_root>/volumes/NAME/_data on the disk. The row is made
 * first; the directory follows whenever it is missing, so a crash in between leaves nothing to repair.
 */
#ifndef DORY_DAEMON_VOLUMES_H
#define DORY_DAEMON_VOLUMES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/db.h"
#include "base/error.h"
#include "base/json.h"
#include "base/strmap.h"

struct volumes;

struct volume {
    char *name;
    int64_t created;
    struct strmap labels, options;
    bool anonymous;
};
void volume_release(struct volume *volume);

/* root: <data_root>/volumes. `db` stays the caller's. uid, gid: to whom new volumes belong. */
int volumes_open(const char *root, struct db *db, uid_t uid, gid_t gid, struct volumes **ret, struct error *err);
void volumes_close(struct volumes *volumes);

struct volume_create {
    const char *name;                      /* NULL or "": 64 random hex digits */
    const char *driver;                    /* NULL, "" or "local"; others are docker's "... plugin not found" */
    const struct strmap *labels, *options; /* options: type, device, o (volume_options.h); either may be NULL */
    bool anonymous;
    bool pending; /* made for a container whose row does not exist yet: volume_settle() ends that; a crash before it
                     deletes the volume at the next start */
};
/* An existing volume of that name is returned as it is. *ret is released by the caller (volume_release). *ret_new tells
 * (may be NULL). */
int volume_create(struct volumes *volumes, const struct volume_create *request, struct volume *ret, bool *ret_new,
                  struct error *err);
/* "get X: no such volume" */
int volume_get(struct volumes *volumes, const char *name, struct volume *ret, struct error *err);
/* Array of volumes by name; release each and free. */
int volume_list(struct volumes *volumes, struct volume **ret, size_t *ret_count, struct error *err);
/*
 * Holding a volume keeps it from being removed and renamed until as many volume_unhold(): for whoever is about to use
 * it and cannot be found among the containers yet. The name need not exist.
 */
void volume_hold(struct volumes *volumes, const char *name);
void volume_unhold(struct volumes *volumes, const char *name);
/* Holds it and, when it has driver options and is the first, mounts it on its _data: "error while mounting volume
 * '...'". volume_unmount() undoes one. After the daemon's start, volume_mount() of one that is still mounted counts it
 * only. */
int volume_mount(struct volumes *volumes, const char *name, struct error *err);
void volume_unmount(struct volumes *volumes, const char *name);
/* Row and data, unless somebody holds it or `used_by` (called with the volumes locked; may be NULL) returns who uses it
 * (caller frees): "remove X: volume is in use - [...]". */
typedef char *(*volume_used_by)(const char *name, void *data);
int volume_remove(struct volumes *volumes, const char *name, volume_used_by used_by, void *data, struct error *err);
/* Under the same conditions. A volume of the new name must not exist. A crash in between is completed by
 * volumes_sweep(). */
int volume_rename(struct volumes *volumes, const char *name, const char *new_name, volume_used_by used_by, void *data,
                  struct error *err);
/* The two halves of a removal: the row (may be part of a caller's transaction), and what is on the disk. */
int volume_forget(struct volumes *volumes, const char *name, struct error *err);
void volume_delete_data(struct volumes *volumes, const char *name);
/* The container of a pending volume has its row now (call it in the transaction that made the row). */
int volume_settle(struct volumes *volumes, const char *name, struct error *err);
/* Deletes what crashes left: pending volumes, and directories that have no row. */
int volumes_sweep(struct volumes *volumes, struct error *err);
/* <root>/NAME/_data; the caller frees. */
char *volume_path(struct volumes *volumes, const char *name);
/* The data directory, made if missing: O_DIRECTORY descriptor or -errno. */
int volume_open_data(struct volumes *volumes, const char *name, struct error *err);
/*
 * Fills a volume, or the part of it that is mounted, from a directory of an image: `to` and `from` are open directories
 * and stay the caller's. Owner, mode, times and xattrs are copied by descriptor, symlinks as symlinks and never
 * followed. One with content is left alone. `what`: the volume's name, for errors.
 */
int volume_populate(int to, int from, const char *what, struct error *err);
/* Bytes on the disk. */
int volume_size(struct volumes *volumes, const char *name, int64_t *ret, struct error *err);

/* ---- with the engine's knowledge of who uses what (volume_api.c) ---- */
struct engine;
int engine_volume_remove(struct engine *engine, const char *name, bool force, struct error *err);
int engine_volume_rename(struct engine *engine, const char *name, const char *new_name, struct error *err);
/* JSON of one volume as the API has it. */
void volume_write_json(struct engine *engine, const struct volume *volume, struct json_writer *w);
extern const char *const volume_list_filters[];
int engine_volume_list(struct engine *engine, const struct json *filters, struct strbuf *out, struct error *err);
extern const char *const volume_prune_filters[];
/* all: named volumes, too (also the filter "all"). */
int engine_volume_prune(struct engine *engine, const struct json *filters, bool all, struct strbuf *out,
                        struct error *err);

#endif
