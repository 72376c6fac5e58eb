# Freshet, a floodfill news server.
#
#   make                 the three programs, into build/bin
#   make run             install what is missing, build, make a site in ./var, serve it
#   make test            install what is missing, build, run all tests
#   make demo            three sites in a ring: watch articles flood
#   make install         PREFIX=/usr/local DESTDIR=
#   make check           the tests alone (SAN=address,undefined or SAN=thread: with sanitizers)
#   make unit            unit tests alone;  make build/tests/unit/NAME: one of them
#   make rooms           do the includes keep to doc/rooms?
#   make bench           figures;  make fuzz T=wire SECONDS=60: look for crashes
#   make clean;  V=1 with any: show the commands

PREFIX  = /usr/local
DESTDIR =
SITE    = var
say     = $(if $(V),,@echo "  $@"; )

comma := ,
B     = build$(if $(SAN),-$(subst $(comma),-,$(SAN)))
CC    = gcc
OPT   = -O2 -g
WARN  = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla -Wundef -Wpointer-arith
CFLAGS  =
CPPFLAGS =
VERSION = 0.1.0
HARDEN  = -fstack-protector-strong -fno-omit-frame-pointer
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -I. $(OPT) $(WARN) $(HARDEN) -DFRESHET_VERSION=\"$(VERSION)\" -pthread $(if $(SAN),-fsanitize=$(SAN)) $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pthread $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)
LIBS  = -levent_extra -levent_core -levent_pthreads -ldb -lconfuse -lcrypt -lssl -lcrypto -lz -lm

