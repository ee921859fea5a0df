/* Results to the client: moby.filesync.v1.FileSend/DiffCopy, which takes either bytes (an archive) or, for a directory
 * of the client's, the packets of session_files.c the other way round. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "api/buildkit/buildkit.pb-c.h"
#include "api/buildkit/go_mode.h"
#include "api/buildkit/grpc.h"
#include "api/buildkit/session.h"
#include "base/beneath.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/memory.h"

#define PIECE 32768
#define DEPTH_MAX 512

int session_send_open(struct session *session, int exporter, int cancel_fd, struct grpc_call *ret, struct error *err)
{
    CLEANUP_STRV struct strv headers = STRV_INIT;
    strv_add(&headers, "buildkit-attachable-exporter-id");
    strv_addf(&headers, "%d", exporter);
    return grpc_call(session->connection, "/moby.filesync.v1.FileSend/DiffCopy", &headers, cancel_fd, ret, err);
}

static int send_piece(struct grpc_call *call, const void *bytes, size_t size, struct error *err)
{
    Bk__Bytes message = BK__BYTES__INIT;
    CLEANUP_FREE uint8_t *packed = xmalloc(size + 16);
    message.data = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)bytes};
    return grpc_send(call, packed, bk__bytes__pack(&message, packed), err);
}

/* What the client says is why it takes no more. */
static int explain(struct grpc_call *call, int r, struct error *err)
{
    CLEANUP_STRBUF struct strbuf rest = STRBUF_INIT;
    struct error said = {0};
    if (grpc_receive(call, &rest, NULL) == 0 && grpc_status(call, &said) < 0)
        return error_propagate(err, &said);
    return r;
}

int session_send_bytes(void *data, const void *bytes, size_t size, struct error *err)
{
    int r = 0;
    for (size_t at = 0; at < size && r == 0;) {
        size_t n = size - at < GRPC_MESSAGE_MAX / 16 ? size - at : GRPC_MESSAGE_MAX / 16;
        r = send_piece(data, (const char *)bytes + at, n, err);
        at += n;
    }
    return r < 0 ? explain(data, r, err) : 0;
}

int session_send_close(struct grpc_call *call, struct error *err)
{
    CLEANUP_STRBUF struct strbuf rest = STRBUF_INIT;
    grpc_send_end(call);
    int r = grpc_receive(call, &rest, err);
    return r < 0 ? r : grpc_status(call, err);
}

/* ---- a directory ---- */

struct sender {
    struct grpc_call call;
    int root_fd;
    struct strv paths;  /* by number; "" where nothing can be asked for */
    struct strbuf path; /* of the directory that is being walked */
    unsigned depth;
};

static int send_packet(struct sender *s, const Bk__Packet *packet, struct error *err)
{
    CLEANUP_FREE uint8_t *packed = xmalloc(bk__packet__get_packed_size(packet) + 1);
    return grpc_send(&s->call, packed, bk__packet__pack(packet, packed), err);
}

static uint32_t go_mode(mode_t mode)
{
    uint32_t kind = S_ISDIR(mode)    ? GO_DIR
                    : S_ISLNK(mode)  ? GO_SYMLINK
                    : S_ISFIFO(mode) ? GO_FIFO
                    : S_ISSOCK(mode) ? GO_SOCKET
                    : S_ISCHR(mode)  ? GO_DEVICE | GO_CHARACTER
                    : S_ISBLK(mode)  ? GO_DEVICE
                                     : 0;
    return (uint32_t)(mode & 0777) | kind | (mode & S_ISUID ? GO_SETUID : 0) | (mode & S_ISGID ? GO_SETGID : 0) |
           (mode & S_ISVTX ? GO_STICKY : 0);
}

static int send_entry(struct sender *s, int dir_fd, const char *name, const struct stat *st, struct error *err)
{
    Bk__Packet packet = BK__PACKET__INIT;
    Bk__Stat stat = BK__STAT__INIT;
    char target[4097];
    packet.type = BK__PACKET__TYPE__STAT;
    packet.stat = &stat;
    stat.path = (char *)strbuf_str(&s->path);
    stat.mode = go_mode(st->st_mode);
    stat.uid = st->st_uid;
    stat.gid = st->st_gid;
    stat.size = S_ISREG(st->st_mode) ? st->st_size : 0;
    stat.mod_time = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
        stat.devmajor = major(st->st_rdev);
        stat.devminor = minor(st->st_rdev);
    }
    if (S_ISLNK(st->st_mode)) {
        ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);
        if (n < 0)
            return error_errno(err, errno, "read link %s", strbuf_str(&s->path));
        target[n] = '\0';
        stat.linkname = target;
    }
    strv_add(&s->paths, S_ISREG(st->st_mode) ? strbuf_str(&s->path) : "");
    return send_packet(s, &packet, err);
}

