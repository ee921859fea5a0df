/*
 * Functions that have cost others a vulnerability do not compile here. Included by every file through the compiler's
 * -include flag.
 */
#ifndef DORY_BASE_BANNED_H
#define DORY_BASE_BANNED_H

/* The system's own headers may use or declare these names, so they come first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BANNED(name) name##_is_banned_see_base_banned_h

#undef strcpy
#define strcpy(a, b) BANNED(strcpy)
#undef strcat
#define strcat(a, b) BANNED(strcat)
#undef strncpy
#define strncpy(a, b, n) BANNED(strncpy)
#undef strncat
#define strncat(a, b, n) BANNED(strncat)
#undef sprintf
#define sprintf(...) BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) BANNED(vsprintf)
#undef strtok
#define strtok(a, b) BANNED(strtok)
#undef atoi
#define atoi(a) BANNED(atoi)
#undef atol
#define atol(a) BANNED(atol)
#undef atoll
#define atoll(a) BANNED(atoll)
#undef gets
#define gets(a) BANNED(gets)
/* dup(2) loses close-on-exec: fcntl(F_DUPFD_CLOEXEC) or dup3(2). */
#undef dup
#define dup(a) BANNED(dup)
#undef dup2
#define dup2(a, b) BANNED(dup2)

#endif
