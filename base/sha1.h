/* SHA-1 (RFC 3174), for protocols that name it; nothing rests on its strength. */
#ifndef DORY_BASE_SHA1_H
#define DORY_BASE_SHA1_H

#include <stddef.h>

#define SHA1_SIZE 20

void sha1(const void *data, size_t size, unsigned char ret[SHA1_SIZE]);

#endif
