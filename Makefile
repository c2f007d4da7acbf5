# The turnstile toolkit. Needs GNU make; `scripts/deps` installs the rest.
# Variables: PREFIX, DESTDIR, CC, CFLAGS, LDFLAGS, MODE (release, asan, cov), B (build folder).
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share/turnstile
MODE   ?= release
B      ?= build/$(MODE)
VERSION := 0.1.0

TOOLS   := ts-read ts-enrich ts-send ts-spool
SCRIPTS := $(wildcard scripts/ts-*)
PAGES   := $(wildcard man/*.[157])
EXAMPLES := $(addprefix share/demo/,1_attlog.dat site.json roster.csv)

FLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2
# What a test itself does needs no speed: it is compiled in a third of the time.
FLAGS_tests_release := -O0 -U_FORTIFY_SOURCE
FLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
FLAGS_cov     := -O0 -g --coverage
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion
HARDEN   := -fstack-protector-strong -fstack-clash-protection -fPIE
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
CFLAGS  ?= $(FLAGS_$(MODE))
BUILD_C  = $(CC) -std=c11 -D_GNU_SOURCE -DTS_VERSION='"$(VERSION)"' -Icommon $(WARN) $(HARDEN) \
           $(CPPFLAGS) $(CFLAGS) -MMD -MP
LINK     = $(CC) $(CFLAGS) $(HARDEN_LD) $(LDFLAGS)

LIBS_common    := -lyyjson -luuid
LIBS_ts-read   := -lz
LIBS_ts-enrich := -lcrypto
LIBS_ts-send   := -lcurl -lcrypto -lz -lm
# The shared store is built where libpq is; LIBPQ= leaves it out.
LIBPQ   ?= $(shell pkg-config --exists libpq 2>/dev/null && echo yes)
CPPFLAGS_tools/ts-spool := $(if $(LIBPQ),-DTS_POSTGRESQL $(shell pkg-config --cflags libpq 2>/dev/null))
CPPFLAGS_tests/bench := $(if $(LIBPQ),$(shell pkg-config --cflags libpq 2>/dev/null))
WITHOUT := $(if $(LIBPQ),,tools/ts-spool/stores/postgresql% tests/bench/pg_%)
LIBS_ts-spool  := -lsqlite3
LIBS_check     := $(shell pkg-config --libs check 2>/dev/null)

objs = $(patsubst %.c,$(B)/%.o,$(filter-out %/main.c $(WITHOUT),$(wildcard $(1))))

all: $(TOOLS:%=$(B)/%)

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(BUILD_C) $(if $(filter tools/%,$<),-Itools/$(word 2,$(subst /, ,$<)) $(CPPFLAGS_tools/$(word 2,$(subst /, ,$<)))) \
	    $(CPPFLAGS_$(patsubst %/,%,$(dir $<))) \
	    $(if $(filter tests/unit/ts-% tests/fuzz/ts-%,$<),-Itools/$(word 3,$(subst /, ,$<))) \
	    $(if $(filter tests/unit/% tests/fuzz/%,$<),$(FLAGS_tests_$(MODE))) -c -o $@ $<

$(B)/common.a: $(call objs,common/*.c)
	@rm -f $@
	$(AR) rcs $@ $^

# One archive a program, of everything but its main.o: the program and its tests link the same code.
define tool
$(B)/$(1).a: $(call objs,tools/$(1)/*.c tools/$(1)/*/*.c)
	@rm -f $$@
	$(AR) rcs $$@ $$^
$(B)/$(1): $(B)/tools/$(1)/main.o $(B)/$(1).a $(B)/common.a
	$(LINK) -o $$@ $$^ $(LIBS_$(1)) $(LIBS_common)
$(B)/tests/unit/$(1)/%: $(B)/tests/unit/$(1)/%.o $(B)/$(1).a $(B)/common.a
	$(LINK) -o $$@ $$^ $(LIBS_$(1)) $(LIBS_common) $(LIBS_check)
$(B)/tests/fuzz/$(1)/%: $(B)/tests/fuzz/$(1)/%.o $(FUZZ_MAIN) $(B)/$(1).a $(B)/common.a
	$(LINK) $(FUZZ_LD) -o $$@ $$^ $(LIBS_$(1)) $(LIBS_common)
