/* `image ls --tree`: images with all their names, and below them the platforms they are there for. */
#ifndef DORY_CMD_DORY_IMAGE_TREE_H
#define DORY_CMD_DORY_IMAGE_TREE_H

#include <stdbool.h>

#include "base/json.h"

/* `images` is what GET /images/json?manifests=1 answers. On a terminal titles are bold. */
void image_tree_print(const struct json *images, bool terminal);

#endif
