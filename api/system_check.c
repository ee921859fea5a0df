/* POST /system/check: an endpoint of our own, for `dory system check`. */
#include "api/system.h"
#include "base/json.h"
#include "daemon/engine.h"
#include "image/check.h"

static void write_answer(struct strbuf *out, const struct store_check *check)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_int(&w, "Images", check->images);
    json_member_int(&w, "Layers", check->layers);
    json_key(&w, "Problems");
    json_begin_array(&w);
    for (size_t i = 0; i < check->count; i++) {
        json_begin_object(&w);
        json_member_string(&w, "Type", check->problems[i].type);
        json_member_string(&w, "ID", check->problems[i].id);
        json_member_string(&w, "Problem", check->problems[i].text);
        json_member_bool(&w, "Repaired", check->problems[i].repaired);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
}

int system_check(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP(store_check_release)
    struct store_check check = {.repair = api_query_bool(request, "repair", false),
                                .contents = api_query_bool(request, "contents", false)};
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    int r = engine_check(engine, &check, err);

    if (r < 0)
        return r;
    write_answer(&out, &check);
    return api_reply_json(request, 200, &out);
}
