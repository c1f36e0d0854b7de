# Verbs of revector. `make help` lists them; each says at once which programs it lacks, and downloads the rest.
#
# Variables: MEM and MAXMEM (MiB), RAMDISK (a file, or a size in MiB), CMDLINE, XEN (4.14, 4.17, 4.17-debug, 4.20),
# NOTES (none, init-p2m, mod-start-pfn, both), BUILDER (xl, shim, grub, grub-2.06-debian11, grub-2.12).

MEM     ?= 64
# The most that the guest may have later; MEM if empty.
MAXMEM  ?=
RAMDISK ?= $(ARCHIVE)
CMDLINE ?=
XEN     ?= 4.17
NOTES   ?= none
BUILDER ?= xl
# For `make fuzz`: seconds for each target, and which targets.
FUZZ_SECONDS ?= 300
FUZZ_TARGETS ?= $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))

IMAGES  := target/image
TOOL    := target/debug/revector
LAB     := target/debug/pvlab
ARCHIVE := $(IMAGES)/modules.cpio
KERNEL  := cargo build --quiet --release --package revector --bin revector-kernel --features image

# Tests unwind, whatever a profile says; a kernel cannot. Commands that do not, as bare cargo builds them, need every
# crate below them a second time. So all that is for the host unwinds, and the kernels are built apart from it.
UNWIND   := --config 'profile.dev.panic="unwind"'
EXAMPLES := hello p2m
# All packages, also where one would do: for some of them cargo chooses other features, and compiles again.
HOSTED   := $(UNWIND) --workspace $(EXAMPLES:%=--exclude %)
KERNELS  := $(EXAMPLES:%=--package %)

# A number means MiB, anything else is a file.
ramdisk  = $(if $(shell echo '$(1)' | grep -Ex '[0-9]+'),$(1)M --archive $(ARCHIVE),$(1))
boot     = $(LAB) run --xen $(XEN) --kernel $(call noted,$(1)) --cmdline '$(CMDLINE)'

# The page on who boots what, which make test-long brings up to date.
MATRIX := docs/builders-matrix.md
# Where the image with the note INIT_P2M wants its P2M: where Linux has it too, in an L4 slot that nothing else uses.
INIT_P2M := 0x8000000000

ifeq ($(filter none init-p2m mod-start-pfn both,$(NOTES)),)
$(error NOTES: expected none, init-p2m, mod-start-pfn or both, found '$(NOTES)')
endif
# The image with the notes that were asked for: $(call noted,revector).
noted = $(IMAGES)/$(1)$(if $(filter-out none,$(NOTES)),-$(NOTES))

.DEFAULT_GOAL := image
.PHONY: image seed notes seed-notes tool inputs examples man report explain new run run-small run-128g run-dom0 test test-host test-xen test-long bench \
	bench-gauge fuzz check docs docs-check dist walls clean help needs needs-build needs-run needs-host needs-test needs-check \
	needs-bench

# An image carries the names for its own traces; what else describes it, for symbolize and debuggers, stays beside it.
without_debug = objcopy --strip-all $(IMAGES)/$(1).debug $(IMAGES)/$(1)

image: tool $(ARCHIVE) ## Build the image: target/image/revector
	@$(KERNEL)
	@$(LAB) embed-symbols target/release/revector-kernel $(IMAGES)/revector.debug
	@$(call without_debug,revector)

# One link, three more images: the notes alone differ. What describes the code beside them is as right for these.
with_notes = $(LAB) notes $(IMAGES)/$(1).debug $(IMAGES)/$(1)-$(2).debug $(3) && $(call without_debug,$(1)-$(2))
all_notes  = $(call with_notes,$(1),init-p2m,--init-p2m $(INIT_P2M)) && \
	$(call with_notes,$(1),mod-start-pfn,--mod-start-pfn) && \
	$(call with_notes,$(1),both,--init-p2m $(INIT_P2M) --mod-start-pfn)

notes: image ## The image with other notes: target/image/revector-init-p2m, -mod-start-pfn, -both
	@$(call all_notes,revector)

seed-notes: seed
	@$(call all_notes,revector-seed)

man: tool ## Write the man pages and shell completions: target/man, target/completions
	@$(TOOL) manual target

