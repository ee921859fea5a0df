/* Messages of a D-Bus, and strings and numbers read from whatever body they have. */
#include <assert.h>
#include <string.h>

#include "base/dbus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dbus_message message;
    if (dbus_parse(data, size, &message) < 0)
        return 0;
    assert(message.body >= data && message.body + message.body_size <= data + size);
    size_t offset = 0;
    const char *text;
    uint32_t number;
    while (dbus_get_uint32(&message, &offset, &number) == 0 && dbus_get_string(&message, &offset, &text) == 0)
        assert(text + strlen(text) < (const char *)message.body + message.body_size);
    offset = 0;
    while (dbus_get_variant_string(&message, &offset, &text) == 0)
        assert(text + strlen(text) < (const char *)message.body + message.body_size);
    return 0;
}
