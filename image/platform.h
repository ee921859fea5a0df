/* Platforms of images, "os/architecture[/variant]": parsing, this machine's, and which of several suits best. Pure but
 * for platform_host. */
#ifndef DORY_IMAGE_PLATFORM_H
#define DORY_IMAGE_PLATFORM_H

#include "base/error.h"

#define PLATFORM_PART_MAX 32

/* Normalised as docker does: x86_64 is amd64, aarch64 is arm64; variant "" stands for arm64/v8, amd64/v1. */
struct platform {
    char os[PLATFORM_PART_MAX], architecture[PLATFORM_PART_MAX], variant[PLATFORM_PART_MAX];
};

/* Room for platform_format. */
#define PLATFORM_TEXT_MAX (3 * PLATFORM_PART_MAX)

void platform_host(struct platform *ret);
/* "linux/arm/v7", "linux/arm64", "linux" or "arm64"; missing parts are this machine's. */
int platform_parse(const char *text, struct platform *ret, struct error *err);
/* From the members of a manifest list or a config; NULL counts as empty. Parts that are too long match nothing. */
void platform_set(struct platform *platform, const char *os, const char *architecture, const char *variant);
/* "linux_arm64": of files of this platform beside those of others. Of a text that is none, "". The caller frees. */
char *platform_directory(const char *text);
void platform_format(const struct platform *platform, char text[PLATFORM_TEXT_MAX]);
/*
 * How well an image of platform `have` runs where `want` is asked for: 0 is exact, larger is worse, negative is not at
 * all. arm64 also runs arm/v8 and below, arm/v7 runs v6 and v5, amd64/v3 runs v2 and v1, amd64 runs 386.
 */
int platform_distance(const struct platform *want, const struct platform *have);

#endif
