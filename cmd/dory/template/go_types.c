/* Fields of the Engine API (engine-api.yaml) that are lists or maps: what a null of them prints as in Go, and that an
 * object of that name is no struct. */
#include <stdlib.h>
#include <string.h>

#include "cmd/dory/template/value.h"

static const struct go_field {
    const char *name;
    enum go_type type;
} fields[] = {
    /* sorted by name */
    {"Aliases", GO_SLICE},
    {"Annotations", GO_MAP},
    {"Args", GO_SLICE},
    {"Attributes", GO_MAP},
    {"AuxiliaryAddresses", GO_MAP},
    {"Binds", GO_SLICE},
    {"BlkioDeviceReadBps", GO_SLICE},
    {"BlkioDeviceReadIOps", GO_SLICE},
    {"BlkioDeviceWriteBps", GO_SLICE},
    {"BlkioDeviceWriteIOps", GO_SLICE},
    {"BlkioWeightDevice", GO_SLICE},
    {"CapAdd", GO_SLICE},
    {"CapDrop", GO_SLICE},
    {"ClientErrors", GO_SLICE},
    {"Cmd", GO_SLICE},
    {"Components", GO_SLICE},
    {"Containers", GO_MAP_OF_POINTERS},
    {"DNSNames", GO_SLICE},
    {"Data", GO_MAP},
    {"DeviceCgroupRules", GO_SLICE},
    {"DeviceRequests", GO_SLICE},
    {"Devices", GO_SLICE},
    {"Dns", GO_SLICE},
    {"DnsOptions", GO_SLICE},
    {"DnsSearch", GO_SLICE},
    {"DriverOpts", GO_MAP},
    {"Endpoints", GO_MAP_OF_POINTERS},
    {"Entrypoint", GO_SLICE},
    {"Env", GO_SLICE},
    {"ExecIDs", GO_SLICE},
    {"ExposedPorts", GO_MAP_OF_POINTERS},
    {"ExtraHosts", GO_SLICE},
    {"GroupAdd", GO_SLICE},
    {"Labels", GO_MAP},
    {"Layers", GO_SLICE},
    {"Links", GO_SLICE},
    {"MaskedPaths", GO_SLICE},
    {"Mounts", GO_SLICE},
    {"Networks", GO_MAP_OF_POINTERS},
    {"OnBuild", GO_SLICE},
    {"Options", GO_MAP},
    {"PortBindings", GO_MAP_OF_SLICES},
    {"Ports", GO_MAP_OF_SLICES},
    {"ReadonlyPaths", GO_SLICE},
    {"RepoDigests", GO_SLICE},
    {"RepoTags", GO_SLICE},
    {"Runtimes", GO_MAP},
    {"SecondaryIPAddresses", GO_SLICE},
    {"SecondaryIPv6Addresses", GO_SLICE},
    {"SecurityOpt", GO_SLICE},
    {"SecurityOptions", GO_SLICE},
    {"ServerErrors", GO_SLICE},
    {"Shell", GO_SLICE},
    {"StorageOpt", GO_MAP},
    {"Sysctls", GO_MAP},
    {"TLSMaterial", GO_MAP_OF_SLICES},
    {"Tmpfs", GO_MAP},
    {"Ulimits", GO_SLICE},
    {"Volumes", GO_MAP_OF_POINTERS},
    {"VolumesFrom", GO_SLICE},
    {"Warnings", GO_SLICE},
};

/* Pointers and plain values that may be left out. */
static const char *const optional[] = {"Descriptor", "Health",         "Healthcheck", "ImageManifestDescriptor",
                                       "Init",       "OomKillDisable", "PidsLimit",   "SizeRootFs",
                                       "SizeRw",     "StopTimeout",    "UsageData"};

/* Texts and switches that are left out when they are empty or off. */
static const char *const optional_texts[] = {"Author",   "Comment",    "DockerVersion", "Domainname",
                                             "Hostname", "MacAddress", "OsVersion",     "StopSignal",
                                             "User",     "Variant",    "WorkingDir"};
static const char *const optional_switches[] = {"ArgsEscaped", "NetworkDisabled"};

/* Fields whose name in Go, which templates use, is spelt otherwise than in JSON. */
static const struct {
    const char *field, *member;
} spellings[] = {
    {"APIVersion", "ApiVersion"},
    {"BridgeNfIP6tables", "BridgeNfIp6tables"},
    {"CPUCfsPeriod", "CpuCfsPeriod"},
    {"CPUCfsQuota", "CpuCfsQuota"},
    {"CPUPeriod", "CpuPeriod"},
    {"CPUQuota", "CpuQuota"},
    {"CPURealtimePeriod", "CpuRealtimePeriod"},
    {"CPURealtimeRuntime", "CpuRealtimeRuntime"},
    {"CPUShares", "CpuShares"},
    {"DNS", "Dns"},
    {"DNSOptions", "DnsOptions"},
    {"DNSSearch", "DnsSearch"},
    {"HTTPProxy", "HttpProxy"},
    {"HTTPSProxy", "HttpsProxy"},
    {"HostIP", "HostIp"},
    {"ID", "Id"},
    {"NanoCPUs", "NanoCpus"},
};

static int compare(const void *name, const void *field)
{
    return strcmp(name, ((const struct go_field *)field)->name);
}

enum go_type go_type_of(const char *name)
{
    const struct go_field *field = bsearch(name, fields, ARRAY_SIZE(fields), sizeof(fields[0]), compare);
    return field ? field->type : GO_FIELD;
}

static bool go_type_optional(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(optional); i++) {
        if (strcmp(optional[i], name) == 0)
            return true;
    }
    return go_type_of(name) != GO_FIELD;
}

const char *go_type_spelling(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
        if (strcmp(spellings[i].field, name) == 0)
            return spellings[i].member;
    }
    return NULL;
}

const struct json *go_type_zero(const char *name)
{
    static char nothing[1];
    static const struct json null = {.kind = JSON_NULL}, off = {.kind = JSON_BOOL},
                             empty = {.kind = JSON_STRING, .string = {nothing, 0}};
    for (size_t i = 0; i < ARRAY_SIZE(optional_texts); i++) {
        if (strcmp(optional_texts[i], name) == 0)
            return &empty;
    }
    for (size_t i = 0; i < ARRAY_SIZE(optional_switches); i++) {
        if (strcmp(optional_switches[i], name) == 0)
            return &off;
    }
    return go_type_optional(name) ? &null : NULL;
}
