/* Comments in front of instructions that say what a stage or an argument is for. */
#include <string.h>

#include "daemon/build/dockerfile.h"

const char *dockerfile_comment(const struct dockerfile *file, int line)
{
    if (line < 1 || (size_t)line > file->lines.count)
        return NULL;
    const char *text = file->lines.items[line - 1];
    text += strspn(text, " \t");
    return *text == '#' ? text + 1 + strspn(text + 1, " \t") : NULL;
}

const char *instruction_description(const struct dockerfile *file, const struct instruction *instruction,
                                    const char *name)
{
    size_t size = strlen(name);
    const char *comment, *found = NULL;
    for (int line = instruction->first_line - 1; (comment = dockerfile_comment(file, line)) && *comment; line--) {
        if (strncmp(comment, name, size) == 0 && comment[size] == ' ')
            found = comment + size + 1;
    }
    return found;
}
