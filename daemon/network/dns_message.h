/*
 * DNS messages (RFC 1035, RFC 6891): reading a question, writing an answer to it. Pure and bounded: whatever the bytes
 * are, nothing outside of them is read.
 */
#ifndef DORY_DAEMON_NETWORK_DNS_MESSAGE_H
#define DORY_DAEMON_NETWORK_DNS_MESSAGE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_MAX 253 /* as text, without the final dot */
#define DNS_UDP_SIZE 512 /* what a client without EDNS takes */
#define DNS_MESSAGE_MAX 65535
#define DNS_HEADER_SIZE 12

enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_AAAA = 28, DNS_OPT = 41 };
enum dns_code { DNS_NOERROR = 0, DNS_FORMERR = 1, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_NOTIMP = 4 };

struct dns_question {
    uint16_t id, type, class;
    bool recursion;              /* the client asks for it */
    bool plain;                  /* `name` stands for it; else there are bytes in it that no host name has */
    char name[DNS_NAME_MAX + 1]; /* lower case, labels with dots between, no final dot */
    size_t end;                  /* of the question section in the message */
    bool edns;
    uint16_t udp_size; /* the longest answer that the client takes over UDP */
};

/* Reads a query with exactly one question. 0; -EBADMSG: no DNS message, nothing to answer; -ENOTSUP: not a standard
 * query of one question (ret->id is set): answered with DNS_NOTIMP. */
int dns_question_parse(const uint8_t *data, size_t size, struct dns_question *ret);

/* An answer that is being written. `size` bytes at `data` at most; what does not fit sets the flag TC. */
struct dns_reply {
    uint8_t *data;
    size_t used, size;
    uint16_t answers;
};

/* Header and question, copied from the query (size bytes) that `question` was read from. */
void dns_reply_begin(struct dns_reply *reply, uint8_t *data, size_t size, const uint8_t *query,
                     const struct dns_question *question, enum dns_code code);
void dns_reply_add_a(struct dns_reply *reply, uint32_t address); /* host byte order */
void dns_reply_add_aaaa(struct dns_reply *reply, const struct in6_addr *address);
/* name: text without a final dot; one that DNS cannot say is left out. */
void dns_reply_add_ptr(struct dns_reply *reply, const char *name);
/* Bytes of the whole message. */
size_t dns_reply_end(struct dns_reply *reply);
/* A header alone, with the opcode of the query, of which that much could be read. */
size_t dns_reply_error(uint8_t data[DNS_HEADER_SIZE], const uint8_t *query, enum dns_code code);

/* The address that a name below in-addr.arpa or ip6.arpa stands for. Returns AF_INET (host byte order), AF_INET6 or 0.
 */
int dns_reverse_parse(const char *name, uint32_t *ret_address, struct in6_addr *ret_address6);

#endif
