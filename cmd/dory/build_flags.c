/* The flags of build: those of docker's classic builder and of buildx, by their
 * names. */
#include <stdio.h>
#include <string.h>

#include "cmd/dory/build.h"
#include "cmd/dory/container_flags_check.h"
#include "cmd/dory/global_flags.h"

static int check_progress(const char *value, struct error *err)
{
    static const char *const kinds[] = {"auto", "plain", "tty", "quiet", "rawjson", "none"};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(value, kinds[i]) == 0)
            return 0;
    }
    return error_set(err, ERROR_INVALID, 0, "must be one of auto, plain, tty, quiet, rawjson");
}

static int check_call(const char *value, struct error *err)
{
    if (strcmp(value, "build") == 0 || strcmp(value, "check") == 0)
        return 0;
    return error_set(err, ERROR_INVALID, 0, "must be one of build, check");
}

#define AT(member) offsetof(struct build_flags, member)
#define FLAG(name, letter, member, help)                                                                               \
    {                                                                                                                  \
        name, letter, OPTION_BOOL, AT(member), NULL, help, 0, 0, NULL                                                  \
    }
#define TEXT(name, letter, member, help)                                                                               \
    {                                                                                                                  \
        name, letter, OPTION_STRING, AT(member), "string", help, 0, 0, NULL                                            \
    }
#define LIST(name, letter, member, value, help)                                                                        \
    {                                                                                                                  \
        name, letter, OPTION_LIST, AT(member), value, help, 0, 0, NULL                                                 \
    }
#define NUMBER(name, letter, member, help)                                                                             \
    {                                                                                                                  \
        name, letter, OPTION_INT, AT(member), "int", help, 0, 0, NULL                                                  \
    }
#define REFUSED(name, help)                                                                                            \
    {                                                                                                                  \
        name, 0, OPTION_STRING, 0, "string", help, OPTION_REFUSED, 0, NULL                                             \
    }

const struct option build_options[] = {
    {"add-host", 0, OPTION_LIST, AT(add_hosts), "list", "Add a custom host-to-IP mapping (\"host:ip\")", 0, 0,
     check_add_host},
    LIST("allow", 0, allow, "list",
         "Allow extra privileged entitlement (e.g., \"network.host\", "
         "\"security.insecure\")"),
    REFUSED("annotation", "Add annotation to the image"),
    REFUSED("attest", "Attestation parameters"),
    LIST("build-arg", 0, build_args, "list", "Set build-time variables"),
    LIST("build-context", 0, build_contexts, "list", "Additional build contexts (e.g., name=path)"),
    REFUSED("builder", "Override the configured builder instance"),
    LIST("cache-from", 0, cache_from, "list", "Images to consider as cache sources"),
    LIST("cache-to", 0, cache_to, "list", "Cache export destinations"),
    {"call", 0, OPTION_STRING, AT(call), "string", "Set method for evaluating build (\"check\")", 0, 0, check_call},
    TEXT("cgroup-parent", 0, cgroup_parent, "Set the parent cgroup for the \"RUN\" instructions during build"),
    FLAG("check", 0, check, "Shorthand for \"--call=check\""),
    {"compress", 0, OPTION_BOOL, 0, NULL, "Compress the build context using gzip", OPTION_REFUSED, 0, NULL},
    NUMBER("cpu-period", 0, cpu_period, "Limit the CPU CFS (Completely Fair Scheduler) period"),
    NUMBER("cpu-quota", 0, cpu_quota, "Limit the CPU CFS (Completely Fair Scheduler) quota"),
    NUMBER("cpu-shares", 'c', cpu_shares, "CPU shares (relative weight)"),
    TEXT("cpuset-cpus", 0, cpuset_cpus, "CPUs in which to allow execution (0-3, 0,1)"),
    TEXT("cpuset-mems", 0, cpuset_mems, "MEMs in which to allow execution (0-3, 0,1)"),
    {"disable-content-trust", 0, OPTION_BOOL, AT(content_trust), NULL, "Skip image verification (default true)",
     OPTION_HIDDEN, 0, NULL},
    TEXT("file", 'f', file, "Name of the Dockerfile (Default is \"PATH/Dockerfile\")"),
    FLAG("force-rm", 0, force_remove, "Always remove intermediate containers"),
    TEXT("iidfile", 0, iidfile, "Write the image ID to the file"),
    TEXT("isolation", 0, isolation, "Container isolation technology"),
    {"label", 0, OPTION_LIST, AT(labels), "list", "Set metadata for an image", 0, 0, check_label},
    FLAG("load", 0, load,
         "Shorthand for \"--output=type=docker\": the image goes to the "
         "daemon, as it does anyway"),
    {"memory", 'm', OPTION_BYTES, AT(memory), "bytes", "Memory limit", 0, 0, NULL},
    {"memory-swap", 0, OPTION_BYTES, AT(memory_swap), "bytes",
     "Swap limit equal to memory plus swap: -1 to enable unlimited swap", OPTION_MINUS_ONE, 0, NULL},
    TEXT("metadata-file", 0, metadata_file, "Write build result metadata to a file"),
    TEXT("network", 0, network,
         "Set the networking mode for the \"RUN\" instructions during build "
         "(default \"default\")"),
    FLAG("no-cache", 0, no_cache, "Do not use cache when building the image"),
    LIST("no-cache-filter", 0, no_cache_filter, "list", "Do not cache specified stages"),
    LIST("output", 'o', outputs, "list", "Output destination (format: \"type=local,dest=path\")"),
    TEXT("platform", 0, platform, "Set platform if server is multi-platform capable"),
    {"progress", 0, OPTION_STRING, AT(progress), "string",
     "Set type of progress output (\"auto\", \"plain\", \"tty\", \"quiet\", "
     "\"rawjson\")",
     0, 0, check_progress},
    REFUSED("provenance", "Shorthand for \"--attest=type=provenance\""),
    FLAG("pull", 0, pull, "Always attempt to pull a newer version of the image"),
    FLAG("push", 0, push, "Push the image under its names when it is built"),
    FLAG("quiet", 'q', quiet, "Suppress the build output and print image ID on success"),
    FLAG("rm", 0, remove,
         "Remove intermediate containers after a successful build (default "
         "true)"),
    REFUSED("sbom", "Shorthand for \"--attest=type=sbom\""),
    LIST("secret", 0, secrets, "list",
         "Secret to expose to the build (format: "
         "\"id=mysecret[,src=/local/secret]\")"),
    LIST("security-opt", 0, security_options, "strings", "Security options"),
    {"shm-size", 0, OPTION_BYTES, AT(shm_size), "bytes", "Size of \"/dev/shm\"", 0, 0, NULL},
    FLAG("squash", 0, squash, "Squash newly built layers into a single new layer"),
    LIST("ssh", 0, ssh, "list",
         "SSH agent socket or keys to expose to the build (format: "
         "\"default|<id>[=<socket>|<key>[,<key>]]\")"),
    LIST("tag", 't', tags, "list", "Name and optionally a tag in the \"name:tag\" format"),
    TEXT("target", 0, target, "Set the target build stage to build"),
    {"ulimit", 0, OPTION_LIST, AT(ulimits), "ulimit", "Ulimit options", 0, 0, check_ulimit},
    {0},
};

