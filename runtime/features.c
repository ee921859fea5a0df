#include "runtime/features.h"

#include "base/strv.h"
#include "runtime/defaults.h"
#include "runtime/mount_options.h"
#include "runtime/seccomp.h"

static void member_list(struct json_writer *w, const char *key, const char *const *items)
{
    json_key(w, key);
    json_begin_array(w);
    for (; *items != NULL; items++)
        json_put_string(w, *items);
    json_end_array(w);
}

static void write_linux_features(struct json_writer *w)
{
    static const char *const namespaces[] = {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts", NULL};
    static const char *const operators[] = {"SCMP_CMP_EQ", "SCMP_CMP_GE",        "SCMP_CMP_GT", "SCMP_CMP_LE",
                                            "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE", NULL};
    static const char *const archs[] = {"SCMP_ARCH_AARCH64",  "SCMP_ARCH_ARM",         "SCMP_ARCH_MIPS",
                                        "SCMP_ARCH_MIPS64",   "SCMP_ARCH_MIPS64N32",   "SCMP_ARCH_MIPSEL",
                                        "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
                                        "SCMP_ARCH_PPC64",    "SCMP_ARCH_PPC64LE",     "SCMP_ARCH_RISCV64",
                                        "SCMP_ARCH_S390",     "SCMP_ARCH_S390X",       "SCMP_ARCH_X32",
                                        "SCMP_ARCH_X86",      "SCMP_ARCH_X86_64",      NULL};
    member_list(w, "namespaces", namespaces);
    json_key(w, "capabilities");
    json_begin_array(w);
    for (int i = 0; runtime_capability_name(i) != NULL; i++)
        json_put_string(w, runtime_capability_name(i));
    json_end_array(w);
    json_key(w, "cgroup");
    json_begin_object(w);
    json_member_bool(w, "v1", true);
    json_member_bool(w, "v2", true);
    json_member_bool(w, "systemd", true);
    json_member_bool(w, "systemdUser", true);
    json_member_bool(w, "rdma", true);
    json_end_object(w);
    json_key(w, "seccomp");
    json_begin_object(w);
    json_member_bool(w, "enabled", true);
    member_list(w, "actions", runtime_seccomp_actions);
    member_list(w, "operators", operators);
    member_list(w, "archs", archs);
    static const char *const lists[] = {"knownFlags", "supportedFlags"};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        json_key(w, lists[i]);
        json_begin_array(w);
        for (size_t k = 0; k < RUNTIME_SECCOMP_FLAGS; k++)
            json_put_string(w, runtime_seccomp_flags[k].name);
        json_end_array(w);
    }
    json_end_object(w);
    static const char *const there[] = {"apparmor", "selinux", "netDevices", "intelRdt"};
    for (size_t i = 0; i < ARRAY_SIZE(there); i++) {
        json_key(w, there[i]);
        json_begin_object(w);
        json_member_bool(w, "enabled", true);
        json_end_object(w);
    }
    json_key(w, "mountExtensions");
    json_begin_object(w);
    json_key(w, "idmap");
    json_begin_object(w);
    json_member_bool(w, "enabled", true);
    json_end_object(w);
    json_end_object(w);
}

void runtime_features_write(struct json_writer *w)
{
    static const char *const hooks[] = {
        "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop", NULL};
    CLEANUP_STRV struct strv options = STRV_INIT;
    mount_options_names(&options);
    json_begin_object(w);
    json_member_string(w, "ociVersionMin", "1.0.0");
    json_member_string(w, "ociVersionMax", "1.3.0");
    member_list(w, "hooks", hooks);
    member_list(w, "mountOptions", (const char *const *)options.items);
    json_key(w, "linux");
    json_begin_object(w);
    write_linux_features(w);
    json_end_object(w);
    json_key(w, "annotations");
    json_begin_object(w);
    json_member_string(w, "org.dory.version", DORY_VERSION);
    json_member_string(w, "org.opencontainers.runc.checkpoint.enabled", "true"); /* what podman and others look for */
    json_end_object(w);
    json_end_object(w);
}
