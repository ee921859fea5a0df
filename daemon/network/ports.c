#include "daemon/network/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/fd.h"
#include "daemon/network/ipam.h"

static const struct {
    const char *name;
    uint8_t number;
} protocols[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}};

static size_t protocol_index(uint8_t number)
{
    size_t i = 0;
    while (i < ARRAY_SIZE(protocols) - 1 && protocols[i].number != number) {
        i++;
    }
    return i;
}

int port_protocol_parse(const char *name, uint8_t *ret)
{
    if (!name[0]) {
        *ret = IPPROTO_TCP;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        if (strcmp(name, protocols[i].name) == 0) {
            *ret = protocols[i].number;
            return 0;
        }
    }
    return -EINVAL;
}

const char *port_protocol_name(uint8_t protocol)
{
    return protocols[protocol_index(protocol)].name;
}

void port_table_init(struct port_table *table, uint16_t ephemeral_first, uint16_t ephemeral_last)
{
    *table = (struct port_table){.ephemeral_first = ephemeral_first, .ephemeral_last = ephemeral_last};
    if (ephemeral_first == 0 || ephemeral_last < ephemeral_first) {
        table->ephemeral_first = 49153;
        table->ephemeral_last = 65535;
    }
    for (size_t i = 0; i < ARRAY_SIZE(table->next); i++) {
        table->next[i] = table->ephemeral_first;
    }
}

static void close_sockets(struct port_claim *claim)
{
    for (unsigned int i = 0; claim->sockets && i <= claim->more; i++) {
        fd_close(claim->sockets[i]);
    }
    free(claim->sockets);
}

