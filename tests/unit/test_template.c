#include "cmd/dory/template.h"
#include "tests/unit/base_test.h"

static const char data[] = "{\"Id\":\"abc\",\"N\":3,\"On\":true,\"Off\":false,\"Null\":null,\"Cmd\":[\"a\",\"b c\"],"
                           "\"M\":{\"z\":\"1\",\"y\":\"2\"},\"L\":[{\"T\":\"x\"},{\"T\":\"y\"}],\"E\":[]}";

/* What the template makes of the data, or "!" and the error. The caller frees. */
static char *execute(const char *text)
{
    CLEANUP_JSON struct json *tree = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct template *t = NULL;
    struct error err = {0};
    assert_int_equal(json_parse(data, sizeof(data) - 1, &tree, &err), 0);
    int r = template_parse(text, &t, &err);
    if (r == 0)
        r = template_execute(t, tree, &out, &err);
    template_free(t);
    return r < 0 ? xasprintf("!%s", err.message) : strbuf_take(&out);
}

static void assert_renders(const char *text, const char *expected)
{
    CLEANUP_FREE char *got = execute(text);
    assert_string_equal(got, expected);
}

static void assert_fails(const char *text, const char *part)
{
    CLEANUP_FREE char *got = execute(text);
    assert_int_equal(got[0], '!');
    if (!strstr(got, part))
        fail_msg("\"%s\" does not say \"%s\"", got, part);
}

static void values_print_as_go_prints_them(void **state)
{
    (void)state;
    assert_renders("{{.Id}} {{.N}} {{.On}} {{.Null}}", "abc 3 true <no value>");
    assert_renders("{{.Cmd}}", "[a b c]");
    assert_renders("{{.M}}", "map[y:2 z:1]");
    assert_renders("{{json .Cmd}} {{json .M}}", "[\"a\",\"b c\"] {\"y\":\"2\",\"z\":\"1\"}");
}

static void functions_work_in_call_and_pipeline_form(void **state)
{
    (void)state;
    assert_renders("{{join .Cmd \"-\"}} {{.Id | upper}} {{upper .Id | lower}}", "a-b c ABC abc");
    assert_renders("{{len .Cmd}} {{index .Cmd 1}} {{index .M \"z\"}}", "2 b c 1");
    assert_renders("{{printf \"%s-%d-%5s|%-5s|\" .Id .N .Id .Id}}", "abc-3-  abc|abc  |");
    assert_renders("{{truncate .Id 2}} {{pad .Id 1 2}}. {{title .Id}}", "ab  abc  . Abc");
    assert_renders("{{split \"a,b\" \",\"}} {{println .N}}", "[a b] 3\n");
    assert_renders("{{(index .L 1).T}}", "y");
}

static void control_structures(void **state)
{
    (void)state;
    assert_renders("{{if .On}}a{{else}}b{{end}}{{if .Off}}a{{else}}b{{end}}", "ab");
    assert_renders("{{if .Off}}a{{else if .On}}b{{else}}c{{end}}", "b");
    assert_renders("{{range .L}}{{.T}},{{end}}", "x,y,");
    assert_renders("{{range $i, $v := .L}}{{$i}}={{$v.T}};{{end}}", "0=x;1=y;");
    assert_renders("{{range $k, $v := .M}}{{$k}}={{$v}};{{end}}", "y=2;z=1;");
    assert_renders("{{range .E}}x{{else}}none{{end}}", "none");
    assert_renders("{{with .M}}{{.z}}{{$.Id}}{{end}}", "1abc");
    assert_renders("{{$x := .Id}}{{$x}}{{$x}}", "abcabc");
    assert_renders("{{if and .On (eq .Id \"abc\") (not .Off)}}yes{{end}}", "yes");
    assert_renders("{{if or .Off (gt .N 2)}}yes{{end}}{{if ne .N 3}}no{{end}}{{if lt .N 4}}lt{{end}}", "yeslt");
}

static void blanks_are_trimmed_where_asked(void **state)
{
    (void)state;
    assert_renders("a  {{- .N -}}  b", "a3b");
    assert_renders("a  {{ .N }}  b", "a  3  b");
    assert_renders("{{/* a comment */}}x", "x");
    assert_renders("{{`raw \"}}\"`}}{{\"q\\n\"}}", "raw \"}}\"q\n");
}

static void errors_name_what_is_wrong(void **state)
{
    (void)state;
    assert_fails("{{.Nope}}", "map has no entry for key \"Nope\"");
    assert_fails("{{.Id.X}}", "can't evaluate field X");
    assert_fails("{{.Id", "unclosed action");
    assert_fails("{{if .On}}x", "unexpected EOF");
    assert_fails("{{end}}", "unexpected {{end}}");
    assert_fails("{{nosuch .Id}}", "function \"nosuch\" not defined");
    assert_fails("{{$x}}", "undefined variable");
    assert_fails("{{index .Cmd 7}}", "out of range");
    assert_fails("{{\"abc}}", "unterminated quoted string");
    assert_fails("{{}}", "missing value");
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    for (int i = 0; i < 1000; i++)
        strbuf_adds(&text, "{{if .On}}");
    assert_fails(strbuf_str(&text), "nested too deeply");
    strbuf_clear(&text);
    strbuf_adds(&text, "{{");
    for (int i = 0; i < 1000; i++)
        strbuf_addc(&text, '(');
    strbuf_adds(&text, "}}");
    assert_fails(strbuf_str(&text), "nested too deeply");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_print_as_go_prints_them),
        cmocka_unit_test(functions_work_in_call_and_pipeline_form),
        cmocka_unit_test(control_structures),
        cmocka_unit_test(blanks_are_trimmed_where_asked),
        cmocka_unit_test(errors_name_what_is_wrong),
        cmocka_unit_test(nesting_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
