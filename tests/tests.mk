# Unit tests: every tests/unit/test_NAME.c is one cmocka program, linked with all archives.
UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))

$(B)/tests/unit/%: tests/unit/%.c $(ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $< $(ALL_LDFLAGS) -Wl,--start-group $(ARCHIVES) -Wl,--end-group $(DAEMON_LIBS) -lcmocka -o $@

.PHONY: check-unit
check-unit: $(UNIT_TESTS)
	@status=0; for t in $(UNIT_TESTS); do $$t || status=1; done; exit $$status
