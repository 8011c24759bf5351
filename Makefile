# make help lists the targets. Every variable below may be set on the command
# line: make CC=clang B=out V=1 SAN=thread check

NAME    := torc
VERSION := 0.1.0
SOVER   := 0

B   ?= build
CC  ?= cc
CXX ?= c++
V   ?= 0
SAN ?=
T   ?=

PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
INCLUDEDIR ?= $(PREFIX)/include
LIBDIR     ?= $(PREFIX)/lib
MANDIR     ?= $(PREFIX)/share/man
INSTALL    ?= install

CFLAGS   ?= -O2 -g
CXXFLAGS ?= -O2 -g
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wundef -Wvla -Wpointer-arith -Wcast-qual -Wswitch-enum
CPPFLAGS += -D_GNU_SOURCE -DTORC_VERSION=$(VERSION) -I$(B)/include -I.
# Frame pointers, so that perf shows whole stacks at no cost worth naming. Frames
# above a page are touched page by page, lest they jump over a stack's guard.
torc_cflags := -std=gnu11 -fPIC -fno-omit-frame-pointer -fstack-clash-protection $(WARN) $(if $(SAN),-fsanitize=$(SAN))
torc_ldflags := $(if $(SAN),-fsanitize=$(SAN))

# A library that scripts/deps built for this tree wins over the system's. What
# pkg-config says is asked for once, after the dependencies were seen to.
PKG := PKG_CONFIG_PATH=$(CURDIR)/.deps/liburing/lib/pkgconfig:$$PKG_CONFIG_PATH pkg-config
once = $(eval $(1) := $(shell $(2)))$($(1))
uring_cflags = $(call once,uring_cflags,$(PKG) --cflags liburing)
uring_libs   = $(call once,uring_libs,$(PKG) --libs liburing)
heap_libs    = $(if $(SAN),,$(call once,heap_libs,$(PKG) --libs jemalloc))
cmocka_libs  = $(call once,cmocka_libs,$(PKG) --libs cmocka)
bench_libs   = $(call once,bench_libs,$(PKG) --libs benchmark)
uv_libs      = $(call once,uv_libs,$(PKG) --libs libuv)
libs         = $(uring_libs) $(heap_libs) -lpthread

MODULES := base alloc uring core core/sync core/channel core/io test  # each may include the ones before it
SRCS    := $(sort $(wildcard $(MODULES:%=%/*.c) $(MODULES:%=%/*.S)))
HDRS    := torc.h $(filter-out %_priv.h,$(sort $(wildcard $(MODULES:%=%/*.h))))
OBJS    := $(addsuffix .o,$(basename $(SRCS:%=$(B)/%)))

DOCTOR_OBJS := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard doctor/*.c)))
TOP_OBJS   := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard top/*.c)))
PROXY_OBJS := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard proxy/*.c)))
EXAMPLES   := $(patsubst %.c,$(B)/%,$(sort $(wildcard examples/*.c)))
# Those with an underscore are programs; the others are what they share.
BASELINES  := $(patsubst %.c,$(B)/%,$(sort $(wildcard perf/baseline/*_*.c)))
BASE_OBJS  := $(filter-out $(BASELINES:%=%.o),$(patsubst %.c,$(B)/%.o,$(sort $(wildcard perf/baseline/*.c)))) \
              $(B)/base/histogram.o
SERVERS    := $(patsubst %.c,$(B)/%,$(filter-out %/server.c,$(sort $(wildcard perf/servers/*.c))))
LOAD_OBJS  := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard perf/load/*.c))) $(B)/base/histogram.o

UV_OBJS    := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard perf/peers/libuv/*.c)))

TEST_C   := $(sort $(wildcard tests/*/*_test.c tests/*/*/*_test.c))
TEST_SH  := $(sort $(wildcard tests/*/*_test.sh))
TESTS    := $(patsubst %.c,$(B)/%,$(TEST_C))
SUPPORT  := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard tests/support/*.c)))
CONTRACT := $(patsubst %.c,$(B)/%.o,$(filter-out %_test.c,$(sort $(wildcard tests/contract/*.c))))
FAULTY   := $(filter $(B)/tests/support/faulty_%,$(SUPPORT))
TOOLS    := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/tools/*.c tests/xfail/*.c tests/*/*_prog.c)))
PERFS    := $(sort $(wildcard perf/*/*_perf.c))
PATHS    := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard perf/paths/*.c)))
ALL_C    := $(filter %.c,$(SRCS)) $(sort $(wildcard proxy/*.c doctor/*.c top/*.c examples/*.c tests/*/*.c tests/*/*/*.c perf/*/*.c perf/*/*/*.c))
ALL_H    := $(sort $(wildcard *.h $(MODULES:%=%/*.h) proxy/*.h doctor/*.h top/*.h tests/*.h tests/*/*.h perf/*.h perf/*/*.h perf/*/*/*.h))

