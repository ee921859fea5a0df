/* Internal to runtime/: what a dump and a restore share: directories, options, what of the host a container holds. */
#ifndef DORY_RUNTIME_CRIU_IMAGES_H
#define DORY_RUNTIME_CRIU_IMAGES_H

#include "runtime/criu.h"
#include "runtime/criu_rpc.h"

struct criu_images {
    const struct criu_options *options;
    const char *log_file;
    int images_fd, work_fd; /* owned */
};

/* Opens the directories; `make`: the images' one is made. Released in every case. */
int criu_images_open(const struct criu_options *options, const char *log_file, bool make, struct criu_images *ret,
                     struct error *err);
void criu_images_release(struct criu_images *images);
/* The options that both directions have. Of the container's annotations, org.criu.config is the configuration file that
 * criu reads, as with runc; "" is none. */
void criu_images_add(const struct criu_images *images, const struct strmap *annotations, struct strbuf *opts);
/* Puts criu's last word from its log behind the message. Returns -err->errnum. */
int criu_images_explain(const struct criu_images *images, struct error *err);

/* A mount whose content is the host's: a bind mount that is not of the cgroup tree. */
bool criu_is_external(const struct oci_mount *mount);

#endif
