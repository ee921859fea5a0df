/*
 * A bounded pipe of memory blocks between two threads: one writes, one reads. The writer fills blocks in place and the
 * reader is lent them in place. The memory is mapped, so it goes back to the kernel with the pipe.
 */
#ifndef DORY_IMAGE_BLOCK_PIPE_H
#define DORY_IMAGE_BLOCK_PIPE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define BLOCK_PIPE_BLOCKS 4
#define BLOCK_PIPE_SIZE (256 * 1024)

struct block_pipe {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char *memory;
    size_t sizes[BLOCK_PIPE_BLOCKS];
    size_t written, taken; /* blocks so far */
    bool lent;             /* block `taken - 1` is with the reader */
    bool closed, cancelled;
};

/* 0 or -errno. */
int block_pipe_init(struct block_pipe *pipe);
void block_pipe_release(struct block_pipe *pipe);

/* The block to fill, of BLOCK_PIPE_SIZE bytes; waits for a free one. 0 or -ECANCELED. Until publish the same one. */
int block_pipe_reserve(struct block_pipe *pipe, char **ret_block);
/* Hands the reserved block with `size` > 0 bytes to the reader. */
void block_pipe_publish(struct block_pipe *pipe, size_t size);
/* Nothing more comes. */
void block_pipe_close(struct block_pipe *pipe);

/* Takes the former block back and lends the next one. Its size, 0 at the end, or -ECANCELED. */
ssize_t block_pipe_take(struct block_pipe *pipe, const void **ret_block);

/* Wakes both sides, which then get -ECANCELED. */
void block_pipe_cancel(struct block_pipe *pipe);

#endif
