/* Any text as a word: expanded as a whole and into words, in all modes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/build/expand.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *lookup(const char *name, void *data)
{
    (void)data;
    return name[0] == 'a' ? "va/lue.x" : name[0] == 'e' ? "" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_FREE char *text = xstrndup((const char *)data, size);
    for (unsigned mode = 0; mode < 32; mode++) {
        CLEANUP_STRV struct strv words = STRV_INIT, unset = STRV_INIT;
        char *word = NULL;
        struct error err = {0};
        const struct expand_options options = {.lookup = lookup,
                                               .escape = mode & 1 ? '`' : '\\',
                                               .keep_quotes = mode & 2,
                                               .keep_escapes = mode & 4,
                                               .keep_unset = mode & 8,
                                               .heredoc = mode & 16,
                                               .unset = &unset};
        int r = expand_word(text, &options, &word, &err);
        if ((r < 0) != (expand_words(text, &options, &words, NULL) < 0) || (r < 0 && err.message[0] == '\0'))
            abort();
        if (r == 0 && strlen(word) > EXPAND_SIZE_MAX)
            abort();
        free(word);
    }
    return 0;
}
