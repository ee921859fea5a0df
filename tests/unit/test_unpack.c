/* Layers' tars, good and hostile. Root is needed: devices, owners and trusted attributes are the matter. */
#include "tests/unit/image_test.h"

#include <sched.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "archive/unpack.h"

struct source {
    const struct strbuf *data;
    size_t done, portion;
};

static ssize_t source_read(void *data, const void **ret, struct error *err)
{
    struct source *s = data;
    (void)err;
    size_t n = s->data->size - s->done;
    n = n < s->portion ? n : s->portion;
    *ret = s->data->data + s->done;
    s->done += n;
    return (ssize_t)n;
}

static int unpack_portions(struct scratch *s, const struct strbuf *tar, size_t portion, struct unpack_result *result,
                           struct error *err)
{
    struct source source = {.data = tar, .portion = portion};
    CLEANUP_TAR_READER struct tar_reader *reader = tar_reader_new(source_read, &source);
    mkdirat(s->fd, "root", 0755);
    int CLEANUP_CLOSE root = openat(s->fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return unpack_layer(reader, root, 0, result, err);
}

static void unpack_ok(struct scratch *s, const struct strbuf *tar)
{
    struct unpack_result result;
    struct error err = {0};
    if (unpack_portions(s, tar, 100000, &result, &err) < 0)
        fail_msg("%s", err.message);
}

static void unpack_refused(struct scratch *s, const struct strbuf *tar, const char *message)
{
    struct unpack_result result;
    struct error err = {0};
    assert_true(unpack_portions(s, tar, 100000, &result, &err) < 0);
    if (!strstr(err.message, message))
        fail_msg("\"%s\" is not in \"%s\"", message, err.message);
}

static struct stat stat_of(struct scratch *s, const char *path)
{
    struct stat st;
    CLEANUP_FREE char *full = xasprintf("root/%s", path);
    if (fstatat(s->fd, full, &st, AT_SYMLINK_NOFOLLOW) < 0)
        fail_msg("%s: %s", path, strerror(errno));
    return st;
}

static bool is_there(struct scratch *s, const char *path)
{
    struct stat st;
    CLEANUP_FREE char *full = xasprintf("root/%s", path);
    return fstatat(s->fd, full, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void assert_contents(struct scratch *s, const char *path, const char *expected)
{
    CLEANUP_FREE char *full = xasprintf("root/%s", path);
    CLEANUP_FREE char *data = NULL;
    int CLEANUP_CLOSE fd = openat(s->fd, full, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fd_read_all(fd, 1 << 20, &data, NULL) < 0)
        fail_msg("%s: %s", path, strerror(errno));
    assert_string_equal(data, expected);
}

static bool is_whiteout(struct scratch *s, const char *path)
{
    struct stat st = stat_of(s, path);
    return S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

static char *xattr_of(struct scratch *s, const char *path, const char *name)
{
    char value[256];
    CLEANUP_FREE char *full = xasprintf("%s/root/%s", s->path, path);
    ssize_t n = lgetxattr(full, name, value, sizeof(value));
    return n < 0 ? NULL : xstrndup(value, (size_t)n);
}

/* ---- What layers are made of ---- */

static void every_kind_of_entry_is_unpacked_with_its_metadata(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    TAR(&tar, {.name = "./", .type = '5', .mode = 0751, .mtime = 1000}, {.name = "d/", .type = '5', .mtime = 5000},
        {.name = "d/file", .type = '0', .content = "hello", .mode = 04755, .uid = 12, .gid = 34, .mtime = 6000},
        {.name = "d/link", .type = '2', .link = "../x", .uid = 5, .gid = 6, .mtime = 7000},
        {.name = "d/hard", .type = '1', .link = "d/file"},
        {.name = "null", .type = '3', .mode = 0666, .major = 1, .minor = 3, .mtime = 8000},
        {.name = "disk", .type = '4', .mode = 0660, .major = 8, .minor = 1},
        {.name = "pipe", .type = '6', .mode = 0622}, {.name = "sticky", .type = '5', .mode = 01777},
        {.name = "group", .type = '5', .mode = 02755, .gid = 7}, {.name = "group/f", .type = '0', .content = "x"});
    unpack_ok(s, &tar);
    struct stat st = stat_of(s, "d/file");
    assert_int_equal(st.st_mode, S_IFREG | 04755);
    assert_int_equal(st.st_uid, 12);
    assert_int_equal(st.st_gid, 34);
    assert_int_equal(st.st_mtime, 6000);
    assert_int_equal(st.st_nlink, 2);
    assert_contents(s, "d/hard", "hello");
    assert_int_equal(stat_of(s, "d").st_mtime, 5000);
    assert_int_equal(stat_of(s, ".").st_mtime, 1000);
    assert_int_equal(stat_of(s, ".").st_mode, S_IFDIR | 0751);
    st = stat_of(s, "d/link");
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(st.st_uid, 5);
    assert_int_equal(st.st_mtime, 7000);
    st = stat_of(s, "null");
    assert_int_equal(st.st_mode, S_IFCHR | 0666);
    assert_int_equal(st.st_rdev, makedev(1, 3));
    assert_int_equal(stat_of(s, "disk").st_rdev, makedev(8, 1));
    assert_int_equal(stat_of(s, "pipe").st_mode, S_IFIFO | 0622);
    assert_int_equal(stat_of(s, "sticky").st_mode, S_IFDIR | 01777);
    assert_int_equal(stat_of(s, "group").st_mode, S_IFDIR | 02755);
    assert_int_equal(stat_of(s, "group/f").st_gid, 0);
}

static void pax_carries_long_names_nanoseconds_big_ids_and_attributes(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    char name[260] = "", pax[1000];
    memset(name, 'n', 250);
    snprintf(pax, sizeof(pax), "path=dir/%s\nmtime=1600000000.123456789\nuid=3000000\nSCHILY.xattr.user.a=b\n", name);
    TAR(&tar, {.name = "short", .type = '0', .content = "x", .pax = pax});
    unpack_ok(s, &tar);
    CLEANUP_FREE char *path = xasprintf("dir/%s", name);
    struct stat st = stat_of(s, path);
    assert_int_equal(st.st_mtim.tv_sec, 1600000000);
    assert_int_equal(st.st_mtim.tv_nsec, 123456789);
    assert_int_equal(st.st_uid, 3000000);
    CLEANUP_FREE char *value = xattr_of(s, path, "user.a");
    assert_string_equal(value, "b");
}

/* cap_net_raw=ep, as the kernel stores it; it must survive the change of owner and the writing. */
static void file_capabilities_are_kept(void **state)
{
    struct scratch *s = *state;
    static const unsigned char capability[20] = {1, 0, 0, 2, 0, 0x20};
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF record = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF pax = STRBUF_INIT;
    const struct tar_member ping = {.name = "ping", .type = '0', .content = "x", .mode = 0755, .uid = 1};
    strbuf_adds(&record, "SCHILY.xattr.security.capability=");
    strbuf_add(&record, capability, sizeof(capability));
    strbuf_addc(&record, '\n');
    tar_pax_record(&pax, record.data, record.size);
    tar_header(&tar, "pax", 'x', NULL, pax.size, &ping);
    tar_contents(&tar, pax.data, pax.size);
    tar_member_add(&tar, &ping);
    tar_end(&tar);
    unpack_ok(s, &tar);
    unsigned char value[64];
    CLEANUP_FREE char *path = xasprintf("%s/root/ping", s->path);
    assert_int_equal(getxattr(path, "security.capability", value, sizeof(value)), sizeof(capability));
    assert_memory_equal(value, capability, sizeof(capability));
}

static void names_are_bytes_in_every_encoding(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    /* A decomposed letter, a composed one, and Latin-1: three different files, as given. */
    TAR(&tar, {.name = "x", .type = '0', .content = "1", .pax = "path=A\xcc\x8a\n"},
        {.name = "x", .type = '0', .content = "2", .pax = "path=\xc3\x85\n"},
        {.name = "\xc5", .type = '0', .content = "3"});
    unpack_ok(s, &tar);
    assert_contents(s, "A\xcc\x8a", "1");
    assert_contents(s, "\xc3\x85", "2");
    assert_contents(s, "\xc5", "3");
}

static void gnu_long_names_are_understood(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    char name[200] = "", target[200] = "";
    memset(name, 'l', 150);
    memset(target, 't', 160);
    struct tar_member none = {.name = ""};
    tar_header(&tar, "././@LongLink", 'L', NULL, strlen(name) + 1, &none);
    tar_contents(&tar, name, strlen(name) + 1);
    tar_header(&tar, "././@LongLink", 'K', NULL, strlen(target) + 1, &none);
    tar_contents(&tar, target, strlen(target) + 1);
    TAR(&tar, {.name = "cut", .type = '2', .link = "cut"});
    unpack_ok(s, &tar);
    char link[200] = "";
    CLEANUP_FREE char *full = xasprintf("root/%s", name);
    assert_int_equal(readlinkat(s->fd, full, link, sizeof(link)), 160);
    assert_memory_equal(link, target, 160);
}

static void sparse_files_keep_their_holes(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF data = STRBUF_INIT;
    char piece[512];
    memset(piece, 'p', sizeof(piece));
    strbuf_adds(&data, "1\n1048576\n512\n");
    while (data.size < 512)
        strbuf_addc(&data, 0);
    strbuf_add(&data, piece, sizeof(piece));
    TAR(&tar,
        {.name = "GNUSparseFile.1/s",
         .type = '0',
         .content = data.data,
         .size = data.size,
         .pax = "GNU.sparse.major=1\nGNU.sparse.minor=0\nGNU.sparse.name=s\nGNU.sparse.realsize=2097152\n"},
        {.name = "old",
         .type = '0',
         .content = piece,
         .size = 512,
         .pax = "GNU.sparse.map=4096,512\nGNU.sparse.size=8192\n"},
        {.name = "after", .type = '0', .content = "after"});
    unpack_ok(s, &tar);
    struct stat st = stat_of(s, "s");
    assert_int_equal(st.st_size, 2097152);
    assert_true(st.st_blocks * 512 < 100000);
    assert_int_equal(stat_of(s, "old").st_size, 8192);
    char byte;
    int CLEANUP_CLOSE fd = openat(s->fd, "root/s", O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, 1048576 + 511), 1);
    assert_int_equal(byte, 'p');
    assert_int_equal(pread(fd, &byte, 1, 1048576 + 512), 1);
    assert_int_equal(byte, 0);
    assert_contents(s, "after", "after");
}

static void later_entries_replace_earlier_ones_of_the_same_name(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    TAR(&tar, {.name = "a", .type = '0', .content = "first"}, {.name = "a", .type = '0', .content = "second"},
        {.name = "d/", .type = '5'}, {.name = "d/inside", .type = '0', .content = "x"},
        {.name = "d", .type = '0', .content = "now a file"}, {.name = "f", .type = '0', .content = "x"},
        {.name = "f/", .type = '5'}, {.name = "f/inside", .type = '0', .content = "y"}, {.name = "d2/", .type = '5'},
        {.name = "d2/kept", .type = '0', .content = "k"}, {.name = "d2/", .type = '5', .mode = 0700});
    unpack_ok(s, &tar);
    assert_contents(s, "a", "second");
    assert_contents(s, "d", "now a file");
    assert_contents(s, "f/inside", "y");
    assert_contents(s, "d2/kept", "k");
    assert_int_equal(stat_of(s, "d2").st_mode, S_IFDIR | 0700);
}

/* ---- Whiteouts ---- */

static void whiteouts_become_what_overlayfs_understands(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    TAR(&tar, {.name = "d/", .type = '5'}, {.name = "d/.wh.gone", .type = '0'}, {.name = "o/", .type = '5'},
        {.name = "o/.wh..wh..opq", .type = '0'}, {.name = "o/new", .type = '0', .content = "n"},
        {.name = "mine", .type = '0', .content = "stays"}, {.name = ".wh.mine", .type = '0'},
        {.name = ".wh.dir", .type = '0'}, {.name = "dir/", .type = '5'}, {.name = "dir/x", .type = '0', .content = "x"},
        {.name = ".wh.file", .type = '0'}, {.name = "file", .type = '0', .content = "new"},
        {.name = ".wh..wh.plnk/1.2", .type = '0', .content = "aufs"}, {.name = ".wh..wh.aufs", .type = '0'});
    unpack_ok(s, &tar);
    assert_true(is_whiteout(s, "d/gone"));
    CLEANUP_FREE char *opaque = xattr_of(s, "o", "trusted.overlay.opaque");
    assert_string_equal(opaque, "y");
    assert_contents(s, "mine", "stays");
    CLEANUP_FREE char *replaced = xattr_of(s, "dir", "trusted.overlay.opaque");
    assert_string_equal(replaced, "y");
    assert_contents(s, "file", "new");
    assert_false(is_there(s, ".wh..wh.plnk"));
    assert_false(is_there(s, ".wh..wh.aufs"));
}

static void an_opaque_root_is_told_to_the_caller(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    struct unpack_result result;
    struct error err = {0};
    TAR(&tar, {.name = ".wh..wh..opq", .type = '0'}, {.name = "a", .type = '0', .content = "abc"});
    assert_int_equal(unpack_portions(s, &tar, 512, &result, &err), 0);
    assert_true(result.opaque_root);
    assert_int_equal(result.size, 3);
}

static void whiteouts_of_the_dots_are_refused(void **state)
{
    struct scratch *s = *state;
    static const char *const names[] = {".wh...", ".wh..", "a/.wh...", "a/.wh.", ".wh."};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
        TAR(&tar, {.name = names[i], .type = '0'});
        unpack_refused(s, &tar, "is not a whiteout");
    }
}

/* ---- Hostile ---- */

/* What lies beside the root must be as it was. */
static int hostile_setup(void **state)
{
    if (scratch_setup(state) < 0)
        return -1;
    struct scratch *s = *state;
    int CLEANUP_CLOSE fd = openat(s->fd, "canary", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    return fd_write_all(fd, "tweet", 5) < 0 || mkdirat(s->fd, "cage", 0755) < 0;
}

static void assert_host_is_untouched(struct scratch *s)
{
    char data[16] = "";
    struct stat st;
    int CLEANUP_CLOSE fd = openat(s->fd, "canary", O_RDONLY | O_CLOEXEC);
    assert_int_equal(fd_read_full(fd, data, sizeof(data)), 5);
    assert_string_equal(data, "tweet");
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(st.st_mode & 07777, 0644);
    CLEANUP_FREE char *command = xasprintf("test \"$(ls %s | tr '\\n' ' ')\" = 'cage canary root '", s->path);
    assert_int_equal(system(command), 0);
    CLEANUP_FREE char *cage = xasprintf("test -z \"$(ls -A %s/cage)\"", s->path);
    assert_int_equal(system(cage), 0);
}

static void paths_that_climb_out_are_refused(void **state)
{
    struct scratch *s = *state;
    static const char *const names[] = {"../canary", "a/../../canary", "..", "./../canary", "a/b/../../../cage/x"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
        TAR(&tar, {.name = names[i], .type = '0', .content = "bad"});
        unpack_refused(s, &tar, "is outside of the layer");
    }
    assert_host_is_untouched(s);
}

static void absolute_paths_are_taken_from_the_root(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    TAR(&tar, {.name = "/etc/dory-test", .type = '0', .content = "in"}, {.name = "//x", .type = '0', .content = "in"});
    unpack_ok(s, &tar);
    assert_contents(s, "etc/dory-test", "in");
    assert_int_equal(access("/etc/dory-test", F_OK), -1);
    assert_host_is_untouched(s);
}

static void symlinks_lead_nowhere_outside(void **state)
{
    struct scratch *s = *state;
    CLEANUP_FREE char *cage = xasprintf("%s/cage", s->path);
    CLEANUP_FREE char *inside = xasprintf("%s/x", cage + 1);
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    TAR(&tar, {.name = "up", .type = '2', .link = "../cage"}, {.name = "up/x", .type = '0', .content = "1"},
        {.name = "abs", .type = '2', .link = cage}, {.name = "abs/x", .type = '0', .content = "2"},
        {.name = "far", .type = '2', .link = "../../../../../../../.."}, {.name = "far/y", .type = '0', .content = "3"},
        {.name = "magic", .type = '2', .link = "/proc/self/root"}, {.name = "file", .type = '2', .link = "../canary"},
        {.name = "file", .type = '0', .content = "4"}, {.name = "d", .type = '2', .link = "../cage"},
        {.name = "d/", .type = '5', .mode = 0700});
    unpack_ok(s, &tar);
    assert_contents(s, "cage/x", "1");
    assert_contents(s, inside, "2");
    assert_contents(s, "y", "3");
    assert_contents(s, "file", "4");
    assert_true(S_ISDIR(stat_of(s, "d").st_mode));
    assert_host_is_untouched(s);
}

static void hardlinks_reach_nothing_outside(void **state)
{
    struct scratch *s = *state;
    static const char *const targets[] = {"../canary", "a/../../canary"};
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
        TAR(&tar, {.name = "hard", .type = '1', .link = targets[i]}, {.name = "hard", .type = '0', .content = "bad"});
        unpack_refused(s, &tar, "is outside of the layer");
    }
    CLEANUP_FREE char *absolute = xasprintf("%s/canary", s->path);
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    TAR(&tar, {.name = "hard", .type = '1', .link = absolute});
    unpack_refused(s, &tar, "no such file or directory");
    struct strbuf CLEANUP_STRBUF through = STRBUF_INIT;
    TAR(&through, {.name = "up", .type = '2', .link = ".."}, {.name = "hard", .type = '1', .link = "up/canary"});
    unpack_refused(s, &through, "no such file or directory");
    assert_host_is_untouched(s);
}

static void a_hardlink_to_a_symlink_is_not_written_through(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    TAR(&tar, {.name = "link", .type = '2', .link = "../canary"}, {.name = "hard", .type = '1', .link = "link"},
        {.name = "hard", .type = '0', .content = "bad", .mode = 0777});
    unpack_ok(s, &tar);
    assert_contents(s, "hard", "bad");
    assert_host_is_untouched(s);
}

static void replacing_a_directory_by_a_symlink_does_not_redirect_what_follows(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    TAR(&tar, {.name = "d/", .type = '5'}, {.name = "d/a", .type = '0', .content = "1"},
        {.name = "d", .type = '2', .link = "../cage"}, {.name = "d/b", .type = '0', .content = "2"},
        {.name = "d/.wh.c", .type = '0'}, {.name = "d/.wh..wh..opq", .type = '0'});
    unpack_ok(s, &tar);
    assert_contents(s, "cage/b", "2");
    assert_true(is_whiteout(s, "cage/c"));
    assert_host_is_untouched(s);
}

static void overlay_attributes_of_an_archive_are_dropped(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    TAR(&tar, {.name = "d/",
               .type = '5',
               .pax = "SCHILY.xattr.trusted.overlay.redirect=/etc\nSCHILY.xattr.trusted.overlay.opaque=y\n"
                      "SCHILY.xattr.trusted.overlay.metacopy=\nSCHILY.xattr.trusted.dory.content=x\n"
                      "SCHILY.xattr.user.ok=1\n"});
    unpack_ok(s, &tar);
    assert_null(xattr_of(s, "d", "trusted.overlay.redirect"));
    assert_null(xattr_of(s, "d", "trusted.overlay.opaque"));
    assert_null(xattr_of(s, "d", "trusted.overlay.metacopy"));
    assert_null(xattr_of(s, "d", "trusted.dory.content"));
    CLEANUP_FREE char *ok = xattr_of(s, "d", "user.ok");
    assert_string_equal(ok, "1");
}

static void limits_are_kept(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF deep = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF path = STRBUF_INIT;
    strbuf_adds(&path, "path=");
    for (int i = 0; i < 300; i++)
        strbuf_adds(&path, "d/");
    strbuf_adds(&path, "f\n");
    TAR(&deep, {.name = "x", .type = '0', .content = "x", .pax = path.data});
    unpack_refused(s, &deep, "too long");

    struct strbuf CLEANUP_STRBUF named = STRBUF_INIT;
    char name[320] = "path=";
    memset(name + 5, 'n', 300);
    name[305] = '\n';
    TAR(&named, {.name = "x", .type = '0', .content = "x", .pax = name});
    unpack_refused(s, &named, "too long");

    struct strbuf CLEANUP_STRBUF many = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF attributes = STRBUF_INIT;
    for (int i = 0; i < 300; i++)
        strbuf_addf(&attributes, "SCHILY.xattr.user.a%d=b\n", i);
    TAR(&many, {.name = "x", .type = '0', .content = "x", .pax = attributes.data});
    unpack_refused(s, &many, "too many extended attributes");
}

static void archives_cut_anywhere_are_refused_or_harmless(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    TAR(&tar, {.name = "d/", .type = '5'}, {.name = "x", .type = '0', .content = "1234", .pax = "path=d/long\n"},
        {.name = "l", .type = '2', .link = "d"});
    for (size_t size = 0; size < tar.size; size += 37) {
        struct strbuf cut = {.data = tar.data, .size = size};
        struct unpack_result result;
        struct error err = {0};
        int r = unpack_portions(s, &cut, 100, &result, &err);
        /* An end between two entries counts as the end, as in every tar, and so does one in what fills up the last
         * block of a file ("1234", the fifth block); within an entry it does not. */
        if (r == 0)
            assert_true(size % 512 == 0 || size > tar.size - 512 || (size >= 4 * 512 + 4 && size < 5 * 512));
        else
            assert_string_equal(err.message, "unexpected EOF");
    }
}

static void broken_headers_are_refused(void **state)
{
    struct scratch *s = *state;
    static const struct {
        size_t offset;
        char byte;
    } breaks[] = {{0, 'z'}, {148, '9'}, {124, '9'}, {100, 'x'}, {156, 'Q'}};
    for (size_t i = 0; i < ARRAY_SIZE(breaks); i++) {
        struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
        TAR(&tar, {.name = "x", .type = '0', .content = "1"});
        tar.data[breaks[i].offset] = breaks[i].byte;
        unpack_refused(s, &tar, "archive/tar: invalid tar header");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
#define HOSTILE(name) cmocka_unit_test_setup_teardown(name, hostile_setup, scratch_teardown)

int main(void)
{
    umask(0);
    const struct CMUnitTest tests[] = {
        TEST(every_kind_of_entry_is_unpacked_with_its_metadata),
        TEST(pax_carries_long_names_nanoseconds_big_ids_and_attributes),
        TEST(file_capabilities_are_kept),
        TEST(names_are_bytes_in_every_encoding),
        TEST(gnu_long_names_are_understood),
        TEST(sparse_files_keep_their_holes),
        TEST(later_entries_replace_earlier_ones_of_the_same_name),
        TEST(whiteouts_become_what_overlayfs_understands),
        TEST(an_opaque_root_is_told_to_the_caller),
        TEST(whiteouts_of_the_dots_are_refused),
        HOSTILE(paths_that_climb_out_are_refused),
        HOSTILE(absolute_paths_are_taken_from_the_root),
        HOSTILE(symlinks_lead_nowhere_outside),
        HOSTILE(hardlinks_reach_nothing_outside),
        HOSTILE(a_hardlink_to_a_symlink_is_not_written_through),
        HOSTILE(replacing_a_directory_by_a_symlink_does_not_redirect_what_follows),
        TEST(overlay_attributes_of_an_archive_are_dropped),
        TEST(limits_are_kept),
        TEST(archives_cut_anywhere_are_refused_or_harmless),
        TEST(broken_headers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
