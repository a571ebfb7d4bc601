# `make run` and `make test` are enough; `make help` says the rest.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
AT_PORT := $(if $(PORT),--port $(PORT))
PACKAGES_PATH := -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
export DAGSTER_DISABLE_TELEMETRY = yes
export DBT_SEND_ANONYMOUS_USAGE_STATS = false
export DO_NOT_TRACK = 1
export RUNTIME__DLTHUB_TELEMETRY = false
export SEND_ANONYMOUS_USAGE_STATS = no
# Where an image sets it, each process would compile again all that it imports: seconds each time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run build serve dagster sql status test test-fast test-all lint bench cluster-test cluster-check audit install lock clean

help: ## cette aide
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

run: install ## tout construire, puis servir le site et dire quoi ouvrir (PORT=8001 pour un autre port)
	@$(PY) -m orchestration run $(AT_PORT)

build: install ## tout construire, sans servir
	@$(PY) -m orchestration build

serve: install ## servir le site déjà construit
	@$(PY) -m orchestration serve $(AT_PORT)

dagster: install ## ouvrir l'interface de Dagster
	@$(PY) -m orchestration dagster $(AT_PORT)

sql: install ## une invite SQL sur les marts publiés
	@$(PY) -m orchestration sql

status: install ## l'état en un écran
	@$(PY) -m orchestration status

# One process more than cores: a test also waits, for a browser or for a process that starts.
SIDE_BY_SIDE := -n $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )) --maxprocesses 5 --dist loadfile --no-loadscope-reorder

test: lint ## les vérifications, du style au site
	@$(PY) -m pytest $(SIDE_BY_SIDE) -m "not rare"

test-fast: lint ## les vérifications qui ne construisent pas d'entrepôt
	@$(PY) -m pytest $(SIDE_BY_SIDE) -m "not slow and not rare"

test-all: lint ## avant une version : aussi ce qui redit la même loi ailleurs
	@$(PY) -m pytest $(SIDE_BY_SIDE)

bench: install ## ce que coûte une reconstruction, et ce qui a empiré depuis les fois d'avant
	@$(PY) -m benchmarks.rebuild --rows 100000 --guard

lint: install ## style, types, lois d'import, SQL
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@cd dbt_project && ../$(VENV)/bin/sqlfluff lint --processes 2 --disable-progress-bar models tests

cluster-test: .venv-cluster/.installed reports/node_modules/.installed ## le même projet sur DuckDB et sur un vrai Spark, comparés
	@.venv-cluster/bin/python -m pytest tests/test_cluster.py

cluster-check: .venv-cluster/.installed reports/node_modules/.installed ## la même chose en petit : un seul chemin, d’un message à un mart
	@.venv-cluster/bin/python -m pytest tests/test_cluster.py -k way_of_a_message

audit: install ## les vulnérabilités connues des paquets, si leurs données sont joignables
	@$(PY) .ci/audit.py

install: $(VENV)/.installed reports/node_modules/.installed

$(VENV)/.installed: requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11 à 3.13 est nécessaire ({sys.executable} est en {v[0]}.{v[1]}). Remède : make PYTHON=python3.12 …")'
	@echo "■ environnement Python : chaque paquet est vérifié par son empreinte (une minute environ)"
	@# Python compiles what it imports; pip would compile all of the 15 000 files.
	@$(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements.lock
	@touch $@

reports/node_modules/.installed: reports/package.json reports/package-lock.json $(wildcard reports/patches/*.patch)
	@node -e 'process.exit(+process.versions.node.split(".")[0] >= 20 ? 0 : 1)' || { echo "Node ≥ 20 est nécessaire. Remède : l'installer, puis relancer."; exit 1; }
	@echo "■ site : paquets npm (une minute environ)"
	@# A patch that changed does not apply over its former self: what is patched is taken anew.
	@cd reports && rm -rf node_modules/@evidence-dev node_modules/.package-lock.json && npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

.venv-cluster/.installed: $(VENV)/.installed requirements-cluster.lock
	@java -version >/dev/null 2>&1 || { echo "Java ≥ 17 est nécessaire. Remède : l'installer (Debian : apt-get install openjdk-17-jre-headless), puis relancer."; exit 1; }
	@echo "■ environnement Python avec Spark (434 Mo à télécharger)"
	@# It sees the packages of $(VENV), and adds those of Spark: what is there is not installed twice.
	@$(PYTHON) -m venv --clear .venv-cluster
	@$(PY) $(PACKAGES_PATH) > "$$(.venv-cluster/bin/python $(PACKAGES_PATH))/base.pth"
	@.venv-cluster/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements-cluster.lock
	@touch $@

lock: ## refaire les deux requirements*.lock depuis pyproject.toml (uv)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --output-file requirements.lock
	uv pip compile --group cluster --constraints requirements.lock --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --output-file requirements-cluster.lock

clean: ## effacer ce qui est construit (les données déposées restent)
	rm -rf data/site data/published data/warehouse.duckdb
