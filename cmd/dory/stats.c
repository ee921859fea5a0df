#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/client.h"
#include "base/timestamp.h"
#include "base/units.h"
#include "cmd/dory/command.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/listing.h"
#include "cmd/dory/stats.h"

#define AT(member) offsetof(struct stats_flags, member)
static const struct option stats_options[] = {
    {"all", 'a', OPTION_BOOL, AT(all), NULL, "Show all containers (default shows just running)", 0, 0, NULL},
    {"format", 0, OPTION_STRING, AT(format), "string",
     "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'", 0, 0, NULL},
    {"no-stream", 0, OPTION_BOOL, AT(no_stream), NULL, "Disable streaming stats and only pull the first result", 0, 0,
     NULL},
    {"no-trunc", 0, OPTION_BOOL, AT(no_trunc), NULL, "Do not truncate output", 0, 0, NULL},
    {0},
};

static const struct listing_header headers[] = {
    {"Container", "CONTAINER"},
    {"Name", "NAME"},
    {"ID", "CONTAINER ID"},
    {"CPUPerc", "CPU %"},
    {"MemUsage", "MEM USAGE / LIMIT"},
    {"MemPerc", "MEM %"},
    {"NetIO", "NET I/O"},
    {"BlockIO", "BLOCK I/O"},
    {"PIDs", "PIDS"},
};

/* How far the two measurements of --no-stream are apart, and those of the live view, in nanoseconds. */
#define SHORT_INTERVAL 150000000
#define LONG_INTERVAL 1000000000

/* What is known of a container: the last measurement and the one before. */
struct sample {
    char *name; /* as asked for: id or argument */
    struct json *now, *before;
};
struct samples {
    struct sample *items;
    size_t count, capacity;
};

static void sample_release(struct sample *sample)
{
    free(sample->name);
    json_free(sample->now);
    json_free(sample->before);
}

static void samples_release(struct samples *samples)
{
    for (size_t i = 0; i < samples->count; i++)
        sample_release(&samples->items[i]);
    free(samples->items);
    *samples = (struct samples){0};
}
#define CLEANUP_SAMPLES CLEANUP(samples_release)

/* Between two samples; without an earlier one since the container's start. */
static double cpu_percent(const struct json *stats, const struct json *earlier)
{
    const struct json *now = json_get(stats, "cpu_stats"), *before = json_get(earlier, "cpu_stats");
    double used = (double)(json_get_int(json_get(now, "cpu_usage"), "total_usage", 0) -
                           json_get_int(json_get(before, "cpu_usage"), "total_usage", 0));
    double system = (double)(json_get_int(now, "system_cpu_usage", 0) - json_get_int(before, "system_cpu_usage", 0));
    double cpus = (double)json_get_int(now, "online_cpus", 1);
    return used > 0 && system > 0 ? used / system * cpus * 100 : 0;
}

/* docker leaves out what the kernel can drop at once: v1 total_inactive_file, v2 inactive_file. */
static double memory_used(const struct json *memory)
{
    const struct json *stats = json_get(memory, "stats");
    int64_t usage = json_get_int(memory, "usage", 0);
    int64_t inactive = json_get_int(stats, "total_inactive_file", json_get_int(stats, "inactive_file", 0));
    return (double)(inactive < usage ? usage - inactive : usage);
}

static void pair(struct json_writer *w, const char *key, double a, double b)
{
    char x[32], y[32];
    units_size_precision(x, sizeof(x), a, 3);
    units_size_precision(y, sizeof(y), b, 3);
    CLEANUP_FREE char *text = xasprintf("%s / %s", x, y);
    json_member_string(w, key, text);
}

static void add_network(struct json_writer *w, const struct json *stats)
{
    const struct json *networks = json_get(stats, "networks");
    double rx = 0, tx = 0;
    for (size_t i = 0; networks && networks->kind == JSON_OBJECT && i < networks->object.count; i++) {
        rx += (double)json_get_int(&networks->object.values[i], "rx_bytes", 0);
        tx += (double)json_get_int(&networks->object.values[i], "tx_bytes", 0);
    }
    pair(w, "NetIO", rx, tx);
}

