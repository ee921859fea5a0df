/* Templates and what docker's CLI (28.2) made of them with `inspect -f` on the same object: the statements of this test
 * were taken from its output. An error is the text behind "!". */
#include "cmd/dory/template.h"
#include "tests/unit/base_test.h"

static const char data[] =
    "{\"Id\":\"abc\",\"Created\":\"2026-01-01T00:00:00Z\",\"Name\":\"/x\",\"N\":\"3\",\"On\":true,\"Off\":false,\"Nu"
    "ll\":null,\"Cm\":[\"a\",\"b "
    "c\"],\"M\":{\"z\":\"1\",\"y\":\"2\"},\"L\":[{\"T\":\"x\"},{\"T\":\"y\"}],\"E\":[],\"Config\":"
    "{\"Labels\":{\"a\":\"b\"},\"Env\":[\"A=1\",\"B=2\"],\"Cmd\":null,\"Image\":\"img\"},\"State\":{\"Status\":\"runni"
    "ng\",\"Pid\":12,\"Running\":true},\"HostConfig\":{\"Binds\":null,\"Init\":null,\"Memory\":0,\"PortBindin"
    "gs\":{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8080\"}]},\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetr"
    "yCount\":0}},\"NetworkSettings\":{\"Ports\":{\"80/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"8080\"}]}"
    ",\"Networks\":{}},\"Mounts\":[]}";

struct statement {
    const char *text, *expected;
};

