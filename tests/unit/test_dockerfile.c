/* Dockerfiles as text: lines, directives, heredocs, flags and words. */
#include "tests/unit/base_test.h"

#include <string.h>

#include "base/strbuf.h"
#include "daemon/build/dockerfile.h"

/* What a text is read as, one instruction a line: "KIND first-last {flag=value} json [word] [word] <<NAME:content". */
static char *shown(const char *text)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    CLEANUP_DOCKERFILE struct dockerfile file = {0};
    struct error err = {0};
    if (dockerfile_parse("Dockerfile", text, strlen(text), &file, &err) < 0)
        return xasprintf("error: %.*s", (int)strcspn(err.message, "\n"), err.message);
    for (size_t i = 0; i < file.count; i++) {
        const struct instruction *in = &file.instructions[i];
        strbuf_addf(&out, "%s%s %d-%d", i > 0 ? "\n" : "", instruction_kind_name(in->kind), in->first_line,
                    in->last_line);
        for (size_t j = 0; j < in->flag_count; j++)
            strbuf_addf(&out, " {%s=%s}", in->flags[j].name, in->flags[j].value ? in->flags[j].value : "(none)");
        strbuf_adds(&out, in->json ? " json" : "");
        for (size_t j = 0; j < in->words.count; j++)
            strbuf_addf(&out, " [%s]", in->words.items[j]);
        for (size_t j = 0; j < in->heredoc_count; j++)
            strbuf_addf(&out, " <<%s:%s%s%s", in->heredocs[j].name, in->heredocs[j].content,
                        in->heredocs[j].expand ? "" : ":quoted", in->heredocs[j].chomp ? ":chomp" : "");
    }
    return strbuf_take(&out);
}

struct row {
    const char *text, *expected;
};

static void compare(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CLEANUP_FREE char *have = shown(rows[i].text);
        if (strcmp(have, rows[i].expected) != 0)
            print_error("row %zu: %s\n", i, rows[i].text);
        assert_string_equal(have, rows[i].expected);
    }
}

static void arguments_are_cut_after_the_form_of_their_instruction(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"FROM busybox AS b", "FROM 1-1 [busybox] [AS] [b]"},
        {"from  busybox\tas  b ", "FROM 1-1 [busybox] [as] [b]"},
        {"RUN echo  'a b'", "RUN 1-1 [echo  'a b']"},
        {"RUN [\"echo\", \"a b\"]", "RUN 1-1 json [echo] [a b]"},
        {"RUN [ \"echo\" ", "RUN 1-1 [[ \"echo\"]"},
        {"RUN ['echo']", "RUN 1-1 [['echo']]"},
        {"CMD []", "CMD 1-1 json"},
        {"CMD", "CMD 1-1"},
        {"CMD [\"a\", 1]", "error: dockerfile parse error on line 1: when using JSON array syntax, arrays must be "
                           "comprised of strings only"},
        {"COPY a 'b c' /d", "COPY 1-1 [a] ['b] [c'] [/d]"},
        {"COPY [\"a b\", \"/c\"]", "COPY 1-1 json [a b] [/c]"},
        {"ENV a=b c='d e' f=\"g h\" i=j\\ k", "ENV 1-1 [a] [b] [c] ['d e'] [f] [\"g h\"] [i] [j\\ k]"},
        {"ENV a b=c  d", "ENV 1-1 [a] [b=c  d]"},
        {"ENV a", "error: dockerfile parse error on line 1: ENV must have two arguments"},
        {"ENV a=b c", "error: dockerfile parse error on line 1: Syntax error - can't find = in \"c\". Must be of the "
                      "form: name=value"},
        {"LABEL \"a b\"=c d=", "LABEL 1-1 [\"a b\"] [c] [d] []"},
        {"ARG a b=c d='e f'", "ARG 1-1 [a] [b=c] [d='e f']"},
        {"EXPOSE 80  81/udp", "EXPOSE 1-1 [80] [81/udp]"},
        {"HEALTHCHECK --interval=5s --retries=3 CMD curl  x",
         "HEALTHCHECK 1-1 {interval=5s} {retries=3} [CMD] [curl  x]"},
        {"HEALTHCHECK CMD [\"a\", \"b\"]", "HEALTHCHECK 1-1 json [CMD] [a] [b]"},
        {"HEALTHCHECK NONE", "HEALTHCHECK 1-1 [NONE]"},
        {"MAINTAINER a  b", "MAINTAINER 1-1 [a  b]"},
        {"WORKDIR /a b", "WORKDIR 1-1 [/a b]"},
        {"ONBUILD RUN [\"a\"]", "ONBUILD 1-1 [RUN [\"a\"]]"},
    };
    compare(rows, ARRAY_SIZE(rows));
}

static void lines_are_joined_and_comments_dropped(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"\xef\xbb\xbf# hello\n\nFROM a\r\n  RUN b\\\n   c \\  \n# not this\nd\nRUN e",
         "FROM 3-3 [a]\nRUN 4-7 [b   c d]\nRUN 8-8 [e]"},
        {"RUN a \\\n\n\n b\nRUN c", "RUN 1-4 [a  b]\nRUN 5-5 [c]"},
        {"RUN a\\\\\nRUN b", "RUN 1-1 [a\\\\]\nRUN 2-2 [b]"},
        {"# escape=`\nRUN a `\n b\\\nRUN c", "RUN 2-3 [a  b\\]\nRUN 4-4 [c]"},
        {"#Syntax = x/y:1\n# ESCAPE = ` \nRUN a`\nb", "RUN 3-4 [ab]"},
        {"# comment\n# escape=`\nRUN a`\nRUN b", "RUN 3-3 [a`]\nRUN 4-4 [b]"},
        {"RUN a # b", "RUN 1-1 [a # b]"},
        {"RUN a \\", "RUN 1-1 [a]"},
        {"# escape=x\nRUN a",
         "error: dockerfile parse error on line 1: invalid escape token 'x' does not match ` or \\"},
        {"# escape=`\n# escape=`\n",
         "error: dockerfile parse error on line 2: only one escape parser directive can be used"},
        {"", "error: the Dockerfile (Dockerfile) cannot be empty"},
        {"# nothing\n", "error: file with no instructions"},
    };
    compare(rows, ARRAY_SIZE(rows));
}