endef
# The jq profiles of ts-send travel inside it.
PROFILES := $(sort $(wildcard tools/ts-send/profiles/*.jq))
$(B)/tools/ts-send/profiles.c: $(PROFILES) tools/ts-send/embed Makefile
	@mkdir -p $(@D)
	tools/ts-send/embed $(PROFILES) >$@
$(B)/tools/ts-send/profiles.o: $(B)/tools/ts-send/profiles.c
	$(BUILD_C) -Itools/ts-send -c -o $@ $<
$(B)/ts-send.a: $(B)/tools/ts-send/profiles.o
# `make fuzz` builds the targets with libFuzzer; `make check` only replays their corpora.
FUZZ_MAIN = $(if $(FUZZ),,$(B)/tests/support/fuzz_main.o)
FUZZ_LD   = $(if $(FUZZ),-fsanitize=fuzzer,)
$(foreach t,$(TOOLS),$(eval $(call tool,$(t))))
$(B)/tests/unit/common/%: $(B)/tests/unit/common/%.o $(B)/common.a
	$(LINK) -o $@ $^ $(LIBS_common) $(LIBS_check)
$(B)/tests/fuzz/common/%: $(B)/tests/fuzz/common/%.o $(FUZZ_MAIN) $(B)/common.a
	$(LINK) $(FUZZ_LD) -o $@ $^ $(LIBS_common)
$(B)/tests/sim/%: $(B)/tests/sim/%.o $(B)/common.a
	$(LINK) -o $@ $^ -lmicrohttpd -lz $(LIBS_common)
$(B)/tests/bench/%: $(B)/tests/bench/%.o $(B)/common.a
	$(LINK) -o $@ $^ -lsqlite3 -lcurl $(if $(LIBPQ),-lpq) $(LIBS_common)

# Libraries that tests preload: to record what a program does to its files, or to make it fail.
$(B)/tests/support/%.so: tests/support/%.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(WARN) -O2 -g -fPIC -shared -o $@ $< -ldl

progs = $(patsubst %.c,$(B)/%,$(filter-out $(WITHOUT),$(wildcard $(1))))
UNITS := $(call progs,tests/unit/*/*.c)
FUZZERS := $(call progs,tests/fuzz/*/*.c)
SIMS  := $(call progs,tests/sim/*.c)
BENCH := $(call progs,tests/bench/*.c)
PRELOADS := $(patsubst %.c,$(B)/%.so,$(wildcard tests/support/fault_*.c))

tests: all $(UNITS) $(FUZZERS) $(SIMS) $(PRELOADS)
check: tests
	B=$(abspath $(B)) MODE=$(MODE) tests/run
asan:
	$(MAKE) MODE=asan check
coverage:
	$(MAKE) MODE=cov check
	lcov -q -c -d build/cov -o build/cov/lcov.info
	lcov --summary build/cov/lcov.info
bench: all $(BENCH) $(SIMS)
	B=$(abspath $(B)) tests/bench/run
fuzz:
	$(MAKE) MODE=asan B=build/fuzz CC=clang FUZZ=1 CFLAGS="$(FLAGS_asan) -fsanitize=fuzzer-no-link" fuzzers
	B=$(abspath build/fuzz) tests/fuzz/run
fuzzers: $(FUZZERS)
# The programs, broken at every call, at every write, on full disks and bad networks; FULL=1: long.
faults: tests
	B=$(abspath $(B)) MODE=$(MODE) tests/run $(if $(FULL),--full) tests/faults/
lint:
	scripts/lint

install: all
	install -d $(DESTDIR)$(BINDIR) $(foreach s,1 5 7,$(DESTDIR)$(MANDIR)/man$(s)) $(DESTDIR)$(DATADIR)
	install -m 755 $(TOOLS:%=$(B)/%) $(SCRIPTS) $(DESTDIR)$(BINDIR)
	$(foreach p,$(PAGES),install -m 644 $(p) $(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $(p))) &&) :
	install -m 644 $(EXAMPLES) $(DESTDIR)$(DATADIR)
uninstall:
	rm -f $(TOOLS:%=$(DESTDIR)$(BINDIR)/%) $(SCRIPTS:scripts/%=$(DESTDIR)$(BINDIR)/%)
	rm -f $(foreach p,$(PAGES),$(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $(p)))/$(notdir $(p)))
	rm -f $(EXAMPLES:share/demo/%=$(DESTDIR)$(DATADIR)/%)
	-rmdir $(DESTDIR)$(DATADIR) 2>/dev/null
help:
	@echo 'make [all|check|asan|coverage|bench|fuzz|faults|lint|install|uninstall|clean] [PREFIX=… DESTDIR=…]'
clean:
	rm -rf build

.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all tests check asan coverage bench fuzz fuzzers faults lint install uninstall help clean
-include $(shell find $(B) -name '*.d' 2>/dev/null)