lib    := $(B)/lib$(NAME).a
shared := $(B)/lib$(NAME).so.$(VERSION)
proxy  := $(B)/torc-proxy
doctor := $(B)/torc-doctor
top    := $(B)/torc-top
load   := $(B)/torc-load
faulty := $(B)/tests/tools/torc-proxy-faulty
contract := $(B)/tests/contract/contract_test
bench  := $(B)/perf/bench
paths  := $(B)/perf/hot_paths
costs  := $(B)/perf/tools/syscall_cost

# V=1 shows commands; make -s shows nothing.
Q    := $(if $(filter 1,$(V)),,@)
say   = $(if $(filter 1,$(V))$(findstring s,$(filter-out --%,$(firstword -$(MAKEFLAGS)))),,@printf '  %-7s %s\n' $(1) $(2);)
comma := ,

all: lib $(proxy) $(doctor) $(top) $(EXAMPLES) ## build the libraries, torc-proxy, torc-doctor, torc-top and the examples
lib: $(lib) $(shared) ## build libtorc.a and libtorc.so in build/

# ---- what is needed first ----

# One stamp per kind of dependency; scripts/deps says what it installs.
$(B)/.deps-%: scripts/deps
	@mkdir -p $(@D)
	$(Q)scripts/deps $*
	@touch $@

$(B)/include/$(NAME):
	@mkdir -p $(@D) && ln -sfn $(CURDIR)/torc.h $@.h && ln -sfn $(CURDIR) $@

# ---- objects and libraries ----

before := $(B)/.deps-build $(B)/include/$(NAME)

$(B)/%.o: %.c | $(before)
	@mkdir -p $(@D)
	$(call say,CC,$@)$(CC) $(CPPFLAGS) $(uring_cflags) $(torc_cflags) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/%.o: %.S | $(before)
	@mkdir -p $(@D)
	$(call say,AS,$@)$(CC) $(CPPFLAGS) -g -c -o $@ $<

# With a liburing of our own its objects go in, so that users need not find it.
$(lib): $(OBJS)
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $^
	$(Q)if [ -f .deps/liburing/lib/liburing.a ]; then \
		printf 'open %s\naddlib .deps/liburing/lib/liburing.a\nsave\nend\n' $@ | $(AR) -M; fi

$(shared): $(OBJS) $(NAME).map
	$(call say,LD,$@)$(CC) $(torc_ldflags) $(LDFLAGS) -shared -Wl,-soname,lib$(NAME).so.$(SOVER) \
		-Wl,--version-script,$(NAME).map $(if $(SAN),,-Wl$(comma)-z$(comma)defs) -o $@ $(OBJS) $(libs)

$(proxy): $(PROXY_OBJS) $(lib)
	$(call say,LD,$@)$(CC) $(torc_ldflags) $(LDFLAGS) -o $@ $^ $(libs)

$(doctor): $(DOCTOR_OBJS) $(CONTRACT) $(lib)
	$(call say,LD,$@)$(CC) $(torc_ldflags) $(LDFLAGS) -o $@ $^ $(libs)

$(top): $(TOP_OBJS) $(B)/base/clock.o
	$(call say,LD,$@)$(CC) $(torc_ldflags) $(LDFLAGS) -o $@ $^

$(B)/examples/%: $(B)/examples/%.o $(lib)
	$(call say,LD,$@)$(CC) $(torc_ldflags) $(LDFLAGS) -o $@ $^ $(libs)

# ---- measuring ----

$(BASELINES): $(B)/%: $(B)/%.o $(BASE_OBJS)
	$(call say,LD,$@)$(CC) $(torc_ldflags) $(LDFLAGS) -o $@ $^ $(uring_libs) -lpthread

