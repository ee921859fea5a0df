/*
 * The Compose specification as tables: every key with the shape of its value. One walk over a document (schema_apply)
 * refuses keys and values that do not belong, with file, line and column; expands short forms; and turns values into
 * what the canonical model has (texts that are numbers into numbers, sizes into bytes, durations into Go's form).
 * merge.h and render.h read the same rows. The rows of a table stand in the order in which Compose prints them.
 */
#ifndef DORY_CMD_DORY_COMPOSE_SCHEMA_H
#define DORY_CMD_DORY_COMPOSE_SCHEMA_H

#include "cmd/dory/compose/yaml.h"

enum shape {
    SHAPE_TEXT,           /* text */
    SHAPE_TEXT_OR_NUMBER, /* becomes text */
    SHAPE_BOOL,           /* a boolean, or text like "yes" */
    SHAPE_INTEGER,        /* a number without fraction, or text of one */
    SHAPE_REAL,           /* a number, or text of one; kept in single precision as Compose does */
    SHAPE_BYTES,          /* "64m" or a number: text with the bytes */
    SHAPE_DURATION,       /* "1m30s" */
    SHAPE_MODE,           /* 0440 or "0440": text in octal */
    SHAPE_COMMAND,        /* null, text (split as a shell would) or a list of texts */
    SHAPE_TEST,           /* of a health check: text becomes CMD-SHELL */
    SHAPE_TEXTS,          /* a list of texts that are all different */
    SHAPE_TEXTS_OR_NUMBERS,
    SHAPE_ONE_OR_MORE, /* text, or a list of texts */
    SHAPE_MAPPING,     /* a mapping, or a list of "key=value": values are texts, nothing is "" */
    SHAPE_ENVIRONMENT, /* the same, but no value stays null */
    SHAPE_OPTIONS,     /* a mapping: values are texts */
    SHAPE_MULTI_OPTIONS,
    SHAPE_HOSTS, /* "host=address" or a mapping: a list of "host=address" */
    SHAPE_ANY,
    SHAPE_OBJECT,     /* a mapping with the keys of .rows */
    SHAPE_OBJECTS,    /* a list of such mappings */
    SHAPE_OBJECT_MAP, /* a mapping of any key to such mappings */
    SHAPE_NAMED_MAP,  /* that, or a list of keys; the values may be null */
    SHAPE_BUILD,      /* SHAPE_OBJECT, or the context alone */
    SHAPE_EXTENDS,
    SHAPE_DEPENDS_ON,
    SHAPE_ENV_FILES,
    SHAPE_PORTS,
    SHAPE_MOUNTS, /* volumes of a service */
    SHAPE_DEVICES,
    SHAPE_FILE_MOUNTS, /* secrets and configs of a service */
    SHAPE_ULIMITS,
    SHAPE_EXTERNAL,
    SHAPE_DEVICE_COUNT,
    SHAPE_SSH,
    SHAPE_INCLUDES,
};

