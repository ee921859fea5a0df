/* What the system says, in the spelling of programs in Go, which users of docker know. */
#ifndef DORY_BASE_ERROR_WORDS_H
#define DORY_BASE_ERROR_WORDS_H

/* strerror() with a small letter in front: "no such file or directory". errnum may be positive or negative. The text is
 * the thread's, until the next call. */
const char *error_words(int errnum);

#endif