report: needs-run seed $(IMAGES)/big.cpio ## Boot the 357a3cfb guest, draw its memory before and after: docs/layout.svg, docs/report.html
	@$(LAB) run --xen $(XEN) --kernel $(IMAGES)/revector-seed --memory 128G --ramdisk 0x10784p --archive $(IMAGES)/big.cpio --timeout 300 \
		--cmdline loglevel=debug --report docs/layout.svg --report docs/report.html

seed: tool ## Build the image with exactly the 0xe43 pages of the 357a3cfb guest's kernel: target/image/revector-seed
	@IMAGE_PAGES=0xe43 $(KERNEL) --target-dir target/seed
	@$(LAB) embed-symbols target/seed/release/revector-kernel $(IMAGES)/revector-seed.debug
	@$(call without_debug,revector-seed)

tool: needs-build
	@mkdir -p $(IMAGES)
	@echo "building the host commands and the image" >&2
	@cargo build --quiet $(UNWIND) --package revector-tools --package pvlab

# Besides the archive that ramdisks begin with: one with a chain in the wrong order, also compressed, one where each
# broken module is followed by a sound one, one of damaged modules, and a module that ends its domain. A packed module
# is refused by its first bytes, so that the one here has no more of an xz stream than its header.
SAMPLES := $(addprefix $(IMAGES)/,chain_top.o sample.o hello.o chain_base.o)
BROKEN  := unknown duplicate far init_error init_fault init_wild

inputs: $(ARCHIVE) $(IMAGES)/random.bin $(IMAGES)/empty.bin $(IMAGES)/truncated.cpio $(IMAGES)/samples.cpio.gz \
	$(IMAGES)/broken.cpio $(IMAGES)/mutants.cpio $(IMAGES)/deep.cpio $(IMAGES)/linux_calls.o $(IMAGES)/big.cpio examples ## Build what the suite's guests load

# Kernels as other people would write them: target/image/hello, target/image/p2m.
examples: needs-build
	@mkdir -p $(IMAGES)
	@cargo build --quiet --release $(KERNELS)
	@cp target/release/hello target/release/p2m $(IMAGES)

$(IMAGES)/hello.o: modules/hello.rs modules/rustc.args
	@mkdir -p $(IMAGES)
	@rustc @modules/rustc.args $< -o $@

$(IMAGES)/linux_calls.o: modules/linux_calls.rs modules/rustc.args
	@mkdir -p $(IMAGES)
	@rustc @modules/rustc.args $< -o $@

$(IMAGES)/%.o: modules/%.c modules/gcc.args
	@mkdir -p $(IMAGES)
	@gcc @modules/gcc.args -c $< -o $@

$(IMAGES)/broken/%.o: modules/broken/%.c modules/gcc.args
	@mkdir -p $(IMAGES)/broken
	@gcc @modules/gcc.args -c $< -o $@

$(IMAGES)/samples.cpio: $(SAMPLES) | tool
	@$(LAB) archive $@ $^

$(IMAGES)/big.cpio: $(IMAGES)/hello.o $(IMAGES)/big.o | tool
	@$(LAB) archive $@ $^

$(IMAGES)/deep.cpio: $(IMAGES)/broken/deep.o | tool
	@$(LAB) archive $@ $^

$(IMAGES)/samples.cpio.gz: $(IMAGES)/samples.cpio
	@gzip --best --stdout $< > $@

$(IMAGES)/broken.cpio: $(BROKEN:%=$(IMAGES)/broken/%.o) $(IMAGES)/broken/good.o | tool
	@for n in 1 2 3 4 5 6 7; do cp $(IMAGES)/broken/good.o $(IMAGES)/broken/good$$n.o; done
	@{ printf '\3757zXZ\000\000\004\346\326\264F'; cat $(IMAGES)/broken/good.o; } > $(IMAGES)/broken/packed.ko.xz
	@n=1; set --; for name in $(BROKEN:%=%.o) packed.ko.xz; do \
		set -- "$$@" $(IMAGES)/broken/$$name $(IMAGES)/broken/good$$n.o; n=$$((n + 1)); done; \
		$(LAB) archive $@ "$$@"

$(IMAGES)/mutants.cpio: $(IMAGES)/hello.o | tool
	@$(LAB) mutants $@ $<