$(SERVERS): $(B)/%: $(B)/%.o $(B)/perf/servers/server.o $(lib)
	$(call say,LD,$@)$(CC) $(torc_ldflags) $(LDFLAGS) -o $@ $^ $(libs)

# The command line and the checks of its twins by hand.
$(B)/perf/servers/file: $(BASE_OBJS)

$(load): $(LOAD_OBJS)
	$(call say,LD,$@)$(CC) $(torc_ldflags) $(LDFLAGS) -o $@ $^

$(B)/perf/gbench.o $(PERFS:%.c=$(B)/%.o): | $(B)/.deps-bench

# The shim over Google Benchmark, the only C++ there is.
$(B)/%.o: %.cc | $(before)
	@mkdir -p $(@D)
	$(call say,CXX,$@)$(CXX) $(CPPFLAGS) $(torc_ldflags) -Wall -Wextra $(CXXFLAGS) -MMD -MP -c -o $@ $<

$(bench): $(B)/perf/gbench.o $(PERFS:%.c=$(B)/%.o) $(lib)
	$(call say,LD,$@)$(CXX) $(torc_ldflags) $(LDFLAGS) -o $@ $^ $(bench_libs) $(libs)

bench: $(bench) ## micro-benchmarks, a table and build/bench.json: ARGS=--benchmark_filter=spawn
	$(Q)$(bench) --benchmark_min_time=0.1 --benchmark_repetitions=9 \
		--benchmark_enable_random_interleaving=true \
		--benchmark_out=$(B)/bench.json --benchmark_out_format=json $(ARGS)
bench-smoke: $(bench) ## one short pass, so that benchmarks never rot
	$(Q)$(bench) --benchmark_min_time=0.001 >$(B)/bench-smoke.log 2>&1 || \
		{ cat $(B)/bench-smoke.log; false; }
	@echo "bench-smoke: $$(grep -c _perf.c $(B)/bench-smoke.log) benchmarks ran"

# Counts hold for one compiler and its flags, so the program knows its own.
$(B)/perf/paths/main.o: CPPFLAGS += -DPATHS_CFLAGS='"$(strip $(CFLAGS))"'

$(paths): $(PATHS) $(lib)
	$(call say,LD,$@)$(CC) $(torc_ldflags) $(LDFLAGS) -o $@ $^ $(libs)

$(costs): $(costs).o
	$(call say,LD,$@)$(CC) $(torc_ldflags) $(LDFLAGS) -o $@ $^

tests: $(paths) $(costs)

gate: $(B)/.deps-test $(paths) ## instructions per hot path against perf/gate.counts: ARGS=--update
	$(Q)B=$(B) perf/gate $(ARGS)

flame: ## where a running server spends its time: PID=, SECONDS=10, OUT=build/flame
	$(Q)perf/flame $(or $(PID),$(error say which process: make flame PID=1234)) \
		$(or $(SECONDS),10) $(or $(OUT),$(B)/flame)

report: $(B)/.deps-report all baselines $(bench) ## measure everything, draw it: QUICK=1 takes 5 minutes
	$(Q)B=$(B) perf/report $(if $(QUICK),--quick) $(ARGS)

baselines: $(BASELINES) $(SERVERS) $(load) ## build the programs that torc is measured against

$(B)/perf/peers/libuv-peer: $(UV_OBJS)
	$(call say,LD,$@)$(CC) $(torc_ldflags) $(LDFLAGS) -o $@ $^ $(uv_libs)

$(B)/perf/peers/asio-peer: $(B)/perf/peers/asio/main.o
	$(call say,LD,$@)$(CXX) $(torc_ldflags) $(LDFLAGS) -o $@ $^ -lpthread