# a room is a directory and an archive; an archive may use those to its right
ROOMS    = lib article conf history spool feeder nntpd ctl
MAINS    = feeder/main.c nntpd/main.c ctl/main.c
src      = $(filter-out $(MAINS),$(wildcard $(1)/*.c))
obj      = $(patsubst %.c,$(B)/%.o,$(call src,$(1)))
arch     = $(foreach r,$(1),$(B)/$(r).a)

LINK_lib     = lib
LINK_article = article lib
LINK_conf    = conf lib
LINK_history = history article lib
LINK_spool   = spool article lib
LINK_feeder  = feeder spool article conf lib
LINK_nntpd   = nntpd spool history article conf lib
LINK_ctl     = ctl conf lib

PROGRAMS = $(B)/bin/nntpd $(B)/bin/feeder $(B)/bin/newsctl

all: $(PROGRAMS)

define room
$(B)/$(1).a: $(call obj,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(AR) rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call room,$(r))))

$(B)/bin/nntpd:   $(B)/nntpd/main.o  $(call arch,$(LINK_nntpd))
$(B)/bin/feeder:  $(B)/feeder/main.o $(call arch,$(LINK_feeder))
$(B)/bin/newsctl: $(B)/ctl/main.o    $(call arch,$(LINK_ctl))
$(PROGRAMS):
	@mkdir -p $(@D)
	$(say)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(say)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# tests/unit/ROOM_MODULE.c is a cmocka program that sees its room and those below
UNIT = $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/*_*.c))
SIMDISK = $(B)/tests/simdisk.o $(B)/tests/simdisk_node.o
room_of = $(firstword $(subst _, ,$(notdir $(1))))
.SECONDEXPANSION:
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/tests/kit.o $(SIMDISK) $$(call arch,$$(LINK_$$(call room_of,$$@)))
	@mkdir -p $(@D)
	$(say)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

unit: $(UNIT)
	@tests/run-unit $(B) $(UNIT)

# tests/session/*.nt are transcripts, played by one program on nntpd's sessions
$(B)/tests/session/run: $(patsubst %.c,$(B)/%.o,$(wildcard tests/session/*.c)) $(B)/tests/kit.o $(call arch,$(LINK_nntpd))
	@mkdir -p $(@D)
	$(say)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

sessions: $(B)/tests/session/run
	@tests/run-sessions $(B) $(wildcard tests/session/*.nt)

# what a newcomer types

run:
	@./setup build
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@[ -f $(SITE)/nntpd.conf ] || $(B)/bin/newsctl init $(SITE)
	@echo
	@echo "Serving on 127.0.0.1:1119.  In another terminal:"
	@echo "  read and post   NNTPSERVER=127.0.0.1:1119 slrn -f ~/.jnewsrc-freshet --create"
	@echo "  its status      $(B)/bin/newsctl -c $(SITE)/nntpd.conf status"
	@echo "  a new group     $(B)/bin/newsctl -c $(SITE)/nntpd.conf group add forum.cooking 'What is for dinner'"
	@echo "Stop it with Ctrl-C.  Settings: $(SITE)/nntpd.conf"
	@echo
	@exec $(B)/bin/nntpd -c $(SITE)/nntpd.conf

test:
	@./setup test
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@$(MAKE) --no-print-directory -j$$(nproc) check

demo:
	@./setup test
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@B=$(B) PYTHONDONTWRITEBYTECODE=1 python3 tests/demo.py

check: unit sessions fuzz-replay rooms manuals daemon

daemon: all
	@tests/run-python $(B) daemon

# kill -9 and power cuts: LOOPS rounds of each (LONG=1: as many as the gate wants)
crash: all
	@LOOPS=$(if $(LONG),200,$(or $(LOOPS),8)) LIMIT=3000 tests/run-python $(B) daemon test_crash.py

test-interop: all
	@tests/run-python $(B) interop

# tests/fuzz/NAME.c with seeds in tests/fuzz/corpus/NAME: replayed under the sanitizers, or
# looked into with clang's fuzzer (crashes go to build-fuzz/)
FUZZ  = $(filter-out replay,$(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c)))
FUZZ_ARCHIVES = $(call arch,nntpd ctl feeder spool history article conf lib)
SECONDS = 60

fuzz-replay:
	@$(MAKE) --no-print-directory SAN=address,undefined CFLAGS="-fno-sanitize-recover=undefined" replay-build
	@tests/run-fuzz replay build-address-undefined $(FUZZ)

replay-build: $(FUZZ:%=$(B)/tests/fuzz/%)
$(FUZZ:%=$(B)/tests/fuzz/%): $(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o $(B)/tests/kit.o $(FUZZ_ARCHIVES)
	$(say)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

FUZZ_MAKE = $(MAKE) --no-print-directory CC=clang B=build-fuzz OPT="-O1 -g" \
            CFLAGS="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -Wno-unused-command-line-argument" \
            LDFLAGS="-fsanitize=address,undefined"
fuzz:
	@[ -n "$(T)" ] || { echo "make fuzz T=NAME SECONDS=n; NAME is one of: $(FUZZ)"; exit 2; }
	@$(FUZZ_MAKE) build-fuzz/fuzz/$(T)
	@tests/run-fuzz look build-fuzz $(SECONDS) $(T)

fuzz-short:
	@$(FUZZ_MAKE) $(FUZZ:%=build-fuzz/fuzz/%)
	@tests/run-fuzz look build-fuzz $(or $(FUZZ_SECONDS),10) $(FUZZ)

$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/kit.o $(FUZZ_ARCHIVES)
	@mkdir -p $(@D)
	$(say)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ -lcmocka $(LIBS)

# figures of a whole site; MILLION=, SECONDS=, SERVER_CPUS=, LOAD_CPUS= in the environment
bench: all $(B)/tests/bench/load bench-micro
	@B=$(B) PYTHONDONTWRITEBYTECODE=1 python3 tests/bench/run.py
	@B=$(B) PYTHONDONTWRITEBYTECODE=1 python3 tests/bench/lists.py
	@B=$(B) PYTHONDONTWRITEBYTECODE=1 python3 tests/bench/readers.py

LOAD = $(patsubst %.c,$(B)/%.o,$(wildcard tests/bench/load*.c))
$(B)/tests/bench/load: $(LOAD)
	$(say)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lssl -lcrypto -lz

# every other tests/bench/*.c is a program of its own over the rooms
MICRO = $(patsubst %.c,$(B)/%,$(filter-out tests/bench/load%,$(wildcard tests/bench/*.c)))
$(MICRO): $(B)/%: $(B)/%.o $(B)/tests/kit.o $(call arch,nntpd feeder spool history article conf lib)
	$(say)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

bench-micro: $(MICRO)
	@for p in $(MICRO); do echo "# $$p"; $$p || exit 1; done

manuals:
	@mandoc -T lint -W warning doc/man/*.[58] && echo "manuals: clean"

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man8 \
	    $(DESTDIR)$(PREFIX)/share/doc/freshet $(DESTDIR)$(PREFIX)/share/freshet $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/sbin
	for p in doc/man/*.[58]; do m=$(DESTDIR)$(PREFIX)/share/man/man$${p##*.}/$${p##*/}; \
	    sed 's,/usr/local/,$(PREFIX)/,' $$p > $$m && chmod 644 $$m || exit 1; done
	install -m 644 README.md ARCHITECTURE.md LICENSE doc/*.md $(DESTDIR)$(PREFIX)/share/doc/freshet
	install -m 644 conf/nntpd.conf conf/freshet.logrotate $(DESTDIR)$(PREFIX)/share/freshet
	sed 's,/usr/local/,$(PREFIX)/,' conf/freshet.service > $(DESTDIR)$(PREFIX)/lib/systemd/system/freshet.service
	chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/freshet.service

rooms:
	@awk -f doc/rooms.awk doc/rooms $$(find $(ROOMS) tests -name '*.[ch]')

clean:
	rm -rf build build-*

.PHONY: all run test demo check unit sessions fuzz-replay replay-build fuzz fuzz-short daemon crash test-interop manuals install rooms bench bench-micro clean
.SECONDARY:

-include $(shell find $(B) -type f -name '*.d' 2>/dev/null)
