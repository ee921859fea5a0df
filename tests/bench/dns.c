/*
 * dns SERVER NAME [SECONDS]: asks the server for the name's A record as fast as it answers, with up to WINDOW questions
 * on their way, and prints the answers a second. Questions that got lost (no answer for half a second) are asked again
 * and counted. Exit status 1 when an answer is anything but NOERROR with an address.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { WINDOW = 64, HEADER = 12, SIZE = 512, LOST_MS = 500, DNS_PORT = 53 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Everything but the id: the bytes from the third on. Returns the size. */
static size_t encode(const char *name, uint8_t query[SIZE])
{
    static const uint8_t header[HEADER] = {0, 0, 1, 0, 0, 1}, end[] = {0, 0, 1, 0, 1};
    memcpy(query, header, sizeof(header));
    size_t at = HEADER;
    for (const char *label = name; *label; label += strcspn(label, "."), label += *label == '.') {
        size_t length = strcspn(label, ".");
        if (length > 63 || at + length + 1 + sizeof(end) > SIZE)
            errx(2, "no name: %s", name);
        query[at++] = (uint8_t)length;
        memcpy(query + at, label, length);
        at += length;
    }
    memcpy(query + at, end, sizeof(end));
    return at + sizeof(end);
}

struct batch {
    uint8_t data[WINDOW][SIZE];
    struct iovec parts[WINDOW];
    struct mmsghdr messages[WINDOW];
};

static void init(struct batch *batch)
{
    for (int i = 0; i < WINDOW; i++) {
        batch->parts[i] = (struct iovec){batch->data[i], SIZE};
        batch->messages[i].msg_hdr = (struct msghdr){.msg_iov = &batch->parts[i], .msg_iovlen = 1};
    }
}

static void send_all(int fd, struct batch *batch, unsigned int count)
{
    for (unsigned int done = 0; done < count;) {
        int n = sendmmsg(fd, batch->messages + done, count - done, 0);
        if (n < 0)
            err(2, "send");
        done += (unsigned int)n;
    }
}

/* Answers that came; 0: none for LOST_MS. */
static unsigned int receive(int fd, struct batch *batch)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, LOST_MS) == 0)
        return 0;
    int n = recvmmsg(fd, batch->messages, WINDOW, MSG_DONTWAIT, NULL);
    if (n < 0)
        err(2, "receive");
    for (int i = 0; i < n; i++) {
        const uint8_t *answer = batch->data[i];
        if (batch->messages[i].msg_len < HEADER || (answer[3] & 15) != 0 || (answer[6] == 0 && answer[7] == 0))
            errx(1, "an answer without an address (code %d)", answer[3] & 15);
    }
    return (unsigned int)n;
}

int main(int argc, char **argv)
{
    static struct batch questions, answers;
    if (argc < 3)
        errx(2, "usage: dns SERVER NAME [SECONDS]");
    double seconds = argc > 3 ? atof(argv[3]) : 2;
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(DNS_PORT)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
        err(2, "%s", argv[1]);
    init(&questions);
    init(&answers);
    uint16_t id = 0;
    for (int i = 0; i < WINDOW; i++)
        questions.parts[i].iov_len = encode(argv[2], questions.data[i]);
    unsigned long answered = 0, lost = 0;
    unsigned int more = WINDOW;
    double begin = now(), last;
    do {
        for (unsigned int i = 0; i < more; i++) {
            questions.data[i][0] = (uint8_t)(id >> 8);
            questions.data[i][1] = (uint8_t)id++;
        }
        send_all(fd, &questions, more);
        more = receive(fd, &answers);
        answered += more;
        if (more == 0) {
            lost += WINDOW;
            more = WINDOW;
        }
        last = now();
    } while (last - begin < seconds);
    printf("%.0f answers a second, %lu lost\n", (double)answered / (last - begin), lost);
    return 0;
}
