# The usual commands. Everything works without make as well: see CONTRIBUTING.md.

GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 20s
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null)
IMAGE       ?= tributary:local

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## bin/tributary
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/tributary ./cmd/tributary

.PHONY: test
test: ## every test; those that need a real Kafka are skipped, by name, where there is no Java
	$(GO) test -timeout 40m ./...

.PHONY: race
race: ## the packages with concurrency, under the race detector
	$(GO) test -timeout 60m -race ./cmd/... ./connector/... ./offsets/... ./sink/... ./test/hostile ./test/oracle ./test/sim ./test/budget

.PHONY: controls
controls: ## every mistake on purpose, each of which a test must catch: a quarter of an hour or more
	$(GO) test -timeout 90m ./test/controls -all

.PHONY: lint
lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l cmd connector offsets sink test)" || { gofmt -l cmd connector offsets sink test; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

.PHONY: fuzz
fuzz: ## every fuzz test for FUZZTIME (20s)
	@grep -rn --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' cmd connector offsets sink test \
	| sed 's|^\(.*\)/[^/]*:[0-9]*:func |./\1 |' | sort -u \
	| while read -r pkg name; do \
		echo "$$pkg $$name"; $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) "$$pkg" || exit 1; \
	done

.PHONY: bench
bench: ## beside a bare loop on a real Kafka: some minutes, see test/bench/README.md
	$(GO) run ./test/bench

.PHONY: demo
demo: ## an API, a Kafka, the connector and a judge in one process, for 20 s
	$(GO) run ./cmd/tributary demo --for 20s

.PHONY: image
image: ## the container image
	docker build --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) -t $(IMAGE) .

.PHONY: ci
ci: ## everything that a change must pass
	.ci/run