static void heredocs_belong_to_their_instruction(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"RUN <<EOF\necho a\n # b\n\\\nEOF\nRUN c", "RUN 1-5 [<<EOF] <<EOF:echo a\n # b\n\\\n\nRUN 6-6 [c]"},
        {"COPY <<a <<-'b' /d\n1\na\n\t2\n\tb\n", "COPY 1-5 [<<a] [<<-'b'] [/d] <<a:1\n <<b:\t2\n:quoted:chomp"},
        {"RUN cat <<\"x y\" | sh\n1\nx y\n", "RUN 1-3 [cat <<\"x y\" | sh] <<x y:1\n:quoted"},
        {"RUN echo \"<<EOF\"", "RUN 1-1 [echo \"<<EOF\"]"},
        {"RUN cat <<<EOF", "RUN 1-1 [cat <<<EOF]"},
        {"RUN echo $((1<<2))", "RUN 1-1 [echo $((1<<2))]"},
        {"CMD cat <<EOF", "CMD 1-1 [cat <<EOF]"},
        {"RUN a 3<<E\nE", "RUN 1-2 [a 3<<E] <<E:"},
        {"RUN <<EOF\na\n", "error: dockerfile parse error on line 1: unterminated heredoc"},
    };
    compare(rows, ARRAY_SIZE(rows));
}

static void flags_are_checked_against_their_instruction(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"COPY --from=a --chown=1:2 --link --exclude=x --exclude=y b c",
         "COPY 1-1 {from=a} {chown=1:2} {link=(none)} {exclude=x} {exclude=y} [b] [c]"},
        {"RUN --mount=type=cache,target=/x --mount=type=ssh -- --a",
         "RUN 1-1 {mount=type=cache,target=/x} {mount=type=ssh} [--a]"},
        {"RUN --mount='type=bind,source=a b' c", "RUN 1-1 {mount=type=bind,source=a b} [c]"},
        {"COPY --fron=a b c", "error: dockerfile parse error on line 1: unknown flag: --fron (did you mean from?)"},
        {"CMD --x y", "error: dockerfile parse error on line 1: unknown flag: --x"},
        {"COPY --from=a --from=b c d", "error: dockerfile parse error on line 1: duplicate flag specified: --from"},
        {"COPY --from a b", "error: dockerfile parse error on line 1: missing a value on flag: --from"},
        {"COPY --link=maybe a b",
         "error: dockerfile parse error on line 1: expecting boolean value for flag --link, not: maybe"},
        {"ONBUILD COPY --frm=a b c",
         "error: dockerfile parse error on line 1: unknown flag: --frm (did you mean from?)"},
    };
    compare(rows, ARRAY_SIZE(rows));
}

static void errors_show_where_and_what_was_meant(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"FROM a\nRUNN b", "error: dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)"},
        {"FROM a\nENTRYPONT b",
         "error: dockerfile parse error on line 2: unknown instruction: ENTRYPONT (did you mean ENTRYPOINT?)"},
        {"xyzzy", "error: dockerfile parse error on line 1: unknown instruction: xyzzy"},
        {"ONBUILD ONBUILD RUN a",
         "error: dockerfile parse error on line 1: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"},
        {"ONBUILD from a", "error: dockerfile parse error on line 1: FROM isn't allowed as an ONBUILD trigger"},
    };
    compare(rows, ARRAY_SIZE(rows));
    struct dockerfile file = {0};
    struct error err = {0};
    const char *text = "FROM a\n\nCOPI x \\\n  y\nRUN z\n";
    assert_int_equal(dockerfile_parse("sub/Dockerfile", text, strlen(text), &file, &err), -EINVAL);
    assert_string_equal(err.message,
                        "dockerfile parse error on line 3: unknown instruction: COPI (did you mean COPY?)\n"
                        "sub/Dockerfile:3\n--------------------\n   1 |     FROM a\n   2 |     \n"
                        "   3 | >>> COPI x \\\n   4 |       y\n   5 |     RUN z\n--------------------");
}

static void a_trigger_is_read_by_itself(void **state)
{
    (void)state;
    struct instruction in = {0};
    struct error err = {0};
    assert_int_equal(instruction_parse("COPY <<EOF /a\nb\nEOF", '\\', &in, &err), 0);
    assert_int_equal(in.kind, INSTRUCTION_COPY);
    assert_int_equal(in.heredoc_count, 1);
    assert_string_equal(in.heredocs[0].content, "b\n");
    instruction_release(&in);
    assert_int_equal(instruction_parse("RUN a\nRUN b", '\\', &in, &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_cut_after_the_form_of_their_instruction),
        cmocka_unit_test(lines_are_joined_and_comments_dropped),
        cmocka_unit_test(heredocs_belong_to_their_instruction),
        cmocka_unit_test(flags_are_checked_against_their_instruction),
        cmocka_unit_test(errors_show_where_and_what_was_meant),
        cmocka_unit_test(a_trigger_is_read_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
