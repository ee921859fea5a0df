/*
 * JSON: a value tree (read with yajl) and a writer into a strbuf. Objects keep the order of their members; integers
 * keep 64 bits. Input is bounded: JSON_DEPTH_MAX levels; the caller bounds the size. Text that is not UTF-8 and member
 * names with a NUL in them are refused; half a surrogate pair ("\ud800") reads as U+FFFD. Of members of the same name
 * the last one counts.
 */
#ifndef DORY_BASE_JSON_H
#define DORY_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/strbuf.h"

#define JSON_DEPTH_MAX 64

enum json_kind { JSON_NULL, JSON_BOOL, JSON_INTEGER, JSON_REAL, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_kind kind;
    union {
        bool boolean;
        int64_t integer;
        struct {
            double real;
            uint64_t exact; /* JSON_REAL that was written as an integer above INT64_MAX: its value, else 0 */
        };
        struct {
            char *data; /* NUL-terminated; size tells of embedded NULs */
            size_t size;
        } string;
        struct {
            struct json *items;
            size_t count;
        } array;
        struct {
            char **keys;
            struct json *values;
            size_t count;
        } object;
    };
};

#define CLEANUP_JSON CLEANUP(json_free_ptr)

/* Parses the whole text (size 0 is an error). On success *ret is a new tree (json_free). A message says where the text
 * went wrong. */
int json_parse(const char *text, size_t size, struct json **ret, struct error *err);
void json_free(struct json *value);
void json_free_ptr(struct json **value);
struct json *json_copy(const struct json *value);

/* Accessors take NULL and the wrong kind calmly: they answer NULL / the fallback. Results live in the tree. */
const struct json *json_get(const struct json *object, const char *key);
const char *json_get_string(const struct json *object, const char *key); /* NULL if absent */
int64_t json_get_int(const struct json *object, const char *key, int64_t fallback);
bool json_get_bool(const struct json *object, const char *key, bool fallback);
const char *json_string(const struct json *value);
size_t json_count(const struct json *array); /* 0 unless an array */
const struct json *json_at(const struct json *array, size_t i);

/*
 * Writer. Commas and quoting are its business. Strings are written as Go's encoder does for what matters (control
 * characters, U+2028 and U+2029 escaped, invalid UTF-8 replaced by U+FFFD); < > & are left alone. Misuse (a value
 * without a key inside an object, a key outside of one, more than 64 levels of begin) aborts.
 */
struct json_writer {
    struct strbuf *out;
    unsigned depth;
    uint64_t nonempty; /* one bit per level: a comma is due */
    uint64_t objects;  /* one bit per level: it is an object */
    bool after_key;
};

void json_writer_init(struct json_writer *w, struct strbuf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_put_string(struct json_writer *w, const char *s); /* NULL writes "" */
void json_put_string_n(struct json_writer *w, const char *s, size_t size);
void json_put_int(struct json_writer *w, int64_t n);
void json_put_uint(struct json_writer *w, uint64_t n);
void json_put_double(struct json_writer *w, double d); /* shortest text that reads back the same; NaN and Inf: null */
void json_put_bool(struct json_writer *w, bool b);
void json_put_null(struct json_writer *w);
void json_put_value(struct json_writer *w, const struct json *value);    /* NULL writes null */
void json_put_raw(struct json_writer *w, const char *text, size_t size); /* already JSON */

/* key + value in one call */
void json_member_string(struct json_writer *w, const char *key, const char *s);
void json_member_int(struct json_writer *w, const char *key, int64_t n);
void json_member_bool(struct json_writer *w, const char *key, bool b);
void json_member_null(struct json_writer *w, const char *key);

/* Appends s as a JSON string literal with quotes; shared with the log writer. */
void json_quote(struct strbuf *out, const char *s, size_t size);

#endif
