/* builder du: what the build cache takes, as `docker buildx du` shows it. */
#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "base/units.h"
#include "cmd/dory/command.h"
#include "cmd/dory/filters_query.h"

struct du_flags {
    bool verbose;
};

#define AT(member) offsetof(struct du_flags, member)
static const struct option du_options[] = {
    {"verbose", 0, OPTION_BOOL, AT(verbose), NULL, "Provide a more verbose output", 0, 0, NULL},
    {0},
};

static void print_row(const struct json *record)
{
    char size[32], accessed[80];
    units_size(size, sizeof(size), (double)json_get_int(record, "Size", 0));
    format_time_ago(accessed, sizeof(accessed), json_get_string(record, "LastUsedAt"));
    bool shared = json_get_bool(record, "Shared", false);
    printf("%-64.64s\t%-11s\t%s%s\t%s\n", json_get_string(record, "ID"),
           json_get_bool(record, "InUse", false) ? "false" : "true", size, shared ? "*" : "", accessed);
}

static void print_record(const struct json *record)
{
    char size[32], accessed[80];
    units_size(size, sizeof(size), (double)json_get_int(record, "Size", 0));
    format_time_ago(accessed, sizeof(accessed), json_get_string(record, "LastUsedAt"));
    printf("ID:\t\t%s\nCreated at:\t%s\nMutable:\tfalse\nReclaimable:\t%s\nShared:\t\t%s\nSize:\t\t%s\n",
           json_get_string(record, "ID"), json_get_string(record, "CreatedAt"),
           json_get_bool(record, "InUse", false) ? "false" : "true",
           json_get_bool(record, "Shared", false) ? "true" : "false", size);
    printf("Description:\t%s\nUsage count:\t%lld\nLast used:\t%s\nType:\t\t%s\n\n",
           json_get_string(record, "Description"), (long long)json_get_int(record, "UsageCount", 0), accessed,
           json_get_string(record, "Type"));
}

static void print_sum(const char *name, int64_t bytes)
{
    char size[32];
    units_size(size, sizeof(size), (double)bytes);
    printf("%s\t%s\n", name, size);
}

static int run_du(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct du_flags *flags = data;
    CLEANUP_JSON struct json *answer = NULL;
    int64_t total = 0, reclaimable = 0, shared = 0;
    (void)arguments;
    int r = client_json(cli_client(cli), &(struct client_request){.path = "/system/df?type=build-cache"}, &answer, err);
    if (r < 0)
        return r;
    const struct json *records = json_get(answer, "BuildCache");
    if (!flags->verbose)
        printf("%-64s\tRECLAIMABLE\tSIZE\tLAST ACCESSED\n", "ID");
    for (size_t i = 0; i < json_count(records); i++) {
        const struct json *record = json_at(records, i);
        int64_t size = json_get_int(record, "Size", 0);
        total += size;
        reclaimable += json_get_bool(record, "InUse", false) ? 0 : size;
        shared += json_get_bool(record, "Shared", false) ? size : 0;
        if (flags->verbose)
            print_record(record);
        else
            print_row(record);
    }
    print_sum("Shared:\t", shared);
    print_sum("Private:", total - shared);
    print_sum("Reclaimable:", reclaimable);
    print_sum("Total:\t", total);
    return 0;
}

const struct command command_builder_du = {
    .name = "builder du",
    .usage = "[OPTIONS]",
    .summary = "Disk usage of the build cache",
    .options = du_options,
    .flags_size = sizeof(struct du_flags),
    .run = run_du,
};
