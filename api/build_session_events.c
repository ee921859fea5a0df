/* What a build tells, as a session's JSON. "t" says what it is; "n" is the step's number, 0 for the whole. */
#include <string.h>

#include "api/build_session.h"
#include "base/base64.h"
#include "base/memory.h"

/* Those of a further platform come behind the others. */
static int number_of(const struct build_step_info *step, const struct build_session *session)
{
    return step->number + session->steps_before;
}

static void begin(struct json_writer *w, struct strbuf *out, const char *type, const struct build_step_info *step,
                  const struct build_session *session)
{
    json_writer_init(w, out);
    json_begin_object(w);
    json_member_string(w, "t", type);
    json_member_int(w, "n", step ? number_of(step, session) : 0);
}

static void end(struct json_writer *w, const struct strbuf *out, struct build_session *session)
{
    json_end_object(w);
    /* A client that has gone is seen by the thread that reads from it. */
    build_session_send(session, SESSION_EVENT, 0, out->data, out->size);
}

/* "linux/arm64 tools", "linux/arm64" where the stage has no name; NULL: there is one platform. */
static char *stage_of_platform(const struct build_step_info *step, const struct build_session *session)
{
    bool named = step->stage[strspn(step->stage, "0123456789")] != 0;
    return session->platform ? xasprintf("%s%s%s", session->platform, named ? " " : "", named ? step->stage : "")
                             : NULL;
}

static void on_started(const struct build_step_info *step, void *data)
{
    struct build_session *session = data;
    CLEANUP_FREE char *of_platform = stage_of_platform(step, session);
    const char *stage = of_platform ? of_platform : step->stage;
    if (session->steps < session->steps_before + step->total)
        session->steps = session->steps_before + step->total;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    begin(&w, &out, "started", step, data);
    json_member_int(&w, "of", session->steps_before + step->total);
    json_member_string(&w, "stage", stage);
    json_member_string(&w, "text", step->text);
    json_member_string(&w, "file", step->file);
    json_member_int(&w, "line", step->first_line);
    json_member_int(&w, "lastLine", step->last_line);
    json_member_bool(&w, "from", step->is_from);
    end(&w, &out, data);
}

static void on_cached(const struct build_step_info *step, void *data)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    begin(&w, &out, "cached", step, data);
    end(&w, &out, data);
}

static void on_progress(const struct build_step_info *step, const char *id, const char *status, int64_t current,
                        int64_t total, void *data)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    begin(&w, &out, "progress", step, data);
    if (id)
        json_member_string(&w, "id", id);
    json_member_string(&w, "status", status);
    json_member_int(&w, "current", current);
    json_member_int(&w, "total", total);
    end(&w, &out, data);
}

static void on_log(const struct build_step_info *step, int stream, const char *bytes, size_t size, void *data)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT, encoded = STRBUF_INIT;
    struct json_writer w;
    base64_encode(bytes, size, false, &encoded); /* it need not be UTF-8 */
    begin(&w, &out, "log", step, data);
    json_member_int(&w, "stream", stream);
    json_member_string(&w, "data", strbuf_str(&encoded));
    end(&w, &out, data);
}

static void on_done(const struct build_step_info *step, const char *id, const struct error *error, void *data)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    begin(&w, &out, "done", step, data);
    if (error)
        json_member_string(&w, "error", error->message);
    else
        json_member_string(&w, "id", id);
    end(&w, &out, data);
}

static void on_warning(const struct build_step_info *step, const char *text, void *data)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    begin(&w, &out, "warning", step, data);
    json_member_string(&w, "text", text);
    if (step) {
        json_member_string(&w, "file", step->file);
        json_member_int(&w, "line", step->first_line);
    }
    end(&w, &out, data);
}

const struct build_events build_session_events = {
    .started = on_started,
    .cached = on_cached,
    .progress = on_progress,
    .log = on_log,
    .done = on_done,
    .warning = on_warning,
};
