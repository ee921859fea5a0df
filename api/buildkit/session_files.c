/* Directories of a client: fsutil's protocol on the stream of moby.filesync.v1.FileSync/DiffCopy. The client lists what
 * it has, as packets STAT up to one without an entry; the daemon asks for files by their place in that list (REQ), and
 * they come as packets DATA, several files at once, an empty one at the end of each. FIN ends it on both sides. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "api/buildkit/buildkit.pb-c.h"
#include "api/buildkit/go_mode.h"
#include "api/buildkit/grpc.h"
#include "api/buildkit/session.h"
#include "base/digest.h"
#include "base/memory.h"
#include "base/timestamp.h"
#include "daemon/build/context_sync.h"

/* A file that was changed so lately may change again without its time showing it. */
#define RECENT_NS INT64_C(2000000000)

struct transfer {
    struct grpc_call call;
    const struct session_files_options *options;
    struct strbuf manifest;
    uint32_t *ids; /* of the entries of the manifest in the client's list */
    size_t count, capacity;
    uint32_t listed;
    size_t manifest_size;
    int64_t bytes;
    int64_t now; /* ns */
    unsigned recent;
};

/* ---- metadata ---- */

/* As Go's url.QueryEscape, for values that are not ASCII. */
static void escape(const char *text, struct strbuf *out)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("-_.~", c))
            strbuf_addc(out, (char)c);
        else if (c == ' ')
            strbuf_addc(out, '+');
        else
            strbuf_addf(out, "%%%02X", c);
    }
}

static bool is_plain(const struct strv *values)
{
    for (size_t i = 0; i < values->count; i++) {
        for (const char *p = values->items[i]; *p; p++) {
            if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
                return false;
        }
    }
    return true;
}

static void add_metadata(struct strv *headers, const char *name, const struct strv *values)
{
    bool plain = is_plain(values);
    for (size_t i = 0; i < values->count; i++) {
        CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
        if (!plain)
            escape(values->items[i], &text);
        strv_add(headers, name);
        strv_add(headers, plain ? values->items[i] : strbuf_str(&text));
    }
    if (!plain) {
        strv_addf(headers, "%s-encoded", name);
        strv_add(headers, "1");
    }
}

/* ---- the list ---- */

static char kind_of(const Bk__Stat *stat)
{
    if (stat->mode & GO_DIR)
        return 'd';
    if (stat->mode & GO_SYMLINK)
        return 'l';
    if (stat->mode & GO_FIFO)
        return 'p';
    if (stat->mode & GO_DEVICE)
        return stat->mode & GO_CHARACTER ? 'c' : 'b';
    return stat->mode & GO_SOCKET ? 's' : 'f';
}

static unsigned permissions(const Bk__Stat *stat)
{
    return (stat->mode & 0777) | (stat->mode & GO_SETUID ? 04000 : 0) | (stat->mode & GO_SETGID ? 02000 : 0) |
           (stat->mode & GO_STICKY ? 01000 : 0);
}

static void add_extra(struct strbuf *out, const Bk__Stat *stat, char kind)
{
    if (kind == 'l')
        strbuf_adds(out, stat->linkname);
    for (size_t i = 0; kind == 'f' && i < stat->n_xattrs; i++) {
        const Bk__BytesEntry *xattr = stat->xattrs[i];
        if (strcmp(xattr->key, "security.capability") != 0)
            continue;
        for (size_t k = 0; k < xattr->value.len; k++)
            strbuf_addf(out, "%02x", xattr->value.data[k]);
    }
}

