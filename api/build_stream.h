/* What a build tells as the answer to POST /build, JSON lines; most of it as docker's classic builder writes it.
 * Private to api/. */
#ifndef DORY_API_BUILD_STREAM_H
#define DORY_API_BUILD_STREAM_H

#include "api/images.h"
#include "daemon/build/build.h"

struct build_stream {
    struct images_stream out;
    bool quiet;         /* the image's id alone; the rest where it fails */
    struct strbuf held; /* that rest */
    bool client_gone;
};
void build_stream_release(struct build_stream *stream);
#define CLEANUP_BUILD_STREAM CLEANUP(build_stream_release)

/* A line of JSON, whether the build is quiet or not. */
void build_stream_send(struct build_stream *stream, const struct strbuf *line);

/* The callbacks; their data is the stream. */
extern const struct build_events build_stream_events;

/* The last lines of a build that succeeded. */
void build_stream_success(struct build_stream *stream, const char *image_id, const struct strv *tags);
/* How a failure ends: told in the stream when that has begun, else returned. */
int build_stream_failure(struct build_stream *stream, int result, int exit_code, const struct error *error);

#endif
