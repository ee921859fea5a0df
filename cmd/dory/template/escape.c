/* html, js and urlquery: the text of all arguments, escaped as Go's functions of these names do. */
#include <ctype.h>
#include <string.h>

#include "base/utf8.h"
#include "cmd/dory/template/functions.h"

static void arguments_text(const struct call *call, struct strbuf *out)
{
    if (call->count == 1 && value_kind(call->args[0]) == JSON_STRING)
        strbuf_add(out, call->args[0].json->string.data, call->args[0].json->string.size);
    else
        sprint(call->args, call->count, false, out);
}

int function_html(const struct call *call, struct value *ret, struct error *err)
{
    static const char *const names[256] = {
        ['"'] = "&#34;", ['\''] = "&#39;", ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;"};
    (void)err;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
    arguments_text(call, &text);
    for (size_t i = 0; i < text.size; i++) {
        const char *name = names[(unsigned char)text.data[i]];
        if (text.data[i] == '\0')
            strbuf_adds(&out, "\xef\xbf\xbd");
        else if (name)
            strbuf_adds(&out, name);
        else
            strbuf_addc(&out, text.data[i]);
    }
    *ret = value_string(call->arena, strbuf_str(&out), out.size);
    return 0;
}

int function_js(const struct call *call, struct value *ret, struct error *err)
{
    (void)err;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
    arguments_text(call, &text);
    for (size_t i = 0; i < text.size;) {
        uint32_t c;
        size_t n = utf8_decode(text.data + i, text.size - i, &c);
        if (c == '\\' || c == '\'' || c == '"')
            strbuf_addf(&out, "\\%c", (char)c);
        else if (c < ' ' || c == '<' || c == '>' || c == '&' || c == '=' || c == 0x7f || (c >= 0x80 && c < 0xa0) ||
                 c == 0x2028 || c == 0x2029)
            strbuf_addf(&out, "\\u%04X", c);
        else
            strbuf_add(&out, n ? text.data + i : "\xef\xbf\xbd", n ? n : 3);
        i += n ? n : 1;
    }
    *ret = value_string(call->arena, strbuf_str(&out), out.size);
    return 0;
}

int function_urlquery(const struct call *call, struct value *ret, struct error *err)
{
    (void)err;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
    arguments_text(call, &text);
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == ' ')
            strbuf_addc(&out, '+');
        else if (isalnum(c) || (c && strchr("-_.~", c)))
            strbuf_addc(&out, (char)c);
        else
            strbuf_addf(&out, "%%%02X", c);
    }
    *ret = value_string(call->arena, strbuf_str(&out), out.size);
    return 0;
}
