# Two commands do it all: make demo, make test. scripts/setup says what it installs.

CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help demo test bench bench-peers bench-counts fuzz deny man fmt

help:
	@echo 'make demo    build, read the captures in tests/captures, show the scans'
	@echo 'make test    formatting, clippy and every test; what CI runs'
	@echo 'make bench   how fast it is here (benches/README.md says what is asked)'
	@echo 'make bench-peers   beside tcpdump and others, and how time grows; an hour, 6 GB of archives'
	@echo 'make bench-counts  instructions a frame, by valgrind: the same on any day'
	@echo 'make fuzz    the long run of the fuzz targets (the short one is a part of make test)'
	@echo 'make deny    licences, sources and doubles in the dependency tree'
	@echo 'make man     man pages and shell completions, in target/man'
	@echo 'make fmt     format the code'

demo:
	@scripts/setup
	$(CARGO) build --release
	@scripts/demo target/release/tripline

test:
	@scripts/setup test
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) test --workspace

bench:
	@scripts/setup
	$(CARGO) bench --bench '*'

bench-peers:
	@scripts/setup
	$(CARGO) build --release --bin tripline --example span_capture --example header_walk
	@scripts/bench-peers
	@scripts/bench-peers growth

bench-counts:
	@scripts/setup
	$(CARGO) build --release --bin tripline --example span_capture
	@scripts/bench-counts

fuzz:
	@scripts/setup
	@scripts/fuzz

deny:
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check bans licenses sources; \
	else echo 'skipped: cargo-deny is not installed here (cargo install cargo-deny --locked)'; fi

man:
	@scripts/setup
	$(CARGO) run --quiet --example man -- target/man
	@echo 'man pages: target/man/man1 (try: man -l target/man/man1/tripline.1), completions: target/man/completions'

fmt:
	@scripts/setup test
	$(CARGO) fmt --all
