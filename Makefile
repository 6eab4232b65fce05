# Bare `make` lists the targets. Everything a target needs is set up by it; nothing is installed outside this folder.

SHELL := /bin/sh
.DEFAULT_GOAL := help
LOCAL := .local
VENV := $(LOCAL)/venv
PYTHON := $(VENV)/bin/python
RUN_READY := $(VENV)/requirements.done
DEV_READY := $(VENV)/requirements-dev.done

# Private native servers need the run-time requirements only; containers are started with a development one.
NATIVE := $(shell [ "$$(uname -sm)" = "Linux x86_64" ] && command -v apt-get)
SERVERS_READY := $(if $(NATIVE),$(RUN_READY),$(DEV_READY))

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: $(SERVERS_READY) ## start everything on this machine and stay up; Ctrl-C stops it
	@exec $(PYTHON) -m deploy.local.run

.PHONY: demo
demo: $(SERVERS_READY) ## deliver one event of each type, verify each, leave nothing running
	@exec $(PYTHON) -m deploy.local.demo

.PHONY: doctor
doctor: $(RUN_READY) ## check settings, servers, network and services; of the running `make run` if there is one
	@set -a; if [ -f $(LOCAL)/env ]; then . ./$(LOCAL)/env; fi; set +a; exec $(PYTHON) -m services.cli doctor

.PHONY: check
check: $(DEV_READY) ## lint, format, types, layers, unit tests that take every branch of the pure parts; no servers
	@echo "ruff" && $(PYTHON) -m ruff check --quiet . && $(PYTHON) -m ruff format --check --quiet .
	@echo "mypy" && $(PYTHON) -m mypy --no-error-summary
	@echo "lint-imports" && $(VENV)/bin/lint-imports
	@$(PYTHON) -m coverage run -m pytest tests/unit
	@echo "coverage" && $(PYTHON) -m coverage report

# Those that look at how long something takes, kill under load, or make networks have the machine to themselves.
ALONE := tests/e2e tests/faults tests/containers tests/integration/test_local_servers.py

.PHONY: test
test: check ## check, then all tests on real servers (half an hour)
	@$(PYTHON) -m pytest tests --ignore tests/unit $(ALONE:%=--ignore %) --numprocesses 2 --dist loadfile
	@exec $(PYTHON) -m pytest $(ALONE)

# Those that need an engine, and of the others some that see much of RabbitMQ and MongoDB in little time.
ON_CONTAINERS := tests/containers tests/integration/test_local_servers.py tests/integration/test_broker.py \
	tests/integration/test_store.py tests/e2e/test_delivery.py

.PHONY: test-containers
test-containers: $(DEV_READY) ## only the tests that need a Docker engine, and some of the others on servers in containers
	@$(PYTHON) -m deploy.compose engine
	@DISPATCHER_TEST_SERVERS=docker exec $(PYTHON) -m pytest $(ON_CONTAINERS)

.PHONY: image
image: $(RUN_READY) ## build the image that deploy/images.env names
	@exec $(PYTHON) -m deploy.compose image

.PHONY: up
up: $(RUN_READY) ## build the image, start everything in containers, wait until well, print addresses
	@exec $(PYTHON) -m deploy.compose up

.PHONY: down
down: $(RUN_READY) ## end the containers of `make up`; their data stay
	@exec $(PYTHON) -m deploy.compose down

.PHONY: logs
logs: $(RUN_READY) ## follow what the services of `make up` log
	@exec $(PYTHON) -m deploy.compose logs

.PHONY: mutants
mutants: $(DEV_READY) ## change the pure parts in small ways: do their tests notice? (a minute)
	@exec $(PYTHON) -m tests.mutants

.PHONY: faults
faults: $(DEV_READY) ## only the tests that kill and pause services and servers under load, and kill at every await
	@exec $(PYTHON) -m pytest tests/faults

.PHONY: bench
bench: $(DEV_READY) ## measure deliveries per second on this machine
	@exec $(PYTHON) -m tests.bench

.PHONY: bench-isolation
bench-isolation: $(DEV_READY) ## measure what endpoints that hang or are slow cost the others (14 minutes)
	@exec $(PYTHON) -m tests.bench.isolation

.PHONY: bench-api
bench-api: $(DEV_READY) ## measure how long each list and detail request of the API takes, with 200,000 deliveries
	@exec $(PYTHON) -m tests.bench.api

.PHONY: bench-pages
bench-pages: $(DEV_READY) ## measure each page of the dashboard with 200,000 deliveries: p50, p95, p99, bytes (a minute)
	@exec $(PYTHON) -m tests.bench.pages

.PHONY: docs
docs: $(DEV_READY) ## write again those pages that are made from the code
	@exec $(PYTHON) -m tests.docs

OVERLAY ?= dev

.PHONY: k8s-render
k8s-render: ## print the Kubernetes manifests of OVERLAY=dev|prod (needs kubectl)
	@exec deploy/k8s/cluster.sh render $(OVERLAY)

.PHONY: k8s-apply
k8s-apply: ## apply OVERLAY=dev|prod to the cluster that kubectl is told of; asks first
	@exec deploy/k8s/cluster.sh apply $(OVERLAY)

.PHONY: k8s-delete
k8s-delete: ## delete OVERLAY=dev|prod and its data from that cluster; asks first
	@exec deploy/k8s/cluster.sh delete $(OVERLAY)

.PHONY: setup
setup: $(DEV_READY) ## only make the virtual environment, for run and development

.PHONY: clean
clean: ## end what killed runs and `make up` left running; remove data, keep the environment and downloaded servers
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m deploy.compose clean && exec $(PYTHON) -m deploy.local clean; fi

# A stamp holds the checksums of the requirement files it stands for: a changed file is installed again, a touched one is not.
.PHONY: FORCE
$(RUN_READY): FORCE
	@deploy/local/venv.sh $(VENV) requirements.txt
$(DEV_READY): FORCE
	@deploy/local/venv.sh $(VENV) requirements-dev.txt