# The module area has 0x5f000 pages. Six modules of 240 MiB, each with a page of code, one of constants and a guard
# page, leave 20462; one more takes these to the last, and then none fits.
$(IMAGES)/fill.cpio: modules/fill.c modules/gcc.args $(IMAGES)/hello.o | tool
	@mkdir -p $(IMAGES)/fill
	@gcc @modules/gcc.args -DBYTES='(240UL << 20)' -c $< -o $(IMAGES)/fill/fill1.o
	@for n in 2 3 4 5 6; do cp $(IMAGES)/fill/fill1.o $(IMAGES)/fill/fill$$n.o; done
	@gcc @modules/gcc.args -DBYTES='(20459 * PAGE)' -c $< -o $(IMAGES)/fill/fill_rest.o
	@$(LAB) archive $@ $(IMAGES)/fill/fill[1-6].o $(IMAGES)/fill/fill_rest.o $(IMAGES)/hello.o

$(ARCHIVE): $(IMAGES)/hello.o | tool
	@$(LAB) archive $@ $^

# Ramdisks that must be refused.
$(IMAGES)/random.bin: | tool
	@head -c 100001 /dev/urandom > $@

$(IMAGES)/empty.bin: | tool
	@: > $@

$(IMAGES)/truncated.cpio: $(ARCHIVE)
	@head -c 3001 $< > $@

# A ramdisk that this file knows how to make is made.
run: needs-run notes $(filter $(IMAGES)/%,$(RAMDISK)) ## Boot the image as a guest of QEMU-hosted Xen, by xl or BUILDER
	@$(call boot,revector) --builder $(BUILDER) --memory $(MEM) $(if $(MAXMEM),--maxmem $(MAXMEM)) \
		--ramdisk $(call ramdisk,$(RAMDISK))

run-small: needs-run notes ## The problem in a 1 GiB guest: a ramdisk that puts the P2M across the module area's start
	@$(call boot,revector) --memory 1024 --ramdisk 494M --archive $(ARCHIVE)

run-128g: needs-run seed-notes $(IMAGES)/big.cpio ## The 357a3cfb guest: 128 GiB, kernel of 0xe43 pages, ramdisk of 0x10784 pages
	@$(call boot,revector-seed) --memory 131072 --ramdisk 67460p --archive $(IMAGES)/big.cpio --timeout 300

run-dom0: needs-run notes ## Boot the image as the initial domain, without a toolstack
	@$(call boot,revector) --dom0 --timeout 300 --memory $(if $(filter 64,$(MEM)),256,$(MEM))

new: ## A package for a PV kernel of your own: make new NAME=../mine
	@scripts/new-kernel '$(NAME)'

explain: tool ## Explain the log of any PV guest: make explain LOG=file
	@$(TOOL) report $(LOG)

test: needs-test test-host test-xen ## Every test; CI runs this and check

test-host: needs-host ## Unit and property tests, on the host
	@cargo test $(HOSTED)
	@cargo test $(KERNELS)

test-xen: needs-test notes seed inputs ## Boots on real Xen, each compared with what it must lead to
	@$(LAB) suite --xen $(XEN)
	@cargo test --quiet $(HOSTED) --test module linux_objects -- --include-ignored

test-long: needs-test notes seed-notes inputs $(IMAGES)/fill.cpio ## What is too long for every change: the module area filled to its end, 500 to 900 GiB, every builder, every Xen, the toolstack's readers of the P2M
	@$(LAB) suite --long --out target/lab/suite-long --matrix $(MATRIX)
	@for xen in 4.14 4.17 4.20; do $(LAB) suite --builders --xen $$xen --out target/lab/builders-$$xen --matrix $(MATRIX) || exit 1; done
	@for xen in 4.14 4.17 4.20; do $(LAB) suite --readers --xen $$xen --out target/lab/readers-$$xen || exit 1; done
	@for xen in 4.14 4.20 4.17-debug; do $(LAB) suite --xen $$xen --out target/lab/suite-$$xen || exit 1; done
	@cargo test --quiet $(HOSTED) --test report_refusals -- --include-ignored