void port_table_release(struct port_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        close_sockets(&table->claims[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(table->used); i++) {
        free(table->used[i]);
    }
    free(table->claims);
    *table = (struct port_table){0};
}

static bool is_any(bool ipv6, uint32_t address, const struct in6_addr *address6)
{
    return ipv6 ? IN6_IS_ADDR_UNSPECIFIED(address6) : address == 0;
}

bool port_claim_is_specific(const struct port_claim *claim)
{
    return !is_any(claim->ipv6, claim->host_address, &claim->host_address6);
}

bool port_claim_has_target(const struct port_claim *claim)
{
    return !is_any(claim->ipv6, claim->container_address, &claim->container_address6);
}

/* ---- which ports are in use at all: whoever asks for ten thousand does not look through ten thousand for each ---- */

static void mark_used(struct port_table *table, uint8_t protocol, unsigned int port)
{
    uint64_t **used = &table->used[protocol_index(protocol)];
    if (!*used) {
        *used = xcalloc((UINT16_MAX + 1) / 64, sizeof(**used));
    }
    (*used)[port / 64] |= UINT64_C(1) << port % 64;
}

static bool is_used(const struct port_table *table, uint8_t protocol, uint16_t port)
{
    const uint64_t *used = table->used[protocol_index(protocol)];
    return used && (used[port / 64] >> port % 64 & 1);
}

static void mark_all_again(struct port_table *table)
{
    for (size_t i = 0; i < ARRAY_SIZE(table->used); i++) {
        free(table->used[i]);
        table->used[i] = NULL;
    }
    for (size_t i = 0; i < table->count; i++) {
        const struct port_claim *claim = &table->claims[i];
        for (unsigned int j = 0; !claim->routed && j <= claim->more; j++) {
            mark_used(table, claim->protocol, claim->host_port + j);
        }
    }
}

static bool same_host(const struct port_claim *claim, const struct port_request *request)
{
    return claim->ipv6 ? IN6_ARE_ADDR_EQUAL(&claim->host_address6, &request->host_address6)
                       : claim->host_address == request->host_address;
}

bool port_table_is_free(const struct port_table *table, const struct port_request *request, uint16_t port)
{
    bool any = is_any(request->ipv6, request->host_address, &request->host_address6);
    if (!is_used(table, request->protocol, port)) {
        return true;
    }
    for (size_t i = 0; i < table->count; i++) {
        const struct port_claim *claim = &table->claims[i];
        if (port < claim->host_port || port - claim->host_port > claim->more || claim->protocol != request->protocol ||
            claim->ipv6 != request->ipv6 || claim->routed) {
            continue;
        }
        if (any || same_host(claim, request) || !port_claim_is_specific(claim)) {
            return false;
        }
    }
    return true;
}

/* The next port on both sides. */
static bool continues(const struct port_claim *claim, const struct port_request *request, unsigned int port,
                      const void *owner)
{
    return claim->owner == owner && claim->protocol == request->protocol && claim->ipv6 == request->ipv6 &&
           claim->host_port + claim->more + 1U == port &&
           claim->container_port + claim->more + 1U == request->container_port && !claim->leaving &&
           claim->routed == request->routed && !port_claim_has_target(claim) &&
           (claim->routed || same_host(claim, request));
}

/* What belongs to the last few is what comes in turns: of both address families. */
static struct port_claim *find_continued(struct port_table *table, const struct port_request *request, uint16_t port,
                                         const void *owner)
{
    enum { LAST = 4 };
    for (size_t i = table->count; i > 0 && table->count - i < LAST; i--) {
        if (continues(&table->claims[i - 1], request, port, owner)) {
            return &table->claims[i - 1];
        }
    }
    return NULL;
}

static void add_claim(struct port_table *table, const struct port_request *request, uint16_t port, int socket,
                      void *owner)
{
    if (!request->routed) {
        mark_used(table, request->protocol, port);
    }
    struct port_claim *claim = find_continued(table, request, port, owner);
    if (claim && request->routed) {
        claim->more++;
        return;
    }
    if (claim) {
        unsigned int count = claim->more + 1U;
        if ((count & (count - 1)) == 0) { /* as many as there is room for */
            claim->sockets = xreallocarray(claim->sockets, 2 * (size_t)count, sizeof(*claim->sockets));
        }
        claim->sockets[++claim->more] = socket;
        return;
    }
    xgrow((void **)&table->claims, table->count, &table->capacity, sizeof(*table->claims));
    table->claims[table->count++] = (struct port_claim){
        .ipv6 = request->ipv6,
        .host_port = port,
        .container_port = request->container_port,
        .protocol = request->protocol,
        .routed = request->routed,
        .owner = owner,
    };
    claim = &table->claims[table->count - 1];
    if (!request->routed) {
        claim->host_address = request->host_address;
        claim->host_address6 = request->host_address6;
        claim->sockets = xcalloc(1, sizeof(*claim->sockets));
        claim->sockets[0] = socket;
    }
}

/* Several bindings of a port are one, where nothing of the host's is part of them. */
static void add_routed(struct port_table *table, const struct port_request *request, void *owner)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct port_claim *claim = &table->claims[i];
        if (claim->routed && claim->owner == owner && claim->protocol == request->protocol &&
            claim->ipv6 == request->ipv6 && request->container_port >= claim->container_port &&
            request->container_port - claim->container_port <= claim->more) {
            return;
        }
    }
    add_claim(table, request, request->container_port, -1, owner);
}

/* "0.0.0.0:80" or "[::]:80" */
static void format_host(const struct port_request *request, uint16_t port, char *buf, size_t size)
{
    char address[INET6_ADDRSTRLEN];
    if (request->ipv6) {
        inet_ntop(AF_INET6, &request->host_address6, address, sizeof(address));
        snprintf(buf, size, "[%s]:%u", address, port);
    } else {
        ipam_format_address(address, request->host_address);
        snprintf(buf, size, "%s:%u", address, port);
    }
}

static int bind_error(const struct port_request *request, uint16_t port, int errnum, struct error *err)
{
    char host[INET6_ADDRSTRLEN + 10];
    format_host(request, port, host, sizeof(host));
    errnum = errnum < 0 ? -errnum : errnum;
    /* Go's texts of errno are lower case; scripts match on them. */
    const char *text = errnum == EADDRINUSE      ? "address already in use"
                       : errnum == EADDRNOTAVAIL ? "cannot assign requested address"
                       : errnum == EACCES        ? "permission denied"
                                                 : strerror(errnum);
    return error_set(err, ERROR_SYSTEM, errnum, "listen %s%d %s: bind: %s", port_protocol_name(request->protocol),
                     request->ipv6 ? 6 : 4, host, text);
}

