#include "daemon/network/dns_message.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/memory.h"

enum {
    LABEL_MAX = 63,
    FLAG_QR = 0x8000,
    OPCODE = 0x7800,
    FLAG_TC = 0x0200,
    FLAG_RD = 0x0100,
    FLAG_RA = 0x0080,
    CLASS_IN = 1,
    TTL = 600, /* as docker's */
    OPT_SIZE = 11,
    POINTER_TO_QUESTION = 0xc000 | DNS_HEADER_SIZE,
};

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

/* ---- reading ---- */

static bool is_plain(uint8_t byte)
{
    return isalnum(byte) || byte == '-' || byte == '_';
}

/* A name without pointers (a question has none to point to). Moves *position past it. */
static int parse_name(const uint8_t *data, size_t size, size_t *position, struct dns_question *ret)
{
    size_t at = *position, used = 0;
    ret->plain = true;
    for (;;) {
        if (at >= size || data[at] > LABEL_MAX) {
            return -EBADMSG;
        }
        size_t length = data[at++];
        if (length == 0) {
            break;
        }
        if (length > size - at || used + length + (used > 0) > DNS_NAME_MAX) {
            return -EBADMSG;
        }
        if (used > 0) {
            ret->name[used++] = '.';
        }
        for (size_t i = 0; i < length; i++) {
            ret->plain = ret->plain && is_plain(data[at + i]);
            ret->name[used++] = (char)tolower(data[at + i]);
        }
        at += length;
    }
    ret->name[used] = '\0';
    *position = at;
    return 0;
}

/* An OPT record (RFC 6891) right behind the question, where stub resolvers put it. */
static void parse_opt(const uint8_t *data, size_t size, struct dns_question *ret)
{
    size_t at = ret->end;
    if (size - at < OPT_SIZE || data[at] != 0 || get16(data + at + 1) != DNS_OPT) {
        return;
    }
    uint16_t wanted = get16(data + at + 3);
    ret->edns = true;
    ret->udp_size = wanted < DNS_UDP_SIZE ? DNS_UDP_SIZE : wanted;
}

int dns_question_parse(const uint8_t *data, size_t size, struct dns_question *ret)
{
    if (size < DNS_HEADER_SIZE || size > DNS_MESSAGE_MAX) {
        return -EBADMSG;
    }
    uint16_t flags = get16(data + 2);
    *ret = (struct dns_question){.id = get16(data), .recursion = (flags & FLAG_RD) != 0, .udp_size = DNS_UDP_SIZE};
    if (flags & FLAG_QR) {
        return -EBADMSG; /* an answer: replying to it could go on for ever */
    }
    if ((flags & OPCODE) || get16(data + 4) != 1 || get16(data + 6) != 0 || get16(data + 8) != 0) {
        return -ENOTSUP;
    }
    size_t at = DNS_HEADER_SIZE;
    int r = parse_name(data, size, &at, ret);
    if (r < 0) {
        return r;
    }
    if (size - at < 4) {
        return -EBADMSG;
    }
    ret->type = get16(data + at);
    ret->class = get16(data + at + 2);
    ret->end = at + 4;
    if (get16(data + 10) > 0) {
        parse_opt(data, size, ret);
    }
    return 0;
}

/* ---- writing ---- */

static void put_header(uint8_t *data, uint16_t id, bool recursion, enum dns_code code)
{
    memset(data, 0, DNS_HEADER_SIZE);
    put16(data, id);
    put16(data + 2, (uint16_t)(FLAG_QR | FLAG_RA | (recursion ? FLAG_RD : 0) | code));
}

void dns_reply_begin(struct dns_reply *reply, uint8_t *data, size_t size, const uint8_t *query,
                     const struct dns_question *question, enum dns_code code)
{
    /* A question is 271 bytes at most: it always fits with an OPT record into DNS_UDP_SIZE. */
    *reply = (struct dns_reply){.data = data, .used = question->end, .size = size - (question->edns ? OPT_SIZE : 0)};
    put_header(data, question->id, question->recursion, code);
    put16(data + 4, 1);
    memcpy(data + DNS_HEADER_SIZE, query + DNS_HEADER_SIZE, question->end - DNS_HEADER_SIZE);
    put16(data + 10, question->edns);
}