void build_flags_defaults(void *flags)
{
    struct build_flags *f = flags;
    f->remove = true;
    f->platform = default_platform();
}

int build_flags_check(const struct build_flags *flags, struct error *err)
{
    for (size_t i = 0; i < flags->build_args.count; i++) {
        if (flags->build_args.items[i][0] == '\0' || flags->build_args.items[i][0] == '=')
            return error_set(err, ERROR_INVALID, 0, "invalid build argument \"%s\": empty name",
                             flags->build_args.items[i]);
    }
    for (size_t i = 0; i < flags->allow.count; i++) {
        const char *name = flags->allow.items[i];
        if (strcmp(name, "network.host") != 0 && strcmp(name, "security.insecure") != 0)
            return error_set(err, ERROR_INVALID, 0, "--allow %s: unknown entitlement", name);
    }
    if (flags->progress && strcmp(flags->progress, "rawjson") == 0 && flags->quiet)
        return error_set(err, ERROR_INVALID, 0, "progress=rawjson and quiet cannot be used together");
    return 0;
}

bool build_is_of_several(const struct build_flags *flags)
{
    return flags->platform && strchr(flags->platform, ',');
}

/* Every image is a cache: nothing has to be done. */
static bool is_inline(const struct strv *targets)
{
    for (size_t i = 0; i < targets->count; i++)
        if (strcmp(targets->items[i], "type=inline") != 0)
            return false;
    return true;
}

int build_flags_check_classic(const struct build_flags *flags, struct error *err)
{
    const struct {
        const char *name;
        bool used;
    } own[] = {
        {"allow", flags->allow.count > 0},
        {"build-context", flags->build_contexts.count > 0},
        {"cache-to", flags->cache_to.count > 0 && !is_inline(&flags->cache_to)},
        {"platform", build_is_of_several(flags)},
        {"call", flags->call != NULL && strcmp(flags->call, "build") != 0},
        {"check", flags->check},
        {"no-cache-filter", flags->no_cache_filter.count > 0},
        {"output", flags->outputs.count > 0},
        {"progress", flags->progress && strcmp(flags->progress, "rawjson") == 0},
        {"secret", flags->secrets.count > 0},
        {"ssh", flags->ssh.count > 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        if (own[i].used)
            return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "--%s needs a dory daemon, and this is another one",
                             own[i].name);
    }
    return 0;
}
