/* The same step of two builds runs once: who comes second waits for the first one's result. */
#include <errno.h>

#include "base/log.h"
#include "daemon/build/service.h"

struct build_flight {
    struct build_layer *layer; /* a reference; NULL while it is being made */
    char *content;
};

int build_flight_enter(struct build_service *service, const char *key, bool (*given_up)(void *data), void *data,
                       struct build_layer **ret_layer, char **ret_content, struct error *err)
{
    struct build_flight *flight;
    bool cancelled = false;
    *ret_layer = NULL;
    pthread_mutex_lock(&service->lock);
    while ((flight = map_get(&service->flights, key)) != NULL && flight->layer == NULL && !cancelled) {
        build_service_wait(service);
        pthread_mutex_unlock(&service->lock);
        cancelled = given_up(data);
        pthread_mutex_lock(&service->lock);
    }
    if (flight == NULL) {
        map_set(&service->flights, key, xcalloc(1, sizeof(*flight)));
    } else if (flight->layer != NULL) {
        *ret_layer = build_layer_ref(flight->layer);
        *ret_content = xstrdup(flight->content);
        cancelled = false;
    }
    pthread_mutex_unlock(&service->lock);
    return cancelled && flight != NULL ? error_set(err, ERROR_CANCELLED, ECANCELED, "cancelled") : 0;
}

void build_flight_land(struct build_service *service, const char *key, struct build_layer *layer, const char *content)
{
    pthread_mutex_lock(&service->lock);
    struct build_flight *flight = map_get(&service->flights, key);
    if (layer == NULL) {
        map_unset(&service->flights, key);
        free(flight);
    } else {
        flight->layer = build_layer_ref(layer);
        layer->status = BUILD_LAYER_DIGESTING; /* who takes it from here on waits for that */
        flight->content = xstrdup(content);
    }
    pthread_cond_broadcast(&service->changed);
    pthread_mutex_unlock(&service->lock);
}

void build_flight_end(struct build_service *service, const char *key)
{
    pthread_mutex_lock(&service->lock);
    struct build_flight *flight = map_unset(&service->flights, key);
    pthread_cond_broadcast(&service->changed);
    pthread_mutex_unlock(&service->lock);
    if (flight == NULL)
        return;
    build_layer_unref(flight->layer);
    free(flight->content);
    free(flight);
}
