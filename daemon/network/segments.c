#include "daemon/network/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/parse.h"
#include "daemon/network/link.h"

enum {
    SEGMENTS_MAX = 64,
    PORTS = 1023 - SEGMENTS_MAX, /* of one bridge, that containers get: the first one keeps some for trunks */
    RECOUNT = 64,                /* a full one is looked at again after so many others were chosen */
};

struct segment {
    unsigned int index;
    unsigned int room; /* ports that may be given out before they are counted again */
    unsigned int rest; /* when full: how often it is passed over before that */
};

struct segments {
    struct bridge bridge;
    char key[8]; /* of the names */
    bool isolated;
    pthread_mutex_t lock; /* all below; also held while a segment is made */
    struct segment items[SEGMENTS_MAX];
    size_t count;
};

struct segments *segments_new(const struct bridge *bridge, const char *network_id, bool isolated)
{
    struct segments *segments = xcalloc(1, sizeof(*segments));
    segments->bridge = *bridge;
    segments->isolated = isolated;
    snprintf(segments->key, sizeof(segments->key), "%.7s", network_id);
    pthread_mutex_init(&segments->lock, NULL);
    segments->items[0].index = bridge->index;
    segments->count = 1;
    return segments;
}

void segments_free(struct segments *segments)
{
    if (segments) {
        pthread_mutex_destroy(&segments->lock);
        free(segments);
    }
}

/* The segment, its end of the trunk, and the end at the first bridge. */
static const char segment_part[] = SEGMENTS_PREFIX, up_part[] = "doryu", trunk_part[] = "doryt";

static void name_part(const struct segments *segments, const char *part, size_t n, char ret[IF_NAMESIZE])
{
    snprintf(ret, IF_NAMESIZE, "%s%s.%u", part, segments->key, (unsigned int)(n % 100));
}

bool segments_name(struct segments *segments, size_t n, char ret[IF_NAMESIZE])
{
    if (n == 0) {
        memcpy(ret, segments->bridge.name, IF_NAMESIZE);
        return true;
    }
    name_part(segments, segment_part, n, ret);
    return n < SEGMENTS_MAX && link_index(ret) != 0;
}

/* ---- removing one ---- */

static const char *const removed_parts[] = {up_part, segment_part}; /* a veth goes with its peer */

static bool is_there(const struct segments *segments, size_t n)
{
    bool there = false;
    for (size_t i = 0; i < ARRAY_SIZE(removed_parts); i++) {
        char name[IF_NAMESIZE];
        name_part(segments, removed_parts[i], n, name);
        there = there || link_index(name) != 0;
    }
    return there;
}

/* Whatever there is of it. */
static int remove_one(const struct segments *segments, size_t n, struct netlink *host, struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(removed_parts); i++) {
        char name[IF_NAMESIZE];
        name_part(segments, removed_parts[i], n, name);
        unsigned int index = link_index(name);
        r = index ? link_delete(host, index, err) : 0;
        r = r == -ENODEV ? 0 : r;
    }
    return r;
}

/* ---- making one ---- */

static int raise_limit(const char *path, uint64_t least, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    char value[24];
    uint64_t limit;
    int r = file_read(AT_FDCWD, path, 32, &text, NULL, NULL);
    if (r == -ENOENT) {
        return 0; /* in a network namespace: the initial one has the limits of all */
    }
    if (r == 0) {
        text[strcspn(text, "\n")] = '\0';
        r = parse_uint64(text, INT32_MAX, &limit);
    }
    if (r == 0 && limit < least) {
        snprintf(value, sizeof(value), "%llu", (unsigned long long)least);
        r = file_write_control(AT_FDCWD, path, value);
    }
    return r < 0 ? error_errno(err, r, "raise %s", path) : 0;
}

/*
 * The kernel's table of neighbours is one for all namespaces. A thousand containers that know their gateway fill it
 * (1024 by default), and then nobody finds anybody.
 */