/* Of members that docker's types do not have: data without types. */
static const struct statement plain[] = {
    {"{{.N}} {{.On}} {{.Null}}", "3 true <no value>"},
    {"{{.Cm}} {{.M}}", "[a b c] map[y:2 z:1]"},
    {"{{json .Cm}} {{json .M}}", "[\"a\",\"b c\"] {\"y\":\"2\",\"z\":\"1\"}"},
    {"{{range .L}}{{.T}},{{end}}", "x,y,"},
    {"{{range $i, $v := .L}}{{$i}}={{$v.T}};{{end}}", "0=x;1=y;"},
    {"{{range $k, $v := .M}}{{$k}}={{$v}};{{end}}", "y=2;z=1;"},
    {"{{range .E}}x{{else}}none{{end}}", "none"},
    {"{{with .M}}{{.z}}{{$.Id}}{{end}}", "1abc"},
    {"{{with .Null}}x{{else with .M}}{{.y}}{{end}}", "2"},
    {"{{if and .On (not .Off)}}yes{{end}}", "yes"},
    {"{{if or .Off .Null}}y{{else if .On}}b{{else}}c{{end}}", "b"},
    {"{{.Nope}}",
     "!template parsing error: template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\""},
    {"{{.M.Nope}}",
     "!template parsing error: template: :1:4: executing \"\" at <.M.Nope>: map has no entry for key \"Nope\""},
    {"{{.M.z.Foo}}", "!template parsing error: template: :1:4: executing \"\" at <.M.z.Foo>: can't evaluate field Foo "
                     "in type interface {}"},
    {"{{.Null.X}}",
     "!template parsing error: template: :1:7: executing \"\" at <.Null.X>: nil pointer evaluating interface {}.X"},
    {"{{if .On}}x", "!template parsing error: template: :1: unexpected EOF"},
    {"{{index .Cm 7}}", "!template parsing error: template: :1:2: executing \"\" at <index .Cm 7>: error calling "
                        "index: index out of range: 7"},
    {"{{index .Cm 2}}", "!template parsing error: template: :1:2: executing \"\" at <index .Cm 2>: error calling "
                        "index: reflect: slice index out of range"},
    {"{{index .Cm -1}}", "!template parsing error: template: :1:2: executing \"\" at <index .Cm -1>: error calling "
                         "index: index out of range: -1"},
    {"{{index .Cm \"a\"}}", "!template parsing error: template: :1:2: executing \"\" at <index .Cm \"a\">: error "
                            "calling index: cannot index slice/array with type string"},
    {"{{index .M \"z\"}} {{index .M \"nope\"}}", "1 <no value>"},
    {"{{index .M 1}}", "!template parsing error: template: :1:2: executing \"\" at <index .M 1>: error calling index: "
                       "value has type int; should be string"},
    {"{{index .Null 1}}", "!template parsing error: template: :1:2: executing \"\" at <index .Null 1>: error calling "
                          "index: index of untyped nil"},
    {"{{len .Cm}} {{len .M}} {{len \"abc\"}}", "2 2 3"},
    {"{{len .Null}}",
     "!template parsing error: template: :1:2: executing \"\" at <len .Null>: error calling len: len of nil pointer"},
    {"{{upper .Null}}", "!template parsing error: template: :1:8: executing \"\" at <.Null>: wrong type for value; "
                        "expected string; got interface {}"},
    {"{{upper .Cm}}", "!template parsing error: template: :1:8: executing \"\" at <.Cm>: wrong type for value; "
                      "expected string; got []interface {}"},
    {"{{printf \"%q\" .Cm}} {{printf \"%s\" .Cm}} {{printf \"%v\" .M}} {{printf \"%d\" .Cm}}",
     "[\"a\" \"b c\"] [a b c] map[y:2 z:1] [%!d(string=a) %!d(string=b c)]"},
    {"{{printf \"%T %T\" .Cm .M}}", "[]interface {} map[string]interface {}"},
    {"{{printf \"%#v %#v\" \"a\" 3}} {{printf \"%#v\" .Cm}}", "\"a\" 3 []interface {}{\"a\", \"b c\"}"},
    {"{{eq .Cm .Cm}}", "!template parsing error: template: :1:2: executing \"\" at <eq .Cm .Cm>: error calling eq: "
                       "non-comparable type [a b c]: []interface {}"},
    {"{{eq .Null nil}}", "true"},
    {"{{html .Cm}}", "[a b c]"},
    {"{{slice \"abcdef\" 1 3}} {{slice .Cm 1}} {{slice \"abc\"}}", "bc [b c] abc"},
    {"{{slice .M 1}}", "!template parsing error: template: :1:2: executing \"\" at <slice .M 1>: error calling slice: "
                       "can't slice item of type map[string]interface {}"},
    {"{{range .L}}{{if eq .T \"x\"}}{{continue}}{{end}}{{.T}}{{end}}", "y"},
    {"{{range .L}}{{.T}}{{break}}{{end}}", "x"},
    {"{{range $i, $v, $w := .L}}{{end}}", "!template parsing error: template: :1: too many declarations in range"},
    {"{{range $i, x := .L}}{{end}}", "!template parsing error: template: :1: range can only initialize variables"},
    {"{{(index .L 1).T}}", "y"},
    {"{{(.M).z}}", "1"},
    {"{{.Cm | json | upper}}", "[\"A\",\"B C\"]"},
    {"{{json .Nope}}",
     "!template parsing error: template: :1:7: executing \"\" at <.Nope>: map has no entry for key \"Nope\""},
    {"{{with $x := .M}}{{$x.z}}{{end}}", "1"},
    {"{{if .On}}a{{else}}b{{else}}c{{end}}", "!template parsing error: template: :1: expected end; found {{else}}"},
    {"{{if .On}}a{{else range .L}}c{{end}}", "!template parsing error: template: :1: unexpected <range> in else"},
    {"{{range .L}}", "!template parsing error: template: :1: unexpected EOF"},
    {"{{.State.Pid}} {{.State.Running}} {{.State.Nope}}",
     "!template parsing error: template: :1:42: executing \"\" at <.State.Nope>: map has no entry for key \"Nope\""},
    {"{{and .Off (index .E 0)}}", "false"},
    {"{{or .On (index .E 0)}}", "true"},
    {"{{index .Cm}}", "[a b c]"},
    {"{{index .Cm 0 0}}", "97"},
    {"{{index .L 0 \"T\"}}", "x"},
    {"{{printf \"%s\" (index .L 0).T}}", "x"},
    {"{{printf (index .Cm 0)}}", "a"},
    {"{{upper (index .Cm 0)}}", "A"},
    {"{{$a := 1}}{{$b := 2}}{{range .L}}{{$a = 5}}{{end}}{{$a}}{{$b}}", "52"},
    {"{{range $i, $c := .Cm}}{{if $i}}, {{end}}{{$c}}{{end}}", "a, b c"},
    {"{{range .L}}{{break 1}}{{end}}", "!template parsing error: template: :1: unexpected \"1\" in {{break}}"},
    {"{{printf \"%v\" .Null}} {{print .Null}} {{print nil 1}}", "<nil> <nil> <nil> 1"},
    {"{{printf \"%+v %v\" .M .L}}", "map[y:2 z:1] [map[T:x] map[T:y]]"},
    {"{{eq .Cm .Cm}}", "!template parsing error: template: :1:2: executing \"\" at <eq .Cm .Cm>: error calling eq: "
                       "non-comparable type [a b c]: []interface {}"},
};