/* One entry of the manifest (api/client_session.h). What is wrong with it is found by those who read that. */
static int add_entry(struct transfer *t, const Bk__Stat *stat, struct error *err)
{
    char kind = kind_of(stat);
    uint32_t id = t->listed++;
    if (t->listed > CONTEXT_ENTRIES_MAX)
        return error_set(err, ERROR_INVALID, EFBIG, "build context: more than %zu files", CONTEXT_ENTRIES_MAX);
    if (kind == 's') /* a socket is of no use to anybody else */
        return 0;
    int64_t inode = 0, size = kind == 'f' ? stat->size : 0;
    if (kind == 'c' || kind == 'b')
        size = (int64_t)((uint64_t)stat->devmajor << 8 | (uint64_t)(stat->devminor & 0xff));
    if (kind == 'f' && stat->mod_time > t->now - RECENT_NS)
        inode = -(t->now / 1000 * 1000 + ++t->recent);
    strbuf_addf(&t->manifest, "%c %o %lld %lld 0 %lld", kind, permissions(stat), (long long)size,
                (long long)stat->mod_time, (long long)inode);
    strbuf_addc(&t->manifest, '\0');
    strbuf_adds(&t->manifest, stat->path);
    strbuf_addc(&t->manifest, '\0');
    add_extra(&t->manifest, stat, kind);
    strbuf_addc(&t->manifest, '\0');
    if (t->manifest.size > CONTEXT_MANIFEST_MAX)
        return error_set(err, ERROR_INVALID, EFBIG, "build context: the list of files is larger than %zu bytes",
                         CONTEXT_MANIFEST_MAX);
    xgrow((void **)&t->ids, t->count, &t->capacity, sizeof(*t->ids));
    t->ids[t->count++] = id;
    return 0;
}

static int next_packet(struct transfer *t, struct strbuf *message, Bk__Packet **ret, struct error *err)
{
    int r = grpc_receive(&t->call, message, err);
    if (r == 0) {
        r = grpc_status(&t->call, err);
        return r < 0 ? r : error_set(err, ERROR_INVALID, EPROTO, "build context: the client ended too early");
    }
    if (r < 0)
        return r;
    *ret = bk__packet__unpack(NULL, message->size, (const uint8_t *)strbuf_str(message));
    if (!*ret)
        return error_set(err, ERROR_INVALID, EPROTO, "build context: malformed packet");
    if ((*ret)->type != BK__PACKET__TYPE__ERR)
        return 0;
    r = error_set(err, ERROR_INVALID, 0, "build context: %.*s",
                  (int)((*ret)->data.len < 1000 ? (*ret)->data.len : 1000), (const char *)(*ret)->data.data);
    bk__packet__free_unpacked(*ret, NULL);
    *ret = NULL;
    return r;
}

static int receive_list(struct transfer *t, struct error *err)
{
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    for (;;) {
        Bk__Packet *packet = NULL;
        int r = next_packet(t, &message, &packet, err);
        if (r < 0)
            return r;
        bool last = packet->type == BK__PACKET__TYPE__STAT && !packet->stat;
        if (packet->type != BK__PACKET__TYPE__STAT)
            r = error_set(err, ERROR_INVALID, EPROTO, "build context: packet %d within the list", packet->type);
        else if (!last)
            r = add_entry(t, packet->stat, err);
        bk__packet__free_unpacked(packet, NULL);
        if (r < 0 || last)
            return r;
    }
}

/* ---- contents ---- */

static int send_packet(struct transfer *t, Bk__Packet__Type type, uint32_t id, const char *text, struct error *err)
{
    Bk__Packet packet = BK__PACKET__INIT;
    packet.type = type;
    packet.id = id;
    if (text)
        packet.data = (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)text};
    CLEANUP_FREE uint8_t *packed = xmalloc(bk__packet__get_packed_size(&packet) + 1);
    return grpc_send(&t->call, packed, bk__packet__pack(&packet, packed), err);
}

/* Which of these places, which rise as their ids do, is that of a file that was asked for? SIZE_MAX: none. */
static size_t place_of(const struct transfer *t, const uint32_t *places, size_t count, uint32_t id)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->ids[places[middle]] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && t->ids[places[low]] == id ? places[low] : SIZE_MAX;
}

/* Of a file that has come to its end nothing more can come: it is there (context_sync.h). */
static int take_data(struct transfer *t, struct context_sync *sync, const Bk__Packet *packet, size_t place,
                     size_t *ended, struct error *err)
{
    if (packet->type != BK__PACKET__TYPE__DATA || place == SIZE_MAX)
        return error_set(err, ERROR_INVALID, EPROTO, "build context: packet %d of file %u was not asked for",
                         packet->type, packet->id);
    t->bytes += (int64_t)packet->data.len;
    if (packet->data.len > 0)
        return context_sync_data(sync, (uint32_t)place, packet->data.data, packet->data.len, err);
    ++*ended;
    return context_sync_end(sync, (uint32_t)place, false, err);
}

