/* Any bytes as a DNS query: read, and answered within the size that the client takes. */
#include <stdlib.h>
#include <string.h>

#include "daemon/network/dns_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_question question;
    uint32_t address;
    struct in6_addr address6 = {0};
    if (dns_question_parse(data, size, &question) < 0) {
        return 0;
    }
    if (strlen(question.name) > DNS_NAME_MAX || question.end > size) {
        abort();
    }
    (void)dns_reverse_parse(question.name, &address, &address6);
    uint8_t *out = malloc(question.udp_size);
    struct dns_reply reply;
    dns_reply_begin(&reply, out, question.udp_size, data, &question, DNS_NOERROR);
    for (uint32_t i = 0; i < 64; i++) {
        dns_reply_add_a(&reply, i);
        dns_reply_add_aaaa(&reply, &address6);
        dns_reply_add_ptr(&reply, question.name);
    }
    if (dns_reply_end(&reply) > question.udp_size) {
        abort();
    }
    free(out);
    return 0;
}