static void add_block(struct json_writer *w, const struct json *stats)
{
    const struct json *list = json_get(json_get(stats, "blkio_stats"), "io_service_bytes_recursive");
    double in = 0, out = 0;
    for (size_t i = 0; i < json_count(list); i++) {
        const char *op = json_get_string(json_at(list, i), "op");
        double n = (double)json_get_int(json_at(list, i), "value", 0);
        if (op && strcasecmp(op, "read") == 0)
            in += n;
        else if (op && strcasecmp(op, "write") == 0)
            out += n;
    }
    pair(w, "BlockIO", in, out);
}

static int add_row(struct listing *listing, const struct sample *sample, const struct stats_flags *flags,
                   struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    char id[13], used[32], limit[32], number[48];
    const struct json *stats = sample->now;
    const struct json *memory = json_get(stats, "memory_stats");
    double usage = memory_used(memory), max = (double)json_get_int(memory, "limit", 0);
    json_writer_init(&w, &text);
    json_begin_object(&w);
    add_block(&w, stats);
    snprintf(number, sizeof(number), "%.2f%%", cpu_percent(stats, sample->before));
    json_member_string(&w, "CPUPerc", number);
    json_member_string(&w, "Container", sample->name);
    json_member_string(&w, "ID", format_id(json_get_string(stats, "id"), flags->no_trunc, id));
    snprintf(number, sizeof(number), "%.2f%%", max > 0 ? usage / max * 100 : 0);
    json_member_string(&w, "MemPerc", number);
    units_bytes_size(used, sizeof(used), usage);
    units_bytes_size(limit, sizeof(limit), max);
    CLEANUP_FREE char *memory_text = xasprintf("%s / %s", used, limit);
    json_member_string(&w, "MemUsage", memory_text);
    const char *name = json_get_string(stats, "name");
    json_member_string(&w, "Name", name && name[0] == '/' ? name + 1 : name);
    add_network(&w, stats);
    snprintf(number, sizeof(number), "%" PRId64, json_get_int(json_get(stats, "pids_stats"), "current", 0));
    json_member_string(&w, "PIDs", number);
    listing_put_no_labels(&w);
    json_end_object(&w);
    return listing_add(listing, &text, err);
}

/* One for each name, in the order of the names; measurements of those that were there before are kept. */
static void samples_for(struct samples *samples, const struct strv *names)
{
    struct samples next = {0};
    for (size_t i = 0; i < names->count; i++) {
        xgrow((void **)&next.items, next.count, &next.capacity, sizeof(*next.items));
        struct sample *sample = &next.items[next.count++];
        *sample = (struct sample){.name = xstrdup(names->items[i])};
        for (size_t n = 0; n < samples->count; n++) {
            if (strcmp(samples->items[n].name, sample->name) == 0) {
                sample->now = TAKE_PTR(samples->items[n].now);
                sample->before = TAKE_PTR(samples->items[n].before);
            }
        }
    }
    samples_release(samples);
    *samples = next;
}

static int names_of(struct cli *cli, const struct stats_flags *flags, struct strv *names, struct error *err)
{
    CLEANUP_JSON struct json *rows = NULL;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "/containers/json");
    client_query_add_bool(&path, "all", flags->all);
    int r = filters_query_add(&path, &flags->filters, err);
    if (r == 0)
        r = client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &rows, err);
    for (size_t i = 0; r == 0 && i < json_count(rows); i++)
        strv_add(names, json_get_string(json_at(rows, i), "Id"));
    return r;
}

