/* Heredoc operators: [fd]<<[-]NAME, where NAME may be quoted. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "daemon/build/expand.h"
#include "daemon/build/instruction_internal.h"

static const char *nothing(const char *name, void *data)
{
    (void)name;
    (void)data;
    return NULL;
}

/* The one word of text with its quotes, or without. False when it is not exactly one. */
static bool single_word(const char *text, bool quotes, struct strv *ret)
{
    const struct expand_options options = {
        .lookup = nothing, .keep_quotes = quotes, .keep_escapes = quotes, .keep_unset = true};
    return expand_words(text, &options, ret, NULL) == 0 && ret->count == 1;
}

bool heredoc_parse(const char *word, struct heredoc *ret)
{
    CLEANUP_STRV struct strv name = STRV_INIT, quoted = STRV_INIT;
    const char *p = word;
    while (isdigit((unsigned char)*p))
        p++;
    if (strncmp(p, "<<", 2) != 0)
        return false;
    p += 2;
    bool chomp = *p == '-';
    p += chomp;
    if (*p == '\0' || strchr(p, '<') != NULL || !single_word(p, false, &name) || !single_word(p, true, &quoted))
        return false;
    *ret = (struct heredoc){
        .name = xstrdup(name.items[0]), .expand = strcmp(name.items[0], quoted.items[0]) == 0, .chomp = chomp};
    return true;
}

void heredoc_release(struct heredoc *heredoc)
{
    free(heredoc->name);
    free(heredoc->content);
}

int instruction_find_heredocs(struct instruction *instruction, struct error *err)
{
    const struct expand_options options = {
        .lookup = nothing, .keep_quotes = true, .keep_escapes = true, .keep_unset = true};
    CLEANUP_STRV struct strv words = STRV_INIT;
    size_t capacity = 0;
    if (strstr(instruction->rest, "<<") == NULL || expand_words(instruction->rest, &options, &words, NULL) < 0)
        return 0; /* words that do not end are for the shell to complain about */
    for (size_t i = 0; i < words.count; i++) {
        struct heredoc heredoc;
        if (!heredoc_parse(words.items[i], &heredoc))
            continue;
        if (instruction->heredoc_count >= DOCKERFILE_HEREDOCS_MAX) {
            heredoc_release(&heredoc);
            return error_set(err, ERROR_INVALID, E2BIG, "more than %d heredocs", DOCKERFILE_HEREDOCS_MAX);
        }
        xgrow((void **)&instruction->heredocs, instruction->heredoc_count, &capacity, sizeof(heredoc));
        instruction->heredocs[instruction->heredoc_count++] = heredoc;
    }
    return 0;
}

char *heredoc_text(const struct heredoc *heredoc)
{
    struct strbuf text = STRBUF_INIT;
    for (const char *p = heredoc->content != NULL ? heredoc->content : ""; *p != '\0';) {
        if (heredoc->chomp)
            p += strspn(p, "\t");
        size_t size = strcspn(p, "\n");
        size += p[size] == '\n';
        strbuf_add(&text, p, size);
        p += size;
    }
    return strbuf_take(&text);
}

const struct heredoc *instruction_heredoc(const struct instruction *instruction, const char *word)
{
    const struct heredoc *found = NULL;
    struct heredoc heredoc;
    if (instruction->heredoc_count == 0 || !heredoc_parse(word, &heredoc))
        return NULL;
    for (size_t i = 0; i < instruction->heredoc_count; i++)
        if (strcmp(instruction->heredocs[i].name, heredoc.name) == 0)
            found = &instruction->heredocs[i];
    heredoc_release(&heredoc);
    return found;
}
