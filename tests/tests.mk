# Unit tests: every tests/unit/test_NAME.c is one cmocka program, linked with all archives.
UNIT_TESTS := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
BATS_TESTS := $(sort $(wildcard tests/cli/*.bats tests/build/*.bats tests/network/*.bats tests/clients/*.bats tests/runtime/*.bats tests/faults/*.bats tests/compose/*.bats))

# The CLI's files without its main, so that their pure parts can be tested like a library's.
CLI_ARCHIVE := $(B)/libcli.a
$(CLI_ARCHIVE): $(filter-out %/main.o,$(call cmd_objects,dory))

$(B)/tests/unit/%: tests/unit/%.c $(ARCHIVES) $(CLI_ARCHIVE)
	@mkdir -p $(@D)
	@echo '  LD $@'
	$(Q)$(CC) $(ALL_CFLAGS) $< $(ALL_LDFLAGS) -Wl,--start-group $(CLI_ARCHIVE) $(ARCHIVES) -Wl,--end-group $(DAEMON_LIBS) -l:libfyaml.a -lcmocka -o $@

# The API takes in the daemon as a whole, which has names in common with the CLI's files.
BUILDKIT_PROGRAMS := $(addprefix $(B)/,tests/unit/test_buildkit tests/unit/test_buildkit_session fuzz_buildkit fuzz_buildkit_files)
$(BUILDKIT_PROGRAMS): private CLI_ARCHIVE :=
$(BUILDKIT_PROGRAMS): private ALL_CFLAGS += -I$(B)/gen

# The network as containers and other hosts see it: programs that make namespaces of their own (root).
UNIT_TESTS += $(patsubst tests/network/%.c,$(B)/tests/network/%,$(wildcard tests/network/test_*.c))
NETWORK_RIG := $(B)/tests/network/rig.o $(B)/tests/network/fixture.o
$(B)/tests/network/%: tests/network/%.c $(NETWORK_RIG) $(ARCHIVES)
	@mkdir -p $(@D)
	@echo '  LD $@'
	$(Q)$(CC) $(ALL_CFLAGS) $< $(NETWORK_RIG) $(ALL_LDFLAGS) -Wl,--start-group $(ARCHIVES) -Wl,--end-group \
		$(DAEMON_LIBS) -lcmocka -o $@

# Builds them only.
.PHONY: unit-tests
unit-tests: $(UNIT_TESTS)

.PHONY: check-unit
check-unit: $(UNIT_TESTS)
	tests/run $(UNIT_TESTS)

# Everything, from nothing: packages, a build with gcc and one with clang, the source checks, all tests. A recursive make
# because the libraries' headers may only just have been installed.
.PHONY: check
check:
	tests/deps check
	$(MAKE) --no-print-directory -j2 all
	$(MAKE) --no-print-directory -j2 CC=clang B=$(B)/clang BIN=$(B)/clang/bin all
	tests/tools/check-includes
	tests/tools/check-format
	tests/tools/check-bats
	$(MAKE) --no-print-directory -j2 $(UNIT_TESTS)
	DORY_BIN=$(abspath $(BIN)) tests/run $(UNIT_TESTS) $(BATS_TESTS) tests/vm/check

# dory-runtime with Debian's systemd as pid 1, in a virtual machine: after changes to runtime/systemd*.c and base/dbus.c.
.PHONY: check-systemd
check-systemd:
	tests/deps check
	$(MAKE) --no-print-directory -j2 all $(B)/tests/network/test_upper
	DORY_BIN=$(abspath $(BIN)) tests/vm/check
	DORY_BIN=$(abspath $(BIN)) tests/vm/run_systemd

# The unit tests and the CLI's scenario once more with AddressSanitizer and UBSan.
SAN_DIR := $(B)/asan
.PHONY: check-asan
check-asan:
	tests/deps check
	$(MAKE) --no-print-directory -j2 SAN=1 B=$(SAN_DIR) BIN=$(SAN_DIR)/bin all
	$(MAKE) --no-print-directory -j2 SAN=1 B=$(SAN_DIR) BIN=$(SAN_DIR)/bin $(patsubst $(B)/%,$(SAN_DIR)/%,$(UNIT_TESTS))
	ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 DORY_BIN=$(abspath $(SAN_DIR)/bin) tests/run \
		$(patsubst $(B)/%,$(SAN_DIR)/%,$(UNIT_TESTS)) $(sort $(wildcard tests/cli/*.bats))

# Fuzzing with libFuzzer: every tests/fuzz/fuzz_NAME.c, FUZZ_SECONDS each; tests/fuzz/corpus/fuzz_NAME has what to begin
# with.
FUZZ_SECONDS ?= 30
FUZZ_DIR := $(B)/fuzz
FUZZERS := $(patsubst tests/fuzz/%.c,$(FUZZ_DIR)/%,$(wildcard tests/fuzz/fuzz_*.c))
.PHONY: fuzz fuzz-programs
fuzz:
	tests/deps fuzz
	$(MAKE) --no-print-directory -j2 CC=clang B=$(FUZZ_DIR) \
		CFLAGS="-O1 -g -fsanitize=fuzzer-no-link,address,undefined" LDFLAGS="-fsanitize=address,undefined" fuzz-programs
	@for f in $(FUZZERS); do echo "# $$f"; mkdir -p $$f.corpus; seeds=tests/fuzz/corpus/$${f##*/}; \
		$$f -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -artifact_prefix=$$f- $$f.corpus $$(ls -d $$seeds/ 2>/dev/null) || exit 1; done
fuzz-programs: $(patsubst tests/fuzz/%.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
$(B)/fuzz_%: tests/fuzz/fuzz_%.c $(ARCHIVES) $(CLI_ARCHIVE)
	@mkdir -p $(@D)
	@echo '  LD $@'
	$(Q)$(CC) $(ALL_CFLAGS) -fsanitize=fuzzer $< $(ALL_LDFLAGS) -Wl,--start-group $(CLI_ARCHIVE) $(ARCHIVES) -Wl,--end-group $(DAEMON_LIBS) -l:libfyaml.a -o $@

.PHONY: bench
bench:
	tests/deps bench
	$(MAKE) --no-print-directory -j2 all
	tests/bench/run
	tests/bench/build
	tests/bench/buildkit
	tests/bench/compose

# The Debian image is made while the programs are built.
.PHONY: demo
demo:
	tests/deps demo
	@examples/demo --images & images=$$!; \
		$(MAKE) --no-print-directory -j2 all && wait $$images && examples/demo
