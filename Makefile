# make help lists the targets. PG selects the PostgreSQL version to build and test with (15, or
# the one that the system has); PG_CONFIG names one that is not installed from packages.

SHELL := /bin/bash
ENV   := tests/setup && . target/setup.env &&
PGRX  := --pg-config "$$PG_CONFIG" --no-default-features --features "pg$$PG_MAJOR"

.PHONY: build help install package upgrade-script test unit lint bench demo demo-stop clean

# Emptied before, since cargo-pgrx leaves the SQL of earlier versions there.
BUILT := target/release/azure_devops_fdw-pg$$PG_MAJOR

build: ## Build the extension (the default)
	$(ENV) rm -rf $(BUILT) && cargo pgrx package $(PGRX)

help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

install: ## Build and install into the PostgreSQL of PG_CONFIG
	$(ENV) cargo pgrx install --release $(PGRX) \
	    $$([[ -w $$("$$PG_CONFIG" --pkglibdir) ]] || echo --sudo)

package: build ## Make a Debian package for the PostgreSQL of PG_CONFIG, in target/
	$(ENV) packaging/deb $(BUILT)

upgrade-script: build ## Write sql/azure_devops_fdw--OLD--NEW.sql, see CONTRIBUTING.md
	$(ENV) packaging/upgrade-script $(BUILT)

test: ## Everything that CI runs; with ARGS only pytest, with these arguments
	tests/run $(ARGS)

unit: ## The tests that need no PostgreSQL
	tests/run unit

lint: ## Formatting, clippy, documentation
	tests/run lint

bench: ## Measure beside other ways to read; ARGS="--builds 20000 --runs 3" makes it short
	tests/bench/run $(ARGS)

demo: ## A private PostgreSQL, a simulated organization, and a tour of queries
	tests/demo/run

demo-stop: ## Stop what make demo left running
	tests/demo/stop

clean: demo-stop ## Remove what was built and the private PostgreSQL
	! [ -f target/setup.env ] || { . target/setup.env && rm -rf "$$PRIVATE_DIR"; }
	rm -rf target tests/simulator/target
