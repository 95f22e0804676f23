# Needs node (20.19 or later) with npm, and make; everything else is installed into node_modules.

BIN := node_modules/.bin
INSTALLED := node_modules/.installed
BUILT := dist/.built

# Where the TypeScript of bench/ is compiled to, for node 20 runs only JavaScript.
BENCH := .stamps/bench

.PHONY: help run install build test lint format docs bench torture clean check-node

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile
	@echo 'Options for a target: make run ARGS="--port 6390 --dir ./other"'
	@echo '                      make torture ARGS="hostile --only mset"; or "crossed", "machine"'

run: $(BUILT) ## start the server with conf/ktree.conf
	@exec node dist/main.js conf/ktree.conf $(ARGS)

install: $(INSTALLED) ## install what package-lock.json says

build: $(BUILT) ## compile src/ to dist/, the program into one file

test: $(BUILT) ## build, check, and run all tests
	@$(BIN)/biome check
	@$(BIN)/tsc -p tsconfig.json
	@$(BIN)/vitest run $(ARGS)

lint: $(INSTALLED) ## check style and types
	@$(BIN)/biome check
	@$(BIN)/tsc -p tsconfig.json

format: $(INSTALLED) ## bring the sources into shape
	@$(BIN)/biome check --write

docs: $(BUILT) ## write the generated pages and conf/ktree.conf anew
	@node --input-type=module -e \
	  "import { generate } from './dist/docs/generate.js'; generate(new URL('file://$(CURDIR)/'))"

bench: $(BUILT) ## run the benchmarks
	@$(BIN)/tsc -p bench/tsconfig.json --outDir $(BENCH)
	@exec node $(BENCH)/bench/main.js $(ARGS)

torture: $(BUILT) ## put a server under load and failures, and check what it keeps
	@$(BIN)/tsc -p bench/tsconfig.json --outDir $(BENCH)
	@exec node $(BENCH)/bench/torture.js $(ARGS)

clean: ## remove what was built (node_modules stays)
	@rm -rf dist .stamps

check-node:
	@command -v node >/dev/null && command -v npm >/dev/null || \
	  { echo 'ktree needs Node.js 20.19 or later with npm: https://nodejs.org' >&2; exit 1; }
	@node -e "const [a, b] = process.versions.node.split('.'); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)" || \
	  { echo "building ktree needs Node.js 20.19 or later; this is $$(node --version)" >&2; exit 1; }

$(INSTALLED): package-lock.json package.json | check-node
	@echo 'npm ci'
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# All that `find` lists, folders too, so that a removed file also means building anew.
$(BUILT): $(shell find src) tsconfig.json tsconfig.build.json rolldown.config.js $(INSTALLED) | check-node
	@rm -rf dist
	@$(BIN)/tsc -p tsconfig.build.json
	@$(BIN)/rolldown --config >/dev/null
	@node dist/launch/make-code-cache.js
	@touch $@
