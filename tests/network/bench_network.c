/* How long network_attach takes: from the pool, without it, with a port; and back to back. In a namespace of its own.
 */
#include <fcntl.h>
#include <time.h>

#include "base/fd.h"
#include "base/timestamp.h"
#include "tests/network/rig.h"

enum { ROUNDS = 200 };

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void report(const char *what, int64_t *ns, size_t count)
{
    qsort(ns, count, sizeof(*ns), compare);
    printf("%-44s median %7.3f ms   p99 %7.3f ms   max %7.3f ms\n", what, ns[count / 2] / 1e6,
           ns[count * 99 / 100] / 1e6, ns[count - 1] / 1e6);
}

static void pause_ms(int ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

static void measure(struct network_manager *manager, const char *what, const struct network_port *ports, size_t count,
                    int rest_ms)
{
    static int64_t attach[ROUNDS], detach[ROUNDS];
    char label[96];
    int64_t begin = timestamp_monotonic();
    for (int i = 0; i < ROUNDS; i++) {
        pause_ms(rest_ms);
        int64_t t0 = timestamp_monotonic();
        struct rig_container c = rig_container(manager, ports, count);
        attach[i] = timestamp_monotonic() - t0;
        pause_ms(rest_ms / 2);
        t0 = timestamp_monotonic();
        network_detach(manager, c.id);
        detach[i] = timestamp_monotonic() - t0;
        rig_remove(manager, &c);
    }
    double each = (timestamp_monotonic() - begin) / 1e6 / ROUNDS;
    report(what, attach, ROUNDS);
    snprintf(label, sizeof(label), "  detach");
    report(label, detach, ROUNDS);
    printf("  %.2f ms a round\n", each);
}

/* Containers that stay, as fast as they can be had: all but the first few are made on demand, and none is torn down. */
static void measure_without_pool(struct network_manager *manager)
{
    static struct rig_container kept[ROUNDS];
    static int64_t attach[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        int64_t t0 = timestamp_monotonic();
        kept[i] = rig_container(manager, NULL, 0);
        attach[i] = timestamp_monotonic() - t0;
    }
    report("attach with the pool empty", attach, ROUNDS);
    for (int i = 0; i < ROUNDS; i++) {
        rig_remove(manager, &kept[i]);
    }
}

int main(void)
{
    struct network_options options = {.bridge = "bench0", .bip = "10.88.0.1/16"};
    struct network_manager *manager;
    struct error err = {0};
    rig_setup();
    int64_t t0 = timestamp_monotonic();
    if (network_manager_open(&options, &manager, &err) < 0 || network_restore_done(manager, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("open: %.1f ms\n", (timestamp_monotonic() - t0) / 1e6);
    pause_ms(100);
    struct network_port port = {.container_port = 80, .protocol = "tcp", .host_port = 8080};
    measure(manager, "attach from the pool, a container every 30 ms", NULL, 0, 20);
    measure(manager, "attach with one port", &port, 1, 20);
    measure(manager, "a container every 10 ms", NULL, 0, 7);
    measure(manager, "back to back (no pause)", NULL, 0, 0);
    pause_ms(2000);
    measure_without_pool(manager);
    if (network_manager_destroy(manager, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    return 0;
}