enum schema_flags {
    SCHEMA_KEEP = 1 << 0,   /* printed whenever it was given; the others are not when they are empty, 0 or false */
    SCHEMA_ALWAYS = 1 << 1, /* null (or false) in JSON when it was not given; with SCHEMA_KEEP in YAML too */
    SCHEMA_STRUCT = 1 << 2, /* {} in JSON when it was not given */
    SCHEMA_REQUIRED = 1 << 3,
    SCHEMA_NULLABLE = 1 << 4, /* null is as good as nothing */
    SCHEMA_STRICT = 1 << 5,   /* no text for a boolean or an integer, no number for a size or a text */
    SCHEMA_HIDDEN = 1 << 6,   /* resolved before the model is printed */
    SCHEMA_REFUSED = 1 << 7,  /* of the specification, but not to be had here: .words says why */
    /* merging */
    SCHEMA_OVERRIDE = 1 << 8,   /* the later file's value alone counts */
    SCHEMA_DRIVER = 1 << 9,     /* merged only if both have the same "driver" */
    SCHEMA_POOLS = 1 << 10,     /* a list of pools, by subnet */
    SCHEMA_BY_KEY = 1 << 11,    /* lists: of entries that are the same up to '=', the later one counts */
    SCHEMA_BY_TARGET = 1 << 12, /* of entries with the same "target" */
    SCHEMA_BY_PORT = 1 << 13,   /* ... address, published and target port, protocol */
    SCHEMA_BY_PATH = 1 << 14,   /* ... "path" */
    SCHEMA_REPEATED = 1 << 15,  /* texts need not be different, nor with SCHEMA_BY_KEY */
    SCHEMA_UNSIGNED = 1 << 16,
    SCHEMA_PAIRS = 1 << 17, /* a list of "key=value" becomes a mapping even when variables stay in it; no key alone */
    SCHEMA_FRACTION = 1 << 18,  /* an integer, but a number with a fraction is cut off and not refused */
    SCHEMA_ONLY_TEXT = 1 << 20, /* a mapping: its values are texts, not numbers or nothing */
    SCHEMA_NO_EMPTY = 1 << 19,  /* a list of texts: empty ones are left out */
};

struct schema_row {
    const char *name; /* NULL ends a table */
    enum shape shape;
    unsigned flags;
    const struct schema_row *rows; /* of the object */
    const char *words;             /* the texts that there are, separated by '|' */
    const char *json_name;         /* where JSON calls it otherwise */
};

/* The whole file. */
extern const struct schema_row schema_file;
extern const struct schema_row schema_service_rows[], schema_network_rows[], schema_volume_rows[], schema_secret_rows[],
    schema_config_rows[], schema_build_rows[], schema_ulimit_rows[], schema_hook_rows[], schema_mount_rows[],
    schema_port_rows[], schema_device_rows[], schema_file_mount_rows[], schema_depends_rows[], schema_env_file_rows[],
    schema_extends_rows[], schema_include_rows[], schema_device_request_rows[], schema_model_rows[],
    schema_deploy_rows[], schema_develop_rows[];

const struct schema_row *schema_find(const struct schema_row *rows, const char *name);

struct schema_walk {
    struct yaml_pool *pool;
    struct strv *warnings;
    bool raw; /* variables are still in the texts: values stay as they are, and short forms that cannot be read too */
};

/* Checks and converts a document in place. */
int schema_apply(const struct schema_walk *walk, struct yaml *document, struct error *err);
/* What can only be told of the merged document: keys that must be there. */
int schema_check_complete(const struct yaml *document, struct error *err);

/* ---- for the parts of the walk ---- */

/* Where the walk is: "services.web.ports". */
struct schema_path {
    const struct schema_path *up;
    const char *name; /* NULL: item `index` of a list */
    size_t index;
};
char *schema_path_text(const struct schema_path *path);
/* "FILE:L:C: services.web.image must be a string". */
int schema_wrong(const struct schema_path *path, const struct yaml *node, struct error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int schema_value(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                 const struct schema_path *path, struct error *err);
/* A scalar of schema_values.c. */
int schema_scalar(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                  const struct schema_path *path, struct error *err);
/* The shapes of schema_lists.c and schema_forms.c: 1 when the shape is none of theirs. */
int schema_list(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                const struct schema_path *path, struct error *err);
int schema_form(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                const struct schema_path *path, struct error *err);
/* One "[host:]container[:mode]" of a service's volumes, in place (mounts.c); one device. */
int schema_short_mount(const struct schema_walk *walk, struct yaml *node, const struct schema_path *path,
                       struct error *err);
/* Words as a shell would split them; a control operator outside of quotes ends them, as in Compose. */
int schema_split_words(const char *text, struct strv *ret, struct error *err);
/* No text of a list is there twice. */
int schema_check_different(const struct yaml *node, const struct schema_path *path, struct error *err);
/* Nanoseconds of "1w2d3h4m5s6ms". 0 or -EINVAL. */
int schema_duration(const char *text, int64_t *ret_ns);

#endif
