/* The options of a mount, one a line; the first line is the type. Also lists of CPUs and the names of sysctls, which
 * are as short. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mount.h>

#include "base/memory.h"
#include "runtime/mount_options.h"
#include "runtime/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_FREE char *text = xstrndup((const char *)data, size);
    struct settings_mask mask;
    settings_list("field", text, &mask, NULL);
    CLEANUP_FREE char *path = oci_sysctl_path(text);
    const char *namespace = oci_sysctl_namespace(path);
    if (namespace != NULL && namespace[0] == '\0')
        abort();

    char *rest = strchr(text, '\n');
    if (rest != NULL)
        *rest++ = '\0';
    struct oci_mount mount = {.destination = (char *)"/d", .type = text, .source = (char *)"/s"};
    if (rest != NULL)
        strv_split(&mount.options, rest, '\n');
    struct mount_options options;
    if (mount_options_parse(&mount, &options, NULL) == 0) {
        /* What is set and what is cleared are different things. */
        if ((options.set & options.clear & ~(uint64_t)MOUNT_ATTR__ATIME) != 0)
            abort();
        if ((options.bind || options.recursive_bind) && options.data.count > 0)
            abort();
    }
    mount_options_release(&options);
    strv_release(&mount.options);
    return 0;
}