/* Of a container as docker knows it. */
static const struct statement typed[] = {
    {"{{.Id}}", "abc"},
    {"{{$x := .Id}}{{$x}}{{$x = \"q\"}}{{$x}}", "abcq"},
    {"a  {{- .Id -}}  b", "aabcb"},
    {"{{/* a comment */}}x", "x"},
    {"{{- /* a comment */ -}}  x", "x"},
    {"{{`raw \"}}\"`}}{{\"q\\n\"}}", "raw \"}}\"q\n"},
    {"{{.Id.X}}",
     "!template parsing error: template: :1:5: executing \"\" at <.Id.X>: can't evaluate field X in type interface {}"},
    {"{{.Id", "!template parsing error: template: :1: unclosed action"},
    {"{{end}}", "!template parsing error: template: :1: unexpected {{end}}"},
    {"{{else}}", "!template parsing error: template: :1: unexpected {{else}}"},
    {"{{nosuch .Id}}", "!template parsing error: template: :1: function \"nosuch\" not defined"},
    {"{{$x}}", "!template parsing error: template: :1: undefined variable \"$x\""},
    {"{{index .Id 0}}", "97"},
    {"{{\"abc}}", "!template parsing error: template: :1: unterminated quoted string"},
    {"{{}}", "!template parsing error: template: :1: missing value for command"},
    {"{{.Id | }}", "abc"},
    {"{{| .Id}}", "!template parsing error: template: :1: unexpected \"|\" in command"},
    {"{{.Id | \"x\"}}", "!template parsing error: template: :1: non executable command in pipeline stage 2"},
    {"{{\"x\" | .Id}}",
     "!template parsing error: template: :1:8: executing \"\" at <.Id>: Id is not a method but has arguments"},
    {"{{.Id \"x\"}}",
     "!template parsing error: template: :1:2: executing \"\" at <.Id>: Id is not a method but has arguments"},
    {"{{len 3}}",
     "!template parsing error: template: :1:2: executing \"\" at <len 3>: error calling len: len of type int"},
    {"{{len}}",
     "!template parsing error: template: :1:2: executing \"\" at <len>: wrong number of args for len: want 1 got 0"},
    {"{{len 1 2}}",
     "!template parsing error: template: :1:2: executing \"\" at <len>: wrong number of args for len: want 1 got 2"},
    {"{{upper \"abc\"}} {{lower \"ÄBC\"}} {{title \"hello world-foo bar_x\"}}", "ABC äbc Hello World-Foo Bar_x"},
    {"{{upper 3}}", "!template parsing error: template: :1:8: executing \"\" at <3>: expected string; found 3"},
    {"{{split \"a,b,c\" \",\"}} {{split \"\" \",\"}} {{split \"abc\" \"\"}} {{len (split \"\" \"\")}}",
     "[a b c] [] [a b c] 0"},
    {"{{join (split \"a,b\" \",\") \"+\"}}", "a+b"},
    {"{{pad \"x\" 2 3}}|{{pad \"\" 2 3}}|", "  x   ||"},
    {"{{pad \"x\" -1 0}}", "!template parsing error: template: :1:2: executing \"\" at <pad \"x\" -1 0>: error calling "
                           "pad: strings: negative Repeat count"},
    {"{{truncate \"hello\" 2}} {{truncate \"he\" 5}}", "he he"},
    {"{{truncate \"hello\" -1}}", "!template parsing error: template: :1:2: executing \"\" at <truncate \"hello\" -1>: "
                                  "error calling truncate: runtime error: slice bounds out of range [:-1]"},
    {"{{println \"a\" \"b\"}}{{print \"a\" \"b\" 1 2 \"c\"}}", "a b\nab1 2c"},
    {"{{print 1 2}} {{println 1 2}}", "1 2 1 2\n"},
    {"{{printf \"%s-%d-%5s|%-5s|%05d|%x|%q\" \"a\" 3 \"b\" \"c\" 42 255 \"q\\\"x\"}}",
     "a-3-    b|c    |00042|ff|\"q\\\"x\""},
    {"{{printf \"%d\" \"x\"}} {{printf \"%s\" 3}} {{printf \"%z\" 1}} {{printf \"%d\"}} {{printf \"x\" 1 \"a\"}} "
     "{{printf \"%\"}}",
     "%!d(string=x) %!s(int=3) %!z(int=1) %!d(MISSING) x%!(EXTRA int=1, string=a) %!(NOVERB)"},
    {"{{printf \"%v %v %v\" true 1.5 nil}}", "true 1.5 <nil>"},
    {"{{printf \"%5.2f|%e|%g|%6.1f|%t|%v\" 3.14159 1.5 1e10 2.55 true 1e21}}",
     " 3.14|1.500000e+00|1e+10|   2.5|true|1e+21"},
    {"{{printf \"%c %U %b %o %X %#x %+d % d\" 65 65 5 8 255 255 5 5}}", "A U+0041 101 10 FF 0xff +5  5"},
    {"{{printf \"%x %X\" \"hi\" \"hi\"}} {{printf \"%.2s|%8.3s|\" \"hello\" \"hello\"}}", "6869 6869 he|     hel|"},
    {"{{printf \"%T %T %T %T %T\" 1 \"a\" 1.5 true nil}}", "int string float64 bool <nil>"},
    {"{{printf \"%*d|%-*d|\" 5 3 5 3}}", "    3|3    |"},
    {"{{printf 3}}", "!template parsing error: template: :1:9: executing \"\" at <3>: expected string; found 3"},
    {"{{eq 1 1}} {{eq 1 2 1}} {{eq \"a\" \"a\"}} {{ne \"a\" \"b\"}} {{lt 1 2}} {{le 2 2}} {{gt 1.5 1.0}} {{ge \"b\" "
     "\"a\"}}",
     "true true true true true true true true"},
    {"{{eq 1 \"a\"}}", "!template parsing error: template: :1:2: executing \"\" at <eq 1 \"a\">: error calling eq: "
                       "incompatible types for comparison"},
    {"{{eq 1}}", "!template parsing error: template: :1:2: executing \"\" at <eq 1>: error calling eq: missing "
                 "argument for comparison"},
    {"{{eq}}", "!template parsing error: template: :1:2: executing \"\" at <eq>: wrong number of args for eq: want at "
               "least 1 got 0"},
    {"{{lt \"a\" 1}}", "!template parsing error: template: :1:2: executing \"\" at <lt \"a\" 1>: error calling lt: "
                       "incompatible types for comparison"},
    {"{{lt true false}}", "!template parsing error: template: :1:2: executing \"\" at <lt true false>: error calling "
                          "lt: invalid type for comparison"},
    {"{{eq 1 1.0}}", "!template parsing error: template: :1:2: executing \"\" at <eq 1 1.0>: error calling eq: "
                     "incompatible types for comparison"},
    {"{{lt 1 1.5}}", "!template parsing error: template: :1:2: executing \"\" at <lt 1 1.5>: error calling lt: "
                     "incompatible types for comparison"},
    {"{{and}}", "!template parsing error: template: :1:2: executing \"\" at <and>: wrong number of args for and: want "
                "at least 1 got 0"},
    {"{{and 1 0 2}} {{or 0 \"\" \"x\"}} {{not 0}} {{and true \"x\"}}", "0 x true x"},
    {"{{html \"<a&'\\\">\"}} {{js \"it's <b>\"}} {{urlquery \"a b&c/d\"}}",
     "&lt;a&amp;&#39;&#34;&gt; it\\'s \\u003Cb\\u003E a+b%26c%2Fd"},
    {"{{slice \"abc\" 2 1}}", "!template parsing error: template: :1:2: executing \"\" at <slice \"abc\" 2 1>: error "
                              "calling slice: invalid slice index: 2 > 1"},
    {"{{slice \"abc\" 1 9}}", "!template parsing error: template: :1:2: executing \"\" at <slice \"abc\" 1 9>: error "
                              "calling slice: index out of range: 9"},
    {"{{define \"T\"}}[{{.}}]{{end}}{{template \"T\" .Id}}{{template \"T\" \"x\"}}", "[abc][x]"},
    {"{{block \"B\" .Id}}<{{.}}>{{end}}", "<abc>"},
    {"{{template \"nope\"}}", "!template parsing error: template: :1:11: executing \"\" at <{{template \"nope\"}}>: "
                              "template \"nope\" not defined"},
    {"{{template \"nope\" .}}", "!template parsing error: template: :1:11: executing \"\" at <{{template \"nope\" "
                                ".}}>: template \"nope\" not defined"},
    {"{{define \"R\"}}{{template \"R\"}}{{end}}x", "x"},
    {"{{define x}}{{end}}", "!template parsing error: template: :1: unexpected \"x\" in define clause"},
    {"{{template x}}", "!template parsing error: template: :1: unexpected \"x\" in template clause"},
    {"{{break}}", "!template parsing error: template: :1: {{break}} outside {{range}}"},
    {"{{range 3}}{{.}}{{end}}", "012"},
    {"{{range $i := 3}}{{$i}}{{end}}", "012"},
    {"{{range \"abc\"}}x{{end}}",
     "!template parsing error: template: :1:8: executing \"\" at <\"abc\">: range can't iterate over abc"},
    {"{{range true}}x{{end}}",
     "!template parsing error: template: :1:8: executing \"\" at <true>: range can't iterate over true"},
    {"{{if $x := .Id}}{{$x}}{{end}}{{$x}}", "!template parsing error: template: :1: undefined variable \"$x\""},
    {"{{\"a\".b}}", "!template parsing error: template: :1: unexpected . after term \"\\\"a\\\"\""},
    {"{{1.b}}", "!template parsing error: template: :1: bad number syntax: \"1.b\""},
    {"{{nil}}", "!template parsing error: template: :1:2: executing \"\" at <nil>: nil is not a command"},
    {"{{nil.X}}", "!template parsing error: template: :1: unexpected . after term \"nil\""},
    {"{{true}} {{false}} {{1}} {{-1}} {{0x10}} {{0b11}} {{0o17}} {{017}} {{1_000}} {{1e3}} {{1.5}} {{'a'}} {{1e100}} "
     "{{.5}}",
     "true false 1 -1 16 3 15 15 1000 1000 1.5 97 1e+100 0.5"},
    {"{{99999999999999999999}}", "!template parsing error: template: :1: integer overflow: \"99999999999999999999\""},
    {"{{08}}", "!template parsing error: template: :1: integer overflow: \"08\""},
    {"{{1x}}", "!template parsing error: template: :1: bad number syntax: \"1x\""},
    {"{{'ab'}}", "!template parsing error: template: :1: malformed character constant: 'ab'"},
    {"{{'a}}", "!template parsing error: template: :1: unterminated character constant"},
    {"{{\"\\z\"}}", "!template parsing error: template: :1: invalid syntax"},
    {"{{\"\\x41\\u00e9\\101\\t|\"}}", "AéA\t|"},
    {"{{\"a\\tb\"}}", "a\tb"},
    {"{{ .Id  }}", "abc"},
    {"{{(.Id)}}", "abc"},
    {"{{((.Id))}}", "abc"},
    {"{{(.Id}}", "!template parsing error: template: :1: unclosed left paren"},
    {"{{.Id)}}", "!template parsing error: template: :1: unexpected right paren"},
    {"{{.Id@}}", "!template parsing error: template: :1: bad character U+0040 '@'"},
    {"{{@}}", "!template parsing error: template: :1: unexpected \"@\" in command"},
    {"{{.Id | printf \"%s-%s\" \"a\"}}", "a-abc"},
    {"{{json}}",
     "!template parsing error: template: :1:2: executing \"\" at <json>: wrong number of args for json: want 1 got 0"},
    {"{{json 1 2}}",
     "!template parsing error: template: :1:2: executing \"\" at <json>: wrong number of args for json: want 1 got 2"},
    {"{{json \"<a>&\"}} {{json nil}} {{json 1.5}} {{json true}}", "\"<a>&\" null 1.5 true"},
    {"{{if}}x{{end}}", "!template parsing error: template: :1: missing value for if"},
    {"{{with}}", "!template parsing error: template: :1: missing value for with"},
    {"{{end .Id}}", "!template parsing error: template: :1: unexpected \".Id\" in end"},
    {"{{else .Id}}", "!template parsing error: template: :1: unexpected \".Id\" in else"},
    {"{{/* unclosed", "!template parsing error: template: :1: unclosed comment"},
    {"{{/* x */ y}}", "!template parsing error: template: :1: comment ends before closing delimiter"},
    {"{{.Id}}{{", "!template parsing error: template: :1: unclosed action"},
    {"x{{.A.B", "!template parsing error: template: :1: unclosed action"},
    {"{{call nil}}",
     "!template parsing error: template: :1:2: executing \"\" at <call nil>: error calling call: call of nil"},
    {"{{.Config.Labels.a}} {{.Config.Labels.nope}} {{index .Config.Labels \"nope\"}}|", "b <no value> |"},
    {"{{.Config.Env}} {{.Config.Cmd}} {{.HostConfig.Binds}} {{.HostConfig.Init}}", "[A=1 B=2] [] [] <nil>"},
    {"{{join .Config.Env \",\"}} {{len .Config.Env}} {{index .Config.Env 1}}", "A=1,B=2 2 B=2"},
    {"{{.State.Health}}", "<nil>"},
    {"{{.NetworkSettings.Ports}}", "map[80/tcp:[{0.0.0.0 8080}]]"},
    {"{{range $p, $c := .NetworkSettings.Ports}}{{$p}}->{{(index $c 0).HostPort}} {{end}}", "80/tcp->8080 "},
    {"{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}", "8080"},
    {"{{(index (index .NetworkSettings.Ports \"81/tcp\") 0).HostPort}}",
     "!template parsing error: template: :1:3: executing \"\" at <index (index .NetworkSettings.Ports \"81/tcp\") 0>: "
     "error calling index: index of untyped nil"},
    {"{{range .NetworkSettings.Networks}}x{{else}}none{{end}}", "none"},
    {"{{.NetworkSettings.Networks.foo.IPAddress}}", "<no value>"},
    {"{{.HostConfig.RestartPolicy}} {{.HostConfig.RestartPolicy.Name}}", "{no 0} no"},
    {"{{json .HostConfig.PortBindings}}", "{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8080\"}]}"},
    {"{{eq .State.Pid 12}} {{if gt .State.Pid 10}}big{{end}}", "true big"},
    {"{{printf \"%d\" .State.Pid}} {{printf \"%s\" .State.Pid}}", "12 %!s(int=12)"},
    {"{{.Config.Labels}}", "map[a:b]"},
    {"{{json .Config.Labels}}", "{\"a\":\"b\"}"},
    {"{{range .Config.Env}}{{println .}}{{end}}", "A=1\nB=2\n"},
    {"{{if .State.Running}}up{{else}}down{{end}}", "up"},
    {"{{.Id | len}}", "3"},
    {"{{len .Mounts}} {{.Mounts}}", "0 []"},
    {"{{- .Id}}", "abc"},
    {"{{.Id -}}   ", "abc"},
    {"{{ -1 }}", "-1"},
    {"{{-1}}", "-1"},
    {"{{.Id}} -}}", "abc -}}"},
    {"{{print \"a\" | printf \"%s %s\" \"b\"}}", "b a"},
    {"{{not}}",
     "!template parsing error: template: :1:2: executing \"\" at <not>: wrong number of args for not: want 1 got 0"},
    {"{{not 1 2}}",
     "!template parsing error: template: :1:2: executing \"\" at <not>: wrong number of args for not: want 1 got 2"},
    {"{{index}}", "!template parsing error: template: :1:2: executing \"\" at <index>: wrong number of args for index: "
                  "want at least 1 got 0"},
    {"{{define \"x\"}}{{$y}}{{end}}", "!template parsing error: template: :1: undefined variable \"$y\""},
    {"{{template \"x\" .Id \"y\"}}", "!template parsing error: template: :1:11: executing \"\" at <{{template \"x\" "
                                     ".Id \"y\"}}>: template \"x\" not defined"},
    {"{{range}}", "!template parsing error: template: :1: missing value for range"},
    {"{{continue}}", "!template parsing error: template: :1: {{continue}} outside {{range}}"},
    {"{{with .Id}}{{.}}{{end}}{{with \"\"}}x{{else}}e{{end}}", "abce"},
    {"{{printf \"%6v|%-6v|%06v\" true \"ab\" 12}}", "  true|ab    |000012"},
    {"{{printf \"%v %g\" 123456789.5 123456789.5}}", "1.234567895e+08 1.234567895e+08"},
    {"{{1234567.5}} {{1000000.5}} {{printf \"%v\" 1e7}} {{printf \"%v %v\" 1.0 100000000.0}}",
     "1.2345675e+06 1.0000005e+06 1e+07 1 1e+08"},
    {"{{printf \"%g %v %G\" 100000.5 0.00001 1e-7}}", "100000.5 1e-05 1E-07"},
    {"{{.State.Health}} {{.Config.Healthcheck}} {{.SizeRw}} {{.Config.ExposedPorts}}", "<nil> <nil> <nil> map[]"},
    {"{{if .State.Health}}h{{else}}none{{end}}", "none"},
    {"{{.State.Health.Status}}", "!template parsing error: template: :1:8: executing \"\" at <.State.Health.Status>: "
                                 "map has no entry for key \"Health\""},
    {"{{.NetworkSettings.Networks.foo.IPAddress}}|", "<no value>|"},
    {"{{08}} {{eq 1 1.0}}", "!template parsing error: template: :1: integer overflow: \"08\""},
};