static int make_room_for_neighbours(struct error *err)
{
    static const char *const families[] = {"ipv4", "ipv6"};
    static const struct {
        const char *name;
        uint64_t least;
    } limits[] = {{"gc_thresh3", 65536}, {"gc_thresh2", 32768}, {"gc_thresh1", 8192}};
    int r = 0;
    for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(limits); i++) {
            char path[96];
            snprintf(path, sizeof(path), "/proc/sys/net/%s/neigh/default/%s", families[f], limits[i].name);
            r = raise_limit(path, limits[i].least, err);
        }
    }
    return r;
}

static int join(struct segments *segments, size_t n, unsigned int index, struct netlink *host, struct error *err)
{
    char up[IF_NAMESIZE], trunk[IF_NAMESIZE];
    struct link_port_settings settings = {.isolated = segments->isolated};
    name_part(segments, up_part, n, up);
    name_part(segments, trunk_part, n, trunk);
    CLEANUP_CLOSE int netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (netns < 0) {
        return error_errno(err, errno, "open the host's network namespace");
    }
    int r = link_index(up) ? 0 : link_add_veth(host, up, trunk, index, netns, segments->bridge.mtu, err);
    if (r == 0) {
        r = link_add_port(host, link_index(trunk), segments->bridge.index, err);
    }
    /* Containers of two segments are told apart where their trunks meet. Ports of the segment reach the trunk: its end
     * there is not isolated. */
    if (r == 0 && settings.isolated) {
        r = link_set_port(host, link_index(trunk), &settings, err);
    }
    if (r == 0) {
        r = link_wait_operational(host, link_index(trunk), err);
    }
    return r < 0 ? r : link_wait_operational(host, index, err);
}

/* Makes or completes the n-th. */
static int make(struct segments *segments, size_t n, struct netlink *host, unsigned int *ret_index, struct error *err)
{
    struct bridge bridge = {.mtu = segments->bridge.mtu};
    name_part(segments, segment_part, n, bridge.name);
    bool was_there = link_index(bridge.name) != 0; /* and has containers, perhaps, of before the daemon's restart */
    int r = make_room_for_neighbours(err);
    if (r == 0) {
        r = bridge_make_plain(host, &bridge, err);
    }
    if (r == 0) {
        r = join(segments, n, bridge.index, host, err);
        if (r < 0 && !was_there) {
            (void)remove_one(segments, n, host, NULL);
        }
    }
    if (r < 0) {
        return error_context(err, "extend bridge %s", segments->bridge.name);
    }
    *ret_index = bridge.index;
    return 0;
}

/* ---- choosing ---- */

/* True: the segment has room, and one port of it is the caller's. */
static bool take_port(struct segment *segment, struct netlink *host)
{
    size_t used;
    if (segment->room == 0 && segment->rest > 0) {
        segment->rest--;
        return false;
    }
    if (segment->room == 0 && link_count_ports(host, segment->index, &used, NULL) == 0 && used < PORTS) {
        segment->room = (unsigned int)(PORTS - used);
    }
    if (segment->room == 0) {
        segment->rest = RECOUNT;
        return false;
    }
    segment->room--;
    return true;
}

int segments_choose(struct segments *segments, struct netlink *host, unsigned int *ret_index, struct error *err)
{
    int r = 0;
    pthread_mutex_lock(&segments->lock);
    for (size_t i = 0; r == 0; i++) {
        struct segment *segment = &segments->items[i];
        if (i == SEGMENTS_MAX) {
            r = error_set(err, ERROR_SYSTEM, EXFULL, "bridge %s has no port left", segments->bridge.name);
            break;
        }
        if (i == segments->count) {
            *segment = (struct segment){0};
            r = make(segments, i, host, &segment->index, err);
            segments->count += r == 0;
        }
        if (r == 0 && take_port(segment, host)) {
            *ret_index = segment->index;
            break;
        }
    }
    pthread_mutex_unlock(&segments->lock);
    return r;
}

int segments_remove(struct segments *segments, struct netlink *host, struct error *err)
{
    int r = 0;
    size_t last = 0;
    pthread_mutex_lock(&segments->lock);
    while (last + 1 < SEGMENTS_MAX && is_there(segments, last + 1)) {
        last++;
    }
    for (; r == 0 && last > 0; last--) { /* the last one first: a daemon that is killed leaves no gap */
        r = remove_one(segments, last, host, err);
    }
    segments->count = 1;
    pthread_mutex_unlock(&segments->lock);
    return r;
}
