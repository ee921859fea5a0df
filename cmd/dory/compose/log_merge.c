#include "cmd/dory/compose/log_merge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Goes to the next line of one of them, and leaves it out when it has ended. */
static int advance(struct log_stream **streams, size_t *count, size_t i, struct error *err)
{
    bool more;
    int r = log_stream_next(streams[i], &more, err);
    if (r < 0 || more)
        return r;
    memmove(&streams[i], &streams[i + 1], (--*count - i) * sizeof(struct log_stream *));
    return 0;
}

int log_merge_print(struct log_stream **streams, size_t count, struct error *err)
{
    int r = 0;
    for (size_t i = count; r == 0 && i-- > 0;)
        r = advance(streams, &count, i, err);
    while (r == 0 && count > 0) {
        size_t first = 0;
        for (size_t i = 1; i < count; i++) {
            if (log_stream_time(streams[i]) < log_stream_time(streams[first]))
                first = i;
        }
        log_stream_print(streams[first]);
        r = advance(streams, &count, first, err);
    }
    if (fflush(stdout) != 0 && r == 0)
        r = error_errno(err, errno, "write");
    return r;
}