static void check(const struct statement *statements, size_t count, bool objects)
{
    CLEANUP_JSON struct json *tree = NULL;
    struct error err = {0};
    assert_int_equal(json_parse(data, sizeof(data) - 1, &tree, &err), 0);
    for (size_t i = 0; i < count; i++) {
        CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
        struct template *t = NULL;
        int r = objects ? template_parse(statements[i].text, &t, &err)
                        : template_render(statements[i].text, tree, &(struct template_options){0}, &out, &err);
        if (r == 0 && objects)
            r = template_execute_object(t, tree, &out, &err);
        template_free(t);
        CLEANUP_FREE char *got = r < 0 ? xasprintf("!%s", err.message) : strbuf_take(&out);
        if (strcmp(got, statements[i].expected) != 0)
            fail_msg("%s\n  is        %s\n  should be %s", statements[i].text, got, statements[i].expected);
    }
}

static void templates_over_plain_data_do_what_docker_does(void **state)
{
    (void)state;
    check(plain, ARRAY_SIZE(plain), false);
}

static void templates_over_a_container_do_what_docker_does(void **state)
{
    (void)state;
    check(typed, ARRAY_SIZE(typed), true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_over_plain_data_do_what_docker_does),
        cmocka_unit_test(templates_over_a_container_do_what_docker_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