$(B)/perf/peers/go-peer: $(sort $(wildcard perf/peers/go/*.go))
	@mkdir -p $(@D)
	$(call say,GO,$@)GOCACHE='$(abspath $(@D)/go)' GO111MODULE=off GOFLAGS= CGO_ENABLED=0 go build -o $@ $^

# The packaged crates and nothing from the net. Cargo writes beside what it
# builds, so that is a folder of links.
$(B)/perf/peers/tokio-peer: perf/peers/tokio/Cargo.toml $(sort $(wildcard perf/peers/tokio/src/*.rs))
	@mkdir -p $(@D)/tokio
	$(Q)ln -sfn '$(CURDIR)/perf/peers/tokio/Cargo.toml' '$(CURDIR)/perf/peers/tokio/src' $(@D)/tokio
	$(call say,CARGO,$@)cd $(@D)/tokio && CARGO_HOME="$$PWD/home" cargo build --release --offline $(if $(filter 1,$(V)),,--quiet) \
		--target-dir target --config 'source.crates-io.replace-with="debian"' \
		--config 'source.debian.directory="/usr/share/cargo/registry"'
	$(Q)$(INSTALL) -m755 $(@D)/tokio/target/release/tokio-peer $@

# One that can't be had is no error; one that does not compile is, at the end.
peers: all baselines $(bench) ## build or fetch the other servers that torc is measured against
	$(Q)scripts/deps peers
	$(Q)failed=; for peer in $$(perf/peers/list --can-build); do \
		$(MAKE) --no-print-directory B=$(B) $(B)/perf/peers/$$peer-peer || failed="$$failed $$peer"; done; \
		B=$(B) perf/peers/list --summary; \
		[ -z "$$failed" ] || { echo "peers: could not build$$failed" >&2; exit 1; }

demo: $(B)/.deps-demo all baselines ## torc-proxy beside an epoll proxy, under load: one table
	$(Q)B=$(B) perf/demo

# ---- tests ----

$(TEST_C:%.c=$(B)/%.o) $(SUPPORT): | $(B)/.deps-test

# In a fault_test allocations fail: tests/support/failing_alloc.h.
$(B)/tests/%/fault_test: wrap := -Wl,--wrap=torc_malloc,--wrap=torc_calloc,--wrap=malloc
$(B)/tests/core/io/resolve_kernel_test $(B)/tests/core/place_kernel_test: wrap := -Wl,--wrap=torc_malloc
$(B)/tests/core/channel/fault_test $(B)/tests/core/io/process_fault_test: wrap := -Wl,--wrap=torc_malloc,--wrap=torc_calloc
$(B)/tests/core/io/tree_test: wrap := -Wl,--wrap=torc_malloc,--wrap=torc_calloc,--wrap=torc__dir_open_in
# A denial_test stands in front of the kernel.
$(B)/tests/faults/denial_test: $(B)/tests/faults/denial.o
$(B)/tests/faults/denial_test: wrap := $(addprefix -Wl$(comma)--wrap=,io_uring_queue_init_params \
	io_uring_register_ring_fd io_uring_register io_uring_enter2 torc__sys_event_open torc__sys_signals_open)

# Its backtraces have names.
$(B)/tests/core/stall_kernel_test: wrap := -rdynamic

# torc-top's reader, and a kernel that refuses the page.
$(B)/tests/core/metrics_page_kernel_test: $(B)/top/page.o
$(B)/tests/core/metrics_page_kernel_test: wrap := -Wl,--wrap=memfd_create

$(filter $(B)/tests/top/%,$(TESTS)): $(filter-out %/main.o,$(TOP_OBJS))
# A process that changes its descriptors while it is looked at.
$(B)/tests/top/process_test: wrap := -Wl,--wrap=readlinkat

# The proxy without its main(); allocations of both may fail.
$(B)/tests/sim/proxy_sim_test: wrap := -Wl,--wrap=torc_malloc,--wrap=torc_calloc
$(B)/tests/sim/proxy_sim_test: $(filter-out %/main.o,$(PROXY_OBJS))

$(filter-out $(contract),$(TESTS)): $(B)/%: $(B)/%.o $(SUPPORT) $(lib)
	$(call say,LD,$@)$(CC) $(torc_ldflags) $(wrap) $(LDFLAGS) -o $@ $(filter %.o,$^) $(lib) $(cmocka_libs) $(libs)

$(contract): %: %.o $(CONTRACT) $(SUPPORT) $(lib)
	$(call say,LD,$@)$(CC) $(torc_ldflags) $(LDFLAGS) -o $@ $^ $(cmocka_libs) $(libs)

$(TOOLS): $(B)/%: $(B)/%.o $(lib)
	$(call say,LD,$@)$(CC) $(torc_ldflags) $(LDFLAGS) -o $@ $^ $(libs)

# The proxy with one engine more: TORC_ENGINE=faulty.
$(faulty): $(PROXY_OBJS) $(FAULTY) $(lib)
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(torc_ldflags) $(LDFLAGS) -o $@ $^ $(libs)

tests: $(faulty)

# T="core/task proxy/reset" picks tests by a part of their name, X="perf/ sim/"
# leaves some out.
has_one_of = $(strip $(foreach x,$(1),$(findstring $(x),$(2))))
chosen = $(foreach t,$(1),$(if $(and $(or $(if $(T),,all),$(call has_one_of,$(T),$(t))),$(if $(call has_one_of,$(X),$(t)),,in)),$(t)))

tests: $(B)/.deps-test all baselines $(TESTS) $(TOOLS) # build what check runs

check: tests $(if $(SAN)$(T),,check-headers check-install bench-smoke) ## run every test; T=core/task picks some, X=perf/ leaves some out, TEST_JOBS=2
	$(Q)B=$(B) SAN=$(SAN) tests/run.sh $(call chosen,$(TESTS) $(TEST_SH))

# Under which everything takes ten times as long: fewer seeds do.
check-asan check-tsan: check-%: ## the same under a sanitizer, in a build folder of its own
	$(Q)TORC_SIM_SEEDS=$${TORC_SIM_SEEDS:-40} $(MAKE) B=$(B)-$* SAN=$(if $(filter asan,$*),address$(comma)undefined,thread) \
		CFLAGS='-O1 -g -DTORC_CHECK=2' check

check-unprivileged: tests ## the same as a user without privileges, in a copy of the tree
	$(Q)scripts/check-as-nobody $(if $(T),T='$(T)') $(if $(X),X='$(X)')

# Not what measures: the servers by hand have no other engine.
check-forbidden: tests ## the same where a seccomp filter refuses io_uring
	$(Q)B=$(B) $(B)/tests/tools/deny EPERM \
		tests/run.sh $(call chosen,$(filter-out $(B)/tests/perf/% tests/perf/%,$(TESTS) $(TEST_SH)))

mutants: $(B)/.deps-test ## plant each bug of tests/mutants and expect a test to fail: ARGS=op-...
	$(Q)B=$(B) MAKE='$(MAKE)' tests/mutants/run.sh $(ARGS)

# Programs that run long, with the settings that make them so.
soak: tests ## what takes minutes: 100,000 streams under faults, 10,000 simulated seeds, 100 million items
	$(Q)B=$(B) tests/faults/soak.sh
	$(Q)TORC_SIM_SEEDS=10000 TORC_SIM_SIZE=450 TORC_SIM_CASE=every_fault $(B)/tests/sim/proxy_sim_test
	$(Q)TORC_ITEMS=100000000 $(B)/tests/core/channel/cross_kernel_test

# Strict C11 hides POSIX: what a header needs of it, it has to ask for.
check-headers: $(before) ## each public header stands alone, in strict C11 and C++17
	$(Q)for h in torc.h $(filter-out torc.h,$(HDRS:%=torc/%)); do \
		echo "#include <$$h>" | $(CC) -I$(B)/include -std=c11 -Wall -Wextra -Werror -fsyntax-only -xc - && \
		echo "#include <$$h>" | $(CXX) -I$(B)/include -std=c++17 -Wall -Wextra -Werror -fsyntax-only -xc++ - || exit 1; \
	done
	@echo "check-headers: $(words $(HDRS)) public headers stand alone in C11 and C++17"

check-install: lib $(proxy) $(doctor) $(top) | $(B)/.deps-test ## stage an install, build a consumer against it
	$(Q)B=$(B) MAKE='$(MAKE)' tests/install/check $(B)

# ---- installing ----

install: lib $(proxy) $(doctor) $(top) ## honours DESTDIR, PREFIX, BINDIR, LIBDIR, INCLUDEDIR, MANDIR
	$(Q)for h in $(filter-out torc.h,$(HDRS)); do \
		$(INSTALL) -D -m644 $$h $(DESTDIR)$(INCLUDEDIR)/$(NAME)/$$h || exit 1; done
	$(Q)$(INSTALL) -D -m644 torc.h $(DESTDIR)$(INCLUDEDIR)/torc.h
	$(Q)$(INSTALL) -D -m644 $(lib) $(DESTDIR)$(LIBDIR)/lib$(NAME).a
	$(Q)$(INSTALL) -D -m755 $(shared) $(DESTDIR)$(LIBDIR)/lib$(NAME).so.$(VERSION)
	$(Q)ln -sf lib$(NAME).so.$(VERSION) $(DESTDIR)$(LIBDIR)/lib$(NAME).so.$(SOVER)
	$(Q)ln -sf lib$(NAME).so.$(SOVER) $(DESTDIR)$(LIBDIR)/lib$(NAME).so
	$(Q)$(INSTALL) -D -m755 $(proxy) $(DESTDIR)$(BINDIR)/torc-proxy
	$(Q)$(INSTALL) -D -m644 proxy/torc-proxy.1 $(DESTDIR)$(MANDIR)/man1/torc-proxy.1
	$(Q)$(INSTALL) -D -m755 $(doctor) $(DESTDIR)$(BINDIR)/torc-doctor
	$(Q)$(INSTALL) -D -m644 doctor/torc-doctor.1 $(DESTDIR)$(MANDIR)/man1/torc-doctor.1
	$(Q)$(INSTALL) -D -m755 $(top) $(DESTDIR)$(BINDIR)/torc-top
	$(Q)$(INSTALL) -D -m644 top/torc-top.1 $(DESTDIR)$(MANDIR)/man1/torc-top.1
	$(Q)$(INSTALL) -D -m644 core/torc.7 $(DESTDIR)$(MANDIR)/man7/torc.7
	$(Q)$(INSTALL) -d $(DESTDIR)$(LIBDIR)/pkgconfig
	$(Q)sed -e 's|@prefix@|$(PREFIX)|' -e 's|@includedir@|$(INCLUDEDIR)|' \
		-e 's|@libdir@|$(LIBDIR)|' -e 's|@version@|$(VERSION)|' \
		-e 's|@uring@|$(if $(wildcard .deps/liburing/lib/liburing.a),,-luring )|' \
		$(NAME).pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/$(NAME).pc

uninstall: ## take away what install put there
	$(Q)rm -rf $(DESTDIR)$(INCLUDEDIR)/$(NAME) $(DESTDIR)$(INCLUDEDIR)/torc.h \
		$(DESTDIR)$(LIBDIR)/lib$(NAME).a $(DESTDIR)$(LIBDIR)/lib$(NAME).so* \
		$(DESTDIR)$(BINDIR)/torc-proxy $(DESTDIR)$(MANDIR)/man1/torc-proxy.1 \
		$(DESTDIR)$(BINDIR)/torc-doctor $(DESTDIR)$(MANDIR)/man1/torc-doctor.1 \
		$(DESTDIR)$(BINDIR)/torc-top $(DESTDIR)$(MANDIR)/man1/torc-top.1 \
		$(DESTDIR)$(MANDIR)/man7/torc.7 \
		$(DESTDIR)$(LIBDIR)/pkgconfig/$(NAME).pc

# ---- keeping it tidy ----

compile_commands.json: Makefile $(ALL_C) | $(before) ## for clangd and clang-tidy
	$(Q)sep='['; for f in $(ALL_C); do \
		printf '%s\n {"directory":"%s","file":"%s","command":"%s"}' "$$sep" '$(CURDIR)' "$$f" \
			'$(CC) $(CPPFLAGS) $(uring_cflags) $(torc_cflags) -c '"$$f"; sep=,; \
		done >$@; echo ']' >>$@

format: ## rewrite with clang-format; format-check only looks
	$(Q)clang-format -i $(ALL_C) $(ALL_H)
format-check: ## fail when clang-format would change something
	$(Q)clang-format --dry-run -Werror $(ALL_C) $(ALL_H)
tidy: compile_commands.json ## clang-tidy
	$(Q)clang-tidy --quiet -p . $(filter %.c,$(SRCS))
lint: ## banned calls, includes that run uphill, folders without a README
	$(Q)scripts/lint

clean: ## remove what was built, not what scripts/deps brought
	rm -rf $(B) $(B)-asan $(B)-tsan compile_commands.json
help: ## this list
	@sed -n 's/^\([a-z_. -]*\):[^#]*## */\1|/p' Makefile | awk -F'|' '{printf "  %-22s %s\n", $$1, $$2}'

-include $(ALL_C:%.c=$(B)/%.d) $(B)/perf/gbench.d $(B)/perf/peers/asio/main.d
.PHONY: all lib check check-asan check-tsan check-unprivileged check-forbidden mutants soak check-headers check-install bench \
	bench-smoke gate flame report baselines peers demo tests install uninstall format format-check \
	tidy lint clean help
.SECONDARY:
.DELETE_ON_ERROR:
