#include "cmd/dory/confirm.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool confirm(const char *text)
{
    char line[32];
    size_t size = strlen(text);
    printf("%s%sAre you sure you want to continue? [y/N] ", text, size > 0 && text[size - 1] == '\n' ? "" : " ");
    fflush(stdout);
    if (!fgets(line, sizeof(line), stdin))
        return false;
    line[strcspn(line, "\r\n")] = '\0';
    return strcasecmp(line, "y") == 0;
}