static int walk(struct sender *s, int dir_fd, struct error *err);

static int walk_entry(struct sender *s, int dir_fd, const char *name, struct error *err)
{
    struct stat st;
    size_t before = s->path.size;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_errno(err, errno, "stat %s", name);
    if (before > 0)
        strbuf_addc(&s->path, '/');
    strbuf_adds(&s->path, name);
    int r = send_entry(s, dir_fd, name, &st, err);
    if (r == 0 && S_ISDIR(st.st_mode)) {
        CLEANUP_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = fd < 0 ? error_errno(err, errno, "open %s", strbuf_str(&s->path)) : walk(s, fd, err);
    }
    s->path.size = before;
    strbuf_terminate(&s->path);
    return r;
}

static int walk(struct sender *s, int dir_fd, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    if (++s->depth > DEPTH_MAX)
        return error_set(err, ERROR_INVALID, 0, "%s: too deep", strbuf_str(&s->path));
    int r = directory_open(dir_fd, ".", &dir);
    while (r >= 0 && (r = directory_next(dir, &name)) > 0)
        strv_add(&names, name);
    if (r < 0)
        return error_errno(err, r, "read directory /%s", strbuf_str(&s->path));
    strv_sort(&names);
    for (size_t i = 0; i < names.count && r == 0; i++)
        r = walk_entry(s, dir_fd, names.items[i], err);
    s->depth--;
    return r;
}

static int send_file(struct sender *s, uint32_t id, struct error *err)
{
    CLEANUP_FREE uint8_t *piece = xmalloc(PIECE);
    Bk__Packet packet = BK__PACKET__INIT;
    ssize_t n;
    packet.type = BK__PACKET__TYPE__DATA;
    packet.id = id;
    if (id >= s->paths.count || !*s->paths.items[id])
        return error_set(err, ERROR_INVALID, EPROTO, "the client asks for file %u, which there is not", id);
    CLEANUP_CLOSE int fd = beneath_open(s->root_fd, s->paths.items[id], O_RDONLY, 0);
    if (fd < 0)
        return error_errno(err, fd, "open %s", s->paths.items[id]);
    while ((n = read(fd, piece, PIECE)) > 0) {
        packet.data = (ProtobufCBinaryData){.len = (size_t)n, .data = piece};
        int r = send_packet(s, &packet, err);
        if (r < 0)
            return r;
    }
    if (n < 0)
        return error_errno(err, errno, "read %s", s->paths.items[id]);
    packet.data = (ProtobufCBinaryData){0};
    return send_packet(s, &packet, err);
}

/* Until the client has all that it wants. */
static int answer_requests(struct sender *s, struct error *err)
{
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    for (;;) {
        int r = grpc_receive(&s->call, &message, err);
        if (r == 0)
            r = grpc_status(&s->call, err) < 0 ? -EREMOTEIO
                                               : error_set(err, ERROR_INVALID, EPROTO, "the client ended too early");
        if (r < 0)
            return r;
        Bk__Packet *packet = bk__packet__unpack(NULL, message.size, (const uint8_t *)strbuf_str(&message));
        if (!packet)
            return error_set(err, ERROR_INVALID, EPROTO, "malformed packet");
        bool last = packet->type == BK__PACKET__TYPE__FIN;
        if (packet->type == BK__PACKET__TYPE__REQ)
            r = send_file(s, packet->id, err);
        else if (packet->type == BK__PACKET__TYPE__ERR)
            r = error_set(err, ERROR_INVALID, 0, "%.*s", (int)(packet->data.len < 1000 ? packet->data.len : 1000),
                          (const char *)packet->data.data);
        bk__packet__free_unpacked(packet, NULL);
        if (last) {
            Bk__Packet fin = BK__PACKET__INIT;
            fin.type = BK__PACKET__TYPE__FIN;
            r = send_packet(s, &fin, err);
        }
        if (r < 0 || last)
            return r < 0 ? r : 0;
    }
}

int session_send_tree(struct session *session, int exporter, int cancel_fd, int dir_fd, struct error *err)
{
    struct sender s = {.root_fd = dir_fd, .paths = STRV_INIT, .path = STRBUF_INIT};
    Bk__Packet end = BK__PACKET__INIT;
    end.type = BK__PACKET__TYPE__STAT;
    int r = session_send_open(session, exporter, cancel_fd, &s.call, err);
    if (r == 0)
        r = walk(&s, dir_fd, err);
    if (r == 0)
        r = send_packet(&s, &end, err);
    if (r == 0)
        r = answer_requests(&s, err);
    if (r == 0)
        r = session_send_close(&s.call, err);
    grpc_call_release(&s.call);
    strv_release(&s.paths);
    strbuf_release(&s.path);
    return r;
}
