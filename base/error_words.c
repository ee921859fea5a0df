#include "base/error_words.h"

#include <stdio.h>
#include <string.h>

const char *error_words(int errnum)
{
    static _Thread_local char words[128];
    snprintf(words, sizeof words, "%s", strerror(errnum < 0 ? -errnum : errnum));
    if (words[0] >= 'A' && words[0] <= 'Z' && words[1] >= 'a' && words[1] <= 'z')
        words[0] = (char)(words[0] - 'A' + 'a');
    return words;
}