static int claim_exact(struct port_table *table, const struct port_request *request, void *owner,
                       port_reserve_fn reserve, void *data, struct error *err)
{
    if (!port_table_is_free(table, request, request->host_port)) {
        char host[INET6_ADDRSTRLEN + 10];
        format_host(request, request->host_port, host, sizeof(host));
        return error_set(err, ERROR_SYSTEM, EADDRINUSE, "Bind for %s failed: port is already allocated", host);
    }
    int socket = -1;
    int r = reserve(request, request->host_port, &socket, data);
    if (r < 0) {
        return bind_error(request, request->host_port, r, err);
    }
    add_claim(table, request, request->host_port, socket, owner);
    return 0;
}

int port_table_claim(struct port_table *table, const struct port_request *request, void *owner, port_reserve_fn reserve,
                     void *data, uint16_t *ret_port, struct error *err)
{
    bool ephemeral = request->host_port == 0;
    if (request->routed) {
        add_routed(table, request, owner);
        *ret_port = 0;
        return 0;
    }
    if (!ephemeral && request->host_port_end <= request->host_port) {
        int r = claim_exact(table, request, owner, reserve, data, err);
        if (r == 0) {
            *ret_port = request->host_port;
        }
        return r;
    }
    uint16_t first = ephemeral ? table->ephemeral_first : request->host_port;
    uint16_t last = ephemeral ? table->ephemeral_last : request->host_port_end;
    uint16_t *next = &table->next[protocol_index(request->protocol)];
    unsigned int span = (unsigned int)last - first + 1;
    unsigned int start = ephemeral ? (unsigned int)(*next - first) : 0;
    for (unsigned int i = 0; i < span; i++) {
        uint16_t port = first + (start + i) % span;
        if (!port_table_is_free(table, request, port)) {
            continue;
        }
        int socket = -1;
        int r = reserve(request, port, &socket, data);
        if (r == -EADDRINUSE) {
            continue;
        }
        if (r < 0) {
            return bind_error(request, port, r, err);
        }
        if (ephemeral) {
            *next = port == last ? first : port + 1;
        }
        add_claim(table, request, port, socket, owner);
        *ret_port = port;
        return 0;
    }
    return error_set(err, ERROR_SYSTEM, EADDRINUSE, "all ports are allocated");
}

int port_table_restore(struct port_table *table, const struct port_request *request, void *owner,
                       port_reserve_fn reserve, void *data, bool *ret_reserved, struct error *err)
{
    if (request->routed) {
        add_routed(table, request, owner);
        *ret_reserved = true;
        return 0;
    }
    if (!port_table_is_free(table, request, request->host_port)) {
        return claim_exact(table, request, owner, reserve, data, err);
    }
    int socket = -1;
    int r = reserve(request, request->host_port, &socket, data);
    add_claim(table, request, request->host_port, socket, owner);
    *ret_reserved = r >= 0;
    return 0;
}

size_t port_table_of(struct port_table *table, const void *owner, bool leaving, struct port_claim **ret_claims)
{
    struct port_claim *claims = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < table->count; i++) {
        if (table->claims[i].owner != owner) {
            continue;
        }
        table->claims[i].leaving |= leaving;
        xgrow((void **)&claims, count, &capacity, sizeof(*claims));
        claims[count++] = table->claims[i];
    }
    *ret_claims = claims;
    return count;
}

void port_table_set_target(struct port_table *table, const void *owner, uint32_t address,
                           const struct in6_addr *address6)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->claims[i].owner == owner) {
            table->claims[i].container_address = address;
            table->claims[i].container_address6 = address6 ? *address6 : in6addr_any;
        }
    }
}

void port_table_move(struct port_table *table, const void *from, void *to)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->claims[i].owner == from) {
            table->claims[i].owner = to;
        }
    }
}

void port_table_drop(struct port_table *table, const void *owner)
{
    size_t kept = 0;
    for (size_t i = 0; i < table->count; i++) {
        if (table->claims[i].owner == owner) {
            close_sockets(&table->claims[i]);
        } else {
            table->claims[kept++] = table->claims[i];
        }
    }
    if (kept == table->count) {
        return;
    }
    table->count = kept;
    mark_all_again(table);
    if (table->capacity > 64 && kept < table->capacity / 4) {
        table->capacity = kept + 1;
        table->claims = xreallocarray(table->claims, table->capacity, sizeof(*table->claims));
    }
}
