/* Options of the log drivers gelf and fluentd: rows of log_options.c's table. Private to that. Pure. */
#ifndef DORY_DAEMON_LOG_OPTIONS_REMOTE_H
#define DORY_DAEMON_LOG_OPTIONS_REMOTE_H

#include "daemon/log_options.h"

/* Each sets one option from its value; a value that is none is ERROR_INVALID and names the option. */
int log_set_gelf_address(const char *value, struct log_settings *s, struct error *err);
int log_set_gelf_compression(const char *value, struct log_settings *s, struct error *err);
int log_set_gelf_level(const char *value, struct log_settings *s, struct error *err);
int log_set_gelf_delay(const char *value, struct log_settings *s, struct error *err);
int log_set_gelf_attempts(const char *value, struct log_settings *s, struct error *err);
int log_set_fluentd_address(const char *value, struct log_settings *s, struct error *err);
int log_set_fluentd_async(const char *value, struct log_settings *s, struct error *err);
int log_set_fluentd_buffer(const char *value, struct log_settings *s, struct error *err);
int log_set_fluentd_wait(const char *value, struct log_settings *s, struct error *err);
int log_set_fluentd_precision(const char *value, struct log_settings *s, struct error *err);
int log_set_fluentd_ack(const char *value, struct log_settings *s, struct error *err);
int log_set_fluentd_attempts(const char *value, struct log_settings *s, struct error *err);
int log_set_fluentd_renewal(const char *value, struct log_settings *s, struct error *err);
int log_set_fluentd_read_timeout(const char *value, struct log_settings *s, struct error *err);
int log_set_fluentd_write_timeout(const char *value, struct log_settings *s, struct error *err);

/* What all options of one driver say together; fills in what they leave open. */
int log_check_gelf(struct log_settings *s, const struct strmap *options, struct error *err);
int log_check_fluentd(struct log_settings *s, const struct strmap *options, struct error *err);

#endif