# Sizes in MiB, and boots of each kind up to 1 GiB.
BENCH_SIZES ?= 64,1024,16384,131072,524288,921600
BENCH_RUNS  ?= 5

bench: needs-bench bench-gauge image seed ## Boots beside Linux and the classic way, 64 MiB to 900 GiB, and instruction counts (about 40 min)
	@$(LAB) bench --xen $(XEN) --sizes $(BENCH_SIZES) --runs $(BENCH_RUNS)

bench-gauge: needs-bench image ## Instruction counts against docs/bench-baseline.json; ACCEPT=1 writes them there
	@$(LAB) bench --gauge $(if $(ACCEPT),--accept)

# Whose walls are checked, by --package NAME for each; all packages' if empty.
WALLS ?=

walls: tool ## Packages depend downwards only, files do not import in circles, files and functions are short
	@$(LAB) walls $(WALLS)

check: needs-check walls ## Formatting, lints, documentation, shell scripts, walls
	@cargo fmt --all --check
	@cargo fmt --manifest-path fuzz/Cargo.toml --check
	@cargo clippy --quiet $(HOSTED) --all-targets -- -D warnings
	@cargo clippy --quiet $(KERNELS) --all-targets -- -D warnings
	@cargo clippy --quiet --release --package revector --bin revector-kernel --features image -- -D warnings
	@RUSTDOCFLAGS='-D warnings' cargo doc --quiet $(HOSTED) --no-deps --lib
	@scripts/check-shell

docs: needs-test notes seed inputs ## Capture again every transcript and figure that the documents show (two minutes, 4 GiB)
	@$(LAB) docs

docs-check: tool ## Which transcripts are out of date; boots are taken from the logs of make test-xen
	@$(LAB) docs --check

# Without --target the flag would reach build scripts and procedural macros, which cannot be static.
dist: image $(IMAGES)/samples.cpio ## Pack what a Xen host without Rust needs: target/dist
	@echo 'building the command for any machine (minutes, the first time)' >&2
	@RUSTFLAGS='-C target-feature=+crt-static' cargo build --quiet --release --package revector-tools \
		--target x86_64-unknown-linux-gnu --target-dir target/static
	@scripts/dist

fuzz: needs-host ## Look for inputs that break a parser, FUZZ_SECONDS (300) for each target, one target after the other
	@rustup run nightly rustc --version > /dev/null 2>&1 || \
		{ echo 'make fuzz needs a nightly compiler. Install it with: rustup toolchain install nightly' >&2; exit 1; }
	@command -v cargo-fuzz > /dev/null || \
		{ echo 'installing cargo-fuzz (a minute or two)' >&2; cargo install --quiet --locked cargo-fuzz; }
	@for target in $(FUZZ_TARGETS); do \
		echo "fuzzing $$target for $(FUZZ_SECONDS) s; new inputs go to target/fuzz/corpus/$$target" >&2; \
		mkdir -p target/fuzz/corpus/$$target; \
		cargo +nightly fuzz run --target-dir target/fuzz $$target target/fuzz/corpus/$$target fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 -verbosity=0 || exit 1; \
	done

needs: ## Say what is missing on this machine, for all verbs
	@scripts/needs build run test check bench && echo 'nothing is missing'

# All that a verb lacks is named before it begins.
needs-build: ; @scripts/needs build
needs-run:   ; @scripts/needs build run
needs-host:  ; @scripts/needs build test
needs-test:  ; @scripts/needs build run test
needs-check: ; @scripts/needs build check
needs-bench: ; @scripts/needs build run bench

clean: ## Remove everything built, keep what was downloaded
	@cargo clean --quiet --package revector --package xen-pv --package pv-memory --package ko-loader --package xen-model \
		--package pv-layout --package revector-tools --package pvlab
	@rm -rf $(IMAGES) target/seed target/static target/dist target/lab/run

help: ## List the verbs
	@echo 'make VERB [MEM=MiB] [MAXMEM=MiB] [RAMDISK=FILE|MiB] [CMDLINE="p2m=copy|alias|keep ..."] [XEN=4.14|4.17|4.17-debug|4.20]'
	@echo '          [NOTES=none|init-p2m|mod-start-pfn|both] [BUILDER=xl|shim|grub]'
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  \1\t\2/' | expand -t 14