/* One record with the question's name; NULL (and TC) when there is no room. Returns where its data goes. */
static uint8_t *add_record(struct dns_reply *reply, uint16_t type, size_t length)
{
    enum { FIXED = 12 };
    if (reply->size - reply->used < FIXED + length) {
        put16(reply->data + 2, get16(reply->data + 2) | FLAG_TC);
        return NULL;
    }
    uint8_t *p = reply->data + reply->used;
    put16(p, POINTER_TO_QUESTION);
    put16(p + 2, type);
    put16(p + 4, CLASS_IN);
    put16(p + 6, 0);
    put16(p + 8, TTL);
    put16(p + 10, (uint16_t)length);
    reply->used += FIXED + length;
    reply->answers++;
    return p + FIXED;
}

void dns_reply_add_a(struct dns_reply *reply, uint32_t address)
{
    uint32_t big = htonl(address);
    uint8_t *p = add_record(reply, DNS_A, sizeof(big));
    if (p) {
        memcpy(p, &big, sizeof(big));
    }
}

void dns_reply_add_aaaa(struct dns_reply *reply, const struct in6_addr *address)
{
    uint8_t *p = add_record(reply, DNS_AAAA, sizeof(*address));
    if (p) {
        memcpy(p, address, sizeof(*address));
    }
}

/* Labels; 0: it cannot be said. */
static size_t encode_name(const char *name, uint8_t encoded[DNS_NAME_MAX + 2])
{
    size_t used = 0, size = strlen(name);
    if (size == 0 || size > DNS_NAME_MAX) {
        return 0;
    }
    for (const char *label = name;; label++) {
        size_t length = strcspn(label, ".");
        if (length == 0 || length > LABEL_MAX) {
            return 0;
        }
        encoded[used++] = (uint8_t)length;
        memcpy(encoded + used, label, length);
        used += length;
        label += length;
        if (*label == '\0') {
            break;
        }
    }
    encoded[used++] = 0;
    return used;
}

void dns_reply_add_ptr(struct dns_reply *reply, const char *name)
{
    uint8_t encoded[DNS_NAME_MAX + 2];
    size_t length = encode_name(name, encoded);
    uint8_t *p = length ? add_record(reply, DNS_PTR, length) : NULL;
    if (p) {
        memcpy(p, encoded, length);
    }
}

size_t dns_reply_end(struct dns_reply *reply)
{
    put16(reply->data + 6, reply->answers);
    if (get16(reply->data + 10)) {
        uint8_t *p = reply->data + reply->used;
        memset(p, 0, OPT_SIZE);
        put16(p + 1, DNS_OPT);
        put16(p + 3, 4096);
        reply->used += OPT_SIZE;
    }
    return reply->used;
}

size_t dns_reply_error(uint8_t data[DNS_HEADER_SIZE], const uint8_t *query, enum dns_code code)
{
    put_header(data, get16(query), false, code);
    put16(data + 2, get16(data + 2) | (get16(query + 2) & (OPCODE | FLAG_RD)));
    return DNS_HEADER_SIZE;
}

/* ---- names of addresses ---- */

static bool cut_suffix(const char *name, const char *suffix, char *ret, size_t size)
{
    size_t length = strlen(name), tail = strlen(suffix);
    if (length <= tail || strcmp(name + length - tail, suffix) != 0 || length - tail >= size) {
        return false;
    }
    memcpy(ret, name, length - tail);
    ret[length - tail] = '\0';
    return true;
}

/* "4.3.2.1" */
static int parse_reverse4(const char *text, uint32_t *ret)
{
    struct in_addr in;
    if (inet_pton(AF_INET, text, &in) != 1) {
        return 0;
    }
    *ret = __builtin_bswap32(ntohl(in.s_addr)); /* the last octet stands first */
    return AF_INET;
}

/* 32 hexadecimal digits, the last one first. */
static int parse_reverse6(const char *text, struct in6_addr *ret)
{
    enum { DIGITS = 32 };
    static const char digits[] = "0123456789abcdef";
    if (strlen(text) != 2 * DIGITS - 1) {
        return 0;
    }
    struct in6_addr address = {0};
    for (int i = 0; i < DIGITS; i++) {
        const char *digit = strchr(digits, text[2 * i]);
        if (!digit || !*digit || (i < DIGITS - 1 && text[2 * i + 1] != '.')) {
            return 0;
        }
        int at = DIGITS - 1 - i;
        address.s6_addr[at / 2] |= (uint8_t)((digit - digits) << (at % 2 ? 0 : 4));
    }
    *ret = address;
    return AF_INET6;
}

int dns_reverse_parse(const char *name, uint32_t *ret_address, struct in6_addr *ret_address6)
{
    char text[80];
    if (cut_suffix(name, ".in-addr.arpa", text, sizeof(text))) {
        return parse_reverse4(text, ret_address);
    }
    return cut_suffix(name, ".ip6.arpa", text, sizeof(text)) ? parse_reverse6(text, ret_address6) : 0;
}
