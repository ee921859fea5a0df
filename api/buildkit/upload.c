#include "api/buildkit/upload.h"

#include <stdbool.h>
#include <string.h>

#include "base/condition.h"
#include "base/timestamp.h"

/* In the frame of the one who offers. */
struct upload {
    const char *build_id;
    int fd;
    enum { UPLOAD_OFFERED, UPLOAD_TAKEN, UPLOAD_DONE } state;
    struct upload *next;
};

void upload_list_init(struct upload_list *list)
{
    *list = (struct upload_list){0};
    pthread_mutex_init(&list->lock, NULL);
    pthread_cond_init(&list->changed, NULL);
}

void upload_list_release(struct upload_list *list)
{
    pthread_mutex_destroy(&list->lock);
    pthread_cond_destroy(&list->changed);
}

/* Under the lock. */
static struct upload *find(struct upload_list *list, const char *build_id)
{
    struct upload *upload = list->first;
    while (upload && strcmp(upload->build_id, build_id) != 0)
        upload = upload->next;
    return upload;
}

int upload_offer(struct upload_list *list, const char *build_id, int fd, struct error *err)
{
    struct upload own = {.build_id = build_id, .fd = fd};
    int64_t until = timestamp_monotonic() + UPLOAD_PATIENCE_S * INT64_C(1000000000);
    int r = 0;
    pthread_mutex_lock(&list->lock);
    if (find(list, build_id)) {
        pthread_mutex_unlock(&list->lock);
        return error_set(err, ERROR_CONFLICT, 0, "there is a context for the build %.100s already", build_id);
    }
    own.next = list->first;
    list->first = &own;
    pthread_cond_broadcast(&list->changed);
    while (own.state == UPLOAD_OFFERED && condition_wait_until(&list->changed, &list->lock, until) == 0)
        ;
    if (own.state == UPLOAD_OFFERED)
        r = error_set(err, ERROR_NOT_FOUND, 0, "no build %.100s wants this context", build_id);
    while (own.state == UPLOAD_TAKEN)
        pthread_cond_wait(&list->changed, &list->lock);
    struct upload **place = &list->first;
    while (*place != &own)
        place = &(*place)->next;
    *place = own.next;
    pthread_mutex_unlock(&list->lock);
    return r;
}

int upload_take(struct upload_list *list, const char *build_id, struct upload **ret, int *ret_fd, struct error *err)
{
    int64_t until = timestamp_monotonic() + UPLOAD_PATIENCE_S * INT64_C(1000000000);
    struct upload *upload;
    pthread_mutex_lock(&list->lock);
    while (!(upload = find(list, build_id)) && condition_wait_until(&list->changed, &list->lock, until) == 0)
        ;
    bool free = upload && upload->state == UPLOAD_OFFERED;
    if (free) {
        upload->state = UPLOAD_TAKEN;
        *ret = upload;
        *ret_fd = upload->fd;
        pthread_cond_broadcast(&list->changed);
    }
    pthread_mutex_unlock(&list->lock);
    if (!upload)
        return error_set(err, ERROR_NOT_FOUND, 0, "no context came for the build %.100s", build_id);
    return free ? 0 : error_set(err, ERROR_CONFLICT, 0, "another build %.100s has the context", build_id);
}

void upload_done(struct upload_list *list, struct upload *upload)
{
    if (!upload)
        return;
    pthread_mutex_lock(&list->lock);
    upload->state = UPLOAD_DONE;
    pthread_cond_broadcast(&list->changed);
    pthread_mutex_unlock(&list->lock);
}
