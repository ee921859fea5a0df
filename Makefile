# dory: see README.md. `make` builds bin/; `make deps` installs what that needs (Debian, root).
#
#   make B=/tmp/b BIN=/tmp/bin   other places for objects and programs
#   make CC=clang                another compiler
#   make SAN=1                   AddressSanitizer and UBSan (then nothing is linked statically)

SHELL := /bin/bash
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# V=1 shows the commands.
Q := $(if $(V),,@)

B ?= build
BIN ?= bin
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
PREFIX ?= /usr/local
DESTDIR ?=

VERSION := 0.1.0
GIT_COMMIT := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)

WARN := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wwrite-strings
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu17 $(WARN) $(CFLAGS) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. -include base/banned.h \
	-fno-strict-aliasing -ffunction-sections -fdata-sections -pthread -MMD -MP
ALL_LDFLAGS = -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,--as-needed -pthread $(LDFLAGS)
STATIC := -static
ifdef SAN
ALL_CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
ALL_LDFLAGS += -fsanitize=address,undefined
STATIC :=
endif

# Lowest first: an archive may use those before it, never those after it. daemon/network and daemon/build are folders of
# daemon.
LIBS := base archive runtime image daemon api
lib_sources = $(wildcard $(1)/*.c $(1)/*/*.c)
lib_objects = $(patsubst %.c,$(B)/%.o,$(call lib_sources,$(1)))
ARCHIVES := $(foreach l,$(LIBS),$(B)/lib$(l).a)

PROGRAMS := dory doryd dory-shim dory-runtime dory-connect

.PHONY: all
all: $(PROGRAMS:%=$(BIN)/%)

# The client half of api/ is linked into the static CLI, so it is an archive of its own.
CLIENT_SOURCES := $(wildcard api/client*.c)
$(B)/libclient.a: $(patsubst %.c,$(B)/%.o,$(CLIENT_SOURCES))

DAEMON_LIBS := -lmicrohttpd -lnghttp2 -lprotobuf-c -lsqlite3 -lcurl -larchive -lisal -lzstd -lcrypto -lz -lnftables -lmnl -lseccomp -lyajl -lm
STATIC_YAJL := -l:libyajl_s.a

# BuildKit's messages: C from their description, which the files of api/buildkit/ include.
PROTO := $(B)/gen/api/buildkit/buildkit.pb-c
$(PROTO).c $(PROTO).h &: api/buildkit/buildkit.proto
	@mkdir -p $(@D)
	@echo '  PROTOC $<'
	$(Q)protoc-c --proto_path=. --c_out=$(B)/gen $<
$(PROTO).o: $(PROTO).c
	@echo '  CC $<'
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@
BUILDKIT_OBJECTS := $(patsubst %.c,$(B)/%.o,$(wildcard api/buildkit/*.c))
$(BUILDKIT_OBJECTS): | $(PROTO).h
$(BUILDKIT_OBJECTS) $(PROTO).o: ALL_CFLAGS += -I$(B)/gen
$(B)/libapi.a: $(PROTO).o

define archive_rule
$(B)/lib$(1).a: $(call lib_objects,$(1))
endef
$(foreach l,$(LIBS),$(eval $(call archive_rule,$(l))))
$(B)/lib%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D)
	@echo '  CC $<'
	$(Q)$(CC) $(ALL_CFLAGS) -DDORY_VERSION='"$(VERSION)"' $(if $(findstring version,$<),-DDORY_GIT_COMMIT='"$(GIT_COMMIT)"') -c $< -o $@

cmd_objects = $(patsubst %.c,$(B)/%.o,$(wildcard cmd/$(1)/*.c cmd/$(1)/*/*.c))

# The grammar of image names is the daemon's, too.
$(BIN)/dory: $(call cmd_objects,dory) $(B)/image/reference.o $(B)/libclient.a $(B)/libarchive.a $(B)/libbase.a
	@mkdir -p $(@D)
	@echo '  LD $@'
	$(Q)$(CC) $(STATIC) $(ALL_LDFLAGS) $^ $(STATIC_YAJL) -l:libfyaml.a -l:libz.a -lm -o $@
# The protocol and the log writer are the daemon's too, so they lie in daemon/.
SHIM_SHARED := $(patsubst %.c,$(B)/%.o,$(wildcard daemon/shim_*.c))
$(BIN)/dory-shim: $(call cmd_objects,dory-shim) $(SHIM_SHARED) $(B)/libruntime.a $(B)/libbase.a
	@mkdir -p $(@D)
	@echo '  LD $@'
	$(Q)$(CC) $(STATIC) $(ALL_LDFLAGS) $^ $(STATIC_YAJL) -l:libz.a -lm -o $@
# dory-runtime is entered before the C library: see cmd/dory-runtime/entry.c.
ifneq ($(SAN),1)
ifneq ($(findstring x86_64,$(shell $(CC) -dumpmachine)),)
RUNTIME_ENTRY := -Wl,-e,dory_entry
endif
endif
$(B)/cmd/dory-runtime/entry.o: ALL_CFLAGS += -ffreestanding -fno-stack-protector
$(BIN)/dory-runtime: $(call cmd_objects,dory-runtime) $(B)/libruntime.a $(B)/libbase.a
	@mkdir -p $(@D)
	@echo '  LD $@'
	$(Q)$(CC) $(STATIC) $(ALL_LDFLAGS) $(RUNTIME_ENTRY) $^ -lseccomp $(STATIC_YAJL) -lm -o $@
$(BIN)/dory-connect: $(call cmd_objects,dory-connect) $(B)/libbase.a
	@mkdir -p $(@D)
	@echo '  LD $@'
	$(Q)$(CC) $(ALL_LDFLAGS) $^ -lssl -lcrypto -o $@
$(BIN)/doryd: $(call cmd_objects,doryd) $(B)/libapi.a $(B)/libdaemon.a $(B)/libimage.a $(B)/libruntime.a $(B)/libarchive.a $(B)/libbase.a
	@mkdir -p $(@D)
	@echo '  LD $@'
	$(Q)$(CC) $(ALL_LDFLAGS) $^ $(DAEMON_LIBS) -o $@

# doryd looks for its shim beside itself and then in $(PREFIX)/libexec/dory.
.PHONY: install
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/dory $(DESTDIR)$(PREFIX)/share/doc/dory
	install -m 755 $(BIN)/dory $(BIN)/doryd $(BIN)/dory-runtime $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(BIN)/dory-shim $(BIN)/dory-connect $(DESTDIR)$(PREFIX)/libexec/dory/
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/share/man/man8
	sed 's|@bindir@|$(PREFIX)/bin|' cmd/doryd/dory.service.in >$(DESTDIR)$(PREFIX)/lib/systemd/system/dory.service
	install -m 644 cmd/doryd/dory.socket $(DESTDIR)$(PREFIX)/lib/systemd/system/dory.socket
	$(BIN)/doryd --man >$(DESTDIR)$(PREFIX)/share/man/man8/doryd.8
	$(BIN)/dory __man $(DESTDIR)$(PREFIX)/share/man/man1
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(BIN)/dory completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/dory
	$(BIN)/dory completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_dory
	$(BIN)/dory completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/dory.fish
	install -m 644 README.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/dory/

.PHONY: deps
deps:
	tests/deps build

.PHONY: clean
clean:
	rm -rf $(B) $(BIN)

include tests/tests.mk

# Not what the tests keep in build/cache: packages of others have files of that name, too.
-include $(shell find $(B) -path '*/cache' -prune -o -name '*.d' -print 2>/dev/null)