/* Measures once, without the daemon's own wait for a second measurement. */
static int measure(struct cli *cli, struct sample *sample, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    struct json *stats = NULL;
    strbuf_adds(&path, "/containers/");
    client_path_escape(&path, sample->name);
    strbuf_adds(&path, "/stats?stream=0&one-shot=1");
    int r = client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &stats, err);
    if (r < 0)
        return r;
    json_free(sample->before);
    sample->before = sample->now;
    sample->now = stats;
    return 0;
}

/* `chosen`: containers that were named; others may go away between the list and the measurement. */
static int measure_all(struct cli *cli, struct samples *samples, bool chosen, struct error *err)
{
    for (size_t i = 0; i < samples->count;) {
        error_clear(err);
        int r = measure(cli, &samples->items[i], err);
        if (r < 0 && (chosen || err->kind != ERROR_NOT_FOUND))
            return r;
        if (r == 0) {
            i++;
            continue;
        }
        sample_release(&samples->items[i]);
        memmove(&samples->items[i], &samples->items[i + 1], (--samples->count - i) * sizeof(struct sample));
    }
    error_clear(err);
    return 0;
}

static int refresh(struct cli *cli, const struct stats_flags *flags, struct samples *samples,
                   const struct strv *arguments, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    int r = 0;
    if (arguments->count > 0)
        strv_copy(&names, arguments);
    else
        r = names_of(cli, flags, &names, err);
    if (r < 0)
        return r;
    samples_for(samples, &names);
    return measure_all(cli, samples, arguments->count > 0, err);
}

/* Until `interval` has passed since `start`. */
static void sleep_until(int64_t start, int64_t interval)
{
    int64_t left = start + interval - timestamp_monotonic();
    struct timespec time = {left / 1000000000, left % 1000000000};
    if (left > 0)
        nanosleep(&time, NULL);
}

static int show(const struct samples *samples, const char *format, const struct stats_flags *flags, bool screen,
                struct error *err)
{
    struct listing listing = {.format = format,
                              .default_table = "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t"
                                               "{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
                              .type_name = "*container.statsContext",
                              .headers = headers,
                              .header_count = ARRAY_SIZE(headers)};
    int r = 0;
    for (size_t i = 0; i < samples->count && r == 0; i++)
        r = add_row(&listing, &samples->items[i], flags, err);
    /* Home, and what is below of an older picture goes: no line is blank for a moment. */
    if (screen)
        printf("\x1b[H\x1b[J");
    if (r == 0)
        r = listing_print(&listing, err);
    listing_release(&listing);
    if (r == 0 && fflush(stdout) != 0)
        r = error_errno(err, errno, "write");
    return r;
}

int stats_show(struct cli *cli, const struct stats_flags *flags, const struct strv *arguments, struct error *err)
{
    CLEANUP_SAMPLES struct samples samples = {0};
    CLEANUP_FREE char *format = listing_format(cli, flags->format, false, "statsFormat");
    bool screen = !flags->no_stream && isatty(STDOUT_FILENO);
    int64_t interval = SHORT_INTERVAL;
    for (;;) {
        int64_t start = timestamp_monotonic();
        int r = refresh(cli, flags, &samples, arguments, err);
        /* The first picture has two measurements behind it, as all the later ones. */
        if (r == 0 && interval == SHORT_INTERVAL && samples.count > 0) {
            sleep_until(start, interval);
            start = timestamp_monotonic();
            r = measure_all(cli, &samples, arguments->count > 0, err);
        }
        if (r == 0)
            r = show(&samples, format, flags, screen, err);
        if (r < 0 || flags->no_stream)
            return r;
        interval = LONG_INTERVAL;
        sleep_until(start, interval);
    }
}

static int run_stats(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    return stats_show(cli, flags, arguments, err);
}

const struct command command_stats = {
    .name = "stats",
    .aliases = "container stats",
    .usage = "[OPTIONS] [CONTAINER...]",
    .summary = "Display a live stream of container(s) resource usage statistics",
    .options = stats_options,
    .flags_size = sizeof(struct stats_flags),
    .max_arguments = -1,
    .run = run_stats,
};