static int receive_files(struct transfer *t, struct context_sync *sync, const uint32_t *needed, size_t count,
                         struct error *err)
{
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    size_t asked = 0, ended = 0;
    int r = 0;
    while (r == 0 && ended < count) {
        while (r == 0 && asked < count && asked - ended < CONTEXT_OPEN_MAX) {
            r = send_packet(t, BK__PACKET__TYPE__REQ, t->ids[needed[asked]], NULL, err);
            asked++;
        }
        Bk__Packet *packet = NULL;
        if (r == 0)
            r = next_packet(t, &message, &packet, err);
        if (r < 0)
            return r;
        r = take_data(t, sync, packet, place_of(t, needed, asked, packet->id), &ended, err);
        bk__packet__free_unpacked(packet, NULL);
        if (t->options->progress)
            t->options->progress(t->bytes, t->options->data);
    }
    return r;
}

static int finish(struct transfer *t, struct error *err)
{
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    Bk__Packet *packet = NULL;
    int r = send_packet(t, BK__PACKET__TYPE__FIN, 0, NULL, err);
    if (r == 0)
        r = next_packet(t, &message, &packet, err);
    if (packet && packet->type != BK__PACKET__TYPE__FIN)
        r = error_set(err, ERROR_INVALID, EPROTO, "build context: packet %d instead of the end", packet->type);
    if (packet)
        bk__packet__free_unpacked(packet, NULL);
    grpc_send_end(&t->call);
    return r;
}

/* The same part of the same directory of the same client has the same key: builds that need different parts of it do
 * not take each other's away. */
static void make_key(const struct session *session, const struct session_files_options *options,
                     char ret[DIGEST_HEX_MAX])
{
    struct digest digest;
    unsigned char raw[DIGEST_SIZE];
    const char *shared = *session->shared_key ? session->shared_key : session->id;
    digest_init(&digest);
    digest_update(&digest, "buildkit", 9);
    digest_update(&digest, shared, strlen(shared) + 1);
    digest_update(&digest, options->name, strlen(options->name) + 1);
    digest_update(&digest, options->follow ? "f" : "a", 1);
    for (size_t i = 0; options->follow && i < options->follow->count; i++)
        digest_update(&digest, options->follow->items[i], strlen(options->follow->items[i]) + 1);
    digest_final(&digest, raw);
    digest_to_hex(raw, ret);
}

static int transfer(struct transfer *t, struct session *session, struct engine *engine, struct context_sync **ret_sync,
                    int *ret_fd, struct error *err)
{
    CLEANUP_CONTEXT_SYNC struct context_sync *sync = NULL;
    CLEANUP_FREE uint32_t *needed = NULL;
    char key[DIGEST_HEX_MAX];
    size_t count = 0;
    int r = receive_list(t, err);
    t->manifest_size = t->manifest.size;
    make_key(session, t->options, key);
    if (r == 0)
        r = context_sync_open(engine, key, &t->manifest, &sync, &needed, &count, err);
    if (r == 0)
        r = receive_files(t, sync, needed, count, err);
    if (r == 0)
        r = finish(t, err);
    if (r == 0)
        r = context_sync_finish(sync, ret_fd, err);
    if (r < 0 && err && err->kind != ERROR_CANCELLED)
        send_packet(t, BK__PACKET__TYPE__ERR, 0, err->message, NULL);
    if (r == 0)
        *ret_sync = TAKE_PTR(sync);
    return r;
}

int session_files(struct session *session, struct engine *engine, const struct session_files_options *options,
                  struct context_sync **ret_sync, int *ret_fd, int64_t *ret_bytes, struct error *err)
{
    CLEANUP_STRV struct strv headers = STRV_INIT, name = STRV_INIT;
    struct transfer t = {.options = options, .manifest = STRBUF_INIT, .now = timestamp_now()};
    strv_add(&name, options->name);
    add_metadata(&headers, "dir-name", &name);
    if (options->exclude)
        add_metadata(&headers, "exclude-patterns", options->exclude);
    if (options->follow)
        add_metadata(&headers, "followpaths", options->follow);
    int r = grpc_call(session->connection, "/moby.filesync.v1.FileSync/DiffCopy", &headers, options->cancel_fd, &t.call,
                      err);
    if (r == 0)
        r = transfer(&t, session, engine, ret_sync, ret_fd, err);
    *ret_bytes = (int64_t)t.manifest_size + t.bytes;
    grpc_call_release(&t.call);
    strbuf_release(&t.manifest);
    free(t.ids);
    return r;
}
