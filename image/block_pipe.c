#include "image/block_pipe.h"

#include <errno.h>
#include <sys/mman.h>

int block_pipe_init(struct block_pipe *pipe)
{
    *pipe = (struct block_pipe){0};
    void *memory = mmap(NULL, (size_t)BLOCK_PIPE_BLOCKS * BLOCK_PIPE_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return -errno;
    }
    pipe->memory = memory;
    pthread_mutex_init(&pipe->lock, NULL);
    pthread_cond_init(&pipe->changed, NULL);
    return 0;
}

void block_pipe_release(struct block_pipe *pipe)
{
    if (pipe->memory != NULL) {
        munmap(pipe->memory, (size_t)BLOCK_PIPE_BLOCKS * BLOCK_PIPE_SIZE);
        pthread_mutex_destroy(&pipe->lock);
        pthread_cond_destroy(&pipe->changed);
        pipe->memory = NULL;
    }
}

static char *block_at(struct block_pipe *pipe, size_t n)
{
    return pipe->memory + (n % BLOCK_PIPE_BLOCKS) * BLOCK_PIPE_SIZE;
}

int block_pipe_reserve(struct block_pipe *pipe, char **ret_block)
{
    pthread_mutex_lock(&pipe->lock);
    while (!pipe->cancelled && pipe->written - (pipe->taken - pipe->lent) == BLOCK_PIPE_BLOCKS) {
        pthread_cond_wait(&pipe->changed, &pipe->lock);
    }
    int r = pipe->cancelled ? -ECANCELED : 0;
    *ret_block = block_at(pipe, pipe->written);
    pthread_mutex_unlock(&pipe->lock);
    return r;
}

void block_pipe_publish(struct block_pipe *pipe, size_t size)
{
    pthread_mutex_lock(&pipe->lock);
    pipe->sizes[pipe->written % BLOCK_PIPE_BLOCKS] = size;
    pipe->written++;
    pthread_cond_signal(&pipe->changed);
    pthread_mutex_unlock(&pipe->lock);
}

void block_pipe_close(struct block_pipe *pipe)
{
    pthread_mutex_lock(&pipe->lock);
    pipe->closed = true;
    pthread_cond_signal(&pipe->changed);
    pthread_mutex_unlock(&pipe->lock);
}

ssize_t block_pipe_take(struct block_pipe *pipe, const void **ret_block)
{
    ssize_t size = 0;
    pthread_mutex_lock(&pipe->lock);
    if (pipe->lent) {
        pipe->lent = false;
        pthread_cond_signal(&pipe->changed);
    }
    while (!pipe->cancelled && !pipe->closed && pipe->written == pipe->taken) {
        pthread_cond_wait(&pipe->changed, &pipe->lock);
    }
    if (pipe->cancelled) {
        size = -ECANCELED;
    } else if (pipe->written != pipe->taken) {
        *ret_block = block_at(pipe, pipe->taken);
        size = (ssize_t)pipe->sizes[pipe->taken % BLOCK_PIPE_BLOCKS];
        pipe->taken++;
        pipe->lent = true;
    }
    pthread_mutex_unlock(&pipe->lock);
    return size;
}

void block_pipe_cancel(struct block_pipe *pipe)
{
    pthread_mutex_lock(&pipe->lock);
    pipe->cancelled = true;
    pthread_cond_broadcast(&pipe->changed);
    pthread_mutex_unlock(&pipe->lock);
}
