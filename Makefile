# The commands of this repository; `make help` lists them. Needed: Rust (rustup), Python 3 and a C
# compiler. CARGO_TARGET_DIR and ENVOY_BIN are respected where they are set.

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
WASM_TARGET := wasm32-wasip1
WATERSHED := $(TARGET)/debug/watershed
WASM := $(TARGET)/$(WASM_TARGET)/wasm/watershed_filter.wasm
# A change of Cargo.lock is a commit, not a side effect.
CARGO_FLAGS ?= --locked

.DEFAULT_GOAL := help
.PHONY: help setup build filter demo test lint fmt golden reference bench bench-envoy bench-evidence bench-xds bench-stats validate-stats clean fuzz soak compose-test dist reproducible

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

setup: ## add the Wasm target and install Envoy into .envoy/, where they are missing
	@setup/setup.sh

build: ## build the watershed binary
	cargo build $(CARGO_FLAGS) -p watershed-control-plane --bin watershed

filter: ## build the filter for Envoy
	cargo build $(CARGO_FLAGS) -p watershed-filter --target $(WASM_TARGET) --profile wasm

demo: setup build filter ## show the whole loop on a real Envoy; ONCE=1 ends instead of staying up
	ENVOY_BIN="$$(setup/which-envoy.sh)" "$(WATERSHED)" demo --wasm-path "$(WASM)" $(if $(ONCE),--once)

test: ## set up, build, run every test, and end with "N passed, N failed"
	@# Wheels of pure Python, so that one hash fits every machine.
	@setup/packages.sh openfeature "OpenFeature's provider" 10 --platform any --implementation py --abi none
	@setup/packages.sh schemathesis Schemathesis 11
	@setup/packages.sh kubernetes "Kubernetes' schemas" 10
	@setup/packages.sh clickhouse "ClickHouse's engine" 9
	@setup/postgres.sh
	@setup/nats.sh
	@python3 tests/run.py $(CARGO_FLAGS)

lint: setup ## check format, lints and licences
	cargo fmt --all --check
	cargo clippy $(CARGO_FLAGS) --workspace --all-targets -- -D warnings
	cargo clippy $(CARGO_FLAGS) -p watershed-filter --target $(WASM_TARGET) --profile wasm -- -D warnings
	@setup/deny.sh

soak: setup build filter ## 100,000 hostile requests, and 500 updates of 1,000 experiments, on a real Envoy
	cargo test $(CARGO_FLAGS) -p watershed-tests --test stories -- --ignored --nocapture soak

fuzz: ## run the fuzz targets, each for FUZZ_SECONDS (60); needs a nightly toolchain
	@setup/fuzz.sh

compose-test: ## bring the docker-compose stack up, run the demo's story against it, take it down
	@tests/compose/run

dist: setup ## build what a release consists of, into target/dist: binary, filter, bill of materials, checksums
	@setup/dist.sh

reproducible: setup ## build the filter from two folders and compare, byte for byte
	@setup/reproducible.sh

fmt: ## format the code
	cargo fmt --all

golden: ## write the golden files anew from what the code does now; read the diff
	WATERSHED_GOLDEN=write cargo test $(CARGO_FLAGS) -p watershed-control-plane --lib --quiet golden
	WATERSHED_GOLDEN=write cargo test $(CARGO_FLAGS) -p watershed-stats --test results --quiet
	WATERSHED_GOLDEN=write cargo test $(CARGO_FLAGS) -p watershed-report --test pages --quiet

reference: build ## write docs/reference/ anew from what the code says of itself
	docs/reference.py "$(WATERSHED)"

# A workspace of its own: see bench/Cargo.toml.
BENCH := cd bench && CARGO_TARGET_DIR="$(TARGET)" cargo

bench: ## measure the engine beside its peers; figures in target/bench/engine.json
	$(BENCH) bench $(CARGO_FLAGS) --bench engine -- --quiet
	$(BENCH) run $(CARGO_FLAGS) --release --bin engine -- report --times "$(TARGET)/criterion" --out "$(TARGET)/bench/engine.json"
	@echo 'bench/plots.py "$(TARGET)/bench" writes the tables of bench/README.md and bench/plots/ anew'

bench-envoy: setup filter ## measure a real Envoy, beside other ways to decide; figures in target/bench/envoy.json
	$(BENCH) build $(CARGO_FLAGS) -p watershed-empty-filter -p watershed-probe-filter --target $(WASM_TARGET) --profile wasm
	$(BENCH) build $(CARGO_FLAGS) --release --bin envoy
	"$(TARGET)/release/envoy" report --envoy "$$(setup/which-envoy.sh)" --filter "$(WASM)" \
		--empty "$(TARGET)/$(WASM_TARGET)/wasm/watershed_empty_filter.wasm" \
		--probe "$(TARGET)/$(WASM_TARGET)/wasm/watershed_probe_filter.wasm" --out "$(TARGET)/bench"
	@echo 'bench/plots.py "$(TARGET)/bench" writes the tables of bench/README.md and bench/plots/ anew'

bench-evidence: ## measure the evidence: access logs over gRPC into SQLite and PostgreSQL, questions to 10,000,000 units (7 minutes); figures in target/bench/evidence.json
	@setup/postgres.sh
	$(BENCH) build $(CARGO_FLAGS) --release -p watershed-evidence-bench --bin bench-evidence
	"$(TARGET)/release/bench-evidence" report --out "$(TARGET)/bench/evidence.json"

bench-xds: setup filter ## measure the control plane's way to its proxies (10 minutes); figures in target/bench/xds.json
	@setup/postgres.sh
	cargo build $(CARGO_FLAGS) --release -p watershed-control-plane --bin watershed
	$(BENCH) build $(CARGO_FLAGS) --release -p watershed-xds-bench --bin bench-xds
	"$(TARGET)/release/bench-xds" --envoy "$$(setup/which-envoy.sh)" --watershed "$(TARGET)/release/watershed" \
		--filter "$(WASM)" --out "$(TARGET)/bench/xds.json"

validate-stats: ## simulate what the statistics guarantee (minutes); writes stats/VALIDATION.md and its plots
	$(BENCH) run $(CARGO_FLAGS) --release -p watershed-stats-bench --bin validate-stats -- "$(CURDIR)/stats"

bench-stats: ## measure the statistics beside gbstats, spotify-confidence, scipy and statsmodels; figures in target/bench/stats.json
	$(BENCH) build $(CARGO_FLAGS) --release -p watershed-stats-bench --bin bench-stats
	@setup/stats-peers.sh "$(TARGET)/stats-peers"
	"$(TARGET)/release/bench-stats" --peers "$(TARGET)/stats-peers/bin/python" --out "$(TARGET)/bench/stats.json"

clean: ## remove what was built; .envoy/ stays
	cargo clean
