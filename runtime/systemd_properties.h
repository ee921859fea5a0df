/*
 * Internal to runtime/: linux.resources as properties of a unit of systemd (systemd.resource-control(5)), in the form
 * that StartTransientUnit and SetUnitProperties take: entries of an a(sv). What systemd has no property for is left to
 * the control files. All of it is pure but for a look at /proc/devices.
 */
#ifndef DORY_RUNTIME_SYSTEMD_PROPERTIES_H
#define DORY_RUNTIME_SYSTEMD_PROPERTIES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "runtime/spec.h"

void systemd_put_string(struct strbuf *body, const char *name, const char *value);
void systemd_put_bool(struct strbuf *body, const char *name, bool value);
void systemd_put_number(struct strbuf *body, const char *name, uint64_t value);
/* The processes that a scope begins with: this one. */
void systemd_put_pid(struct strbuf *body, pid_t pid);
/* Every limit that is given; one that is taken away (-1) is "infinity". Errors name the field. */
int systemd_put_limits(struct strbuf *body, const struct oci_resources *resources, struct error *err);

#endif
