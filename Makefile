# Two commands do everything on a fresh Debian machine with Swift: `make demo` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
CHECK := --explicit-target-dependency-import-check error
LIBRARIES := libsqlite3-dev libcurl4-openssl-dev libpq-dev zlib1g-dev
TOOLS := python3-venv systemd postgresql-15
RADICALE := .build/radicale/bin/radicale
OLD := .build/old-carddav/bin/python
CLIENT := .build/hubspot-client/bin/python
TAP := .build/hubspot-tap/bin/python
TAP_POSTGRES := .build/postgres-tap/bin/tap-postgres
TRYTON := .build/tryton/crm.sqlite
KINTO := .build/kinto/bin/kinto
OAUTH := .build/oauth/bin/python
XANDIKOS := .build/xandikos/bin/xandikos
# Cyrus is reached through IMAP once for each user; esmtp-run keeps a mail server from coming with it.
CARDDAV_SERVERS := cyrus-caldav cyrus-imapd sasl2-bin esmtp-run davical nginx php8.2-fpm sogo memcached postgresql-15

.NOTPARALLEL:
.PHONY: build demo docs test test-fast test-servers lint simulate fuzz bench libraries tools install

build: libraries
	swift build $(CHECK)

demo: build
	bash Docs/demo.sh .build/debug/tandem

test: libraries tools lint $(RADICALE) $(XANDIKOS) $(OLD) $(CLIENT) $(TAP) $(TAP_POSTGRES) $(TRYTON) $(KINTO) $(OAUTH)
	swift build --build-tests $(CHECK)
	TANDEM_RADICALE=$(CURDIR)/$(RADICALE) TANDEM_XANDIKOS=$(CURDIR)/$(XANDIKOS) \
	  TANDEM_OLD_CARDDAV=$(CURDIR)/$(OLD) \
	  TANDEM_CLIENT=$(CURDIR)/$(CLIENT) TANDEM_TAP=$(CURDIR)/$(TAP) \
	  TANDEM_TAP_POSTGRES=$(CURDIR)/$(TAP_POSTGRES) \
	  TANDEM_TRYTON=$(CURDIR)/$(TRYTON) TANDEM_KINTO=$(CURDIR)/$(KINTO) \
	  TANDEM_OAUTH=$(CURDIR)/$(OAUTH) swift test --skip-build

# What needs no server: values, decisions, the store, cards, files, limits.
test-fast: libraries
	swift build --build-tests $(CHECK)
	swift test --skip-build --filter "TandemCoreTests|TandemCRMTests|AdapterTests"

# The laws, the whole CardDAV suite and a comparison of raw cards on every CardDAV server that can be had
# from Debian and PyPI; as root, because those of Debian run as users of their own.
test-servers: libraries tools $(RADICALE) $(XANDIKOS)
	@policy=/usr/sbin/policy-rc.d; \
	if [ ! -e $$policy ]; then printf '#!/bin/sh\nexit 101\n' > $$policy; chmod 755 $$policy; trap "rm $$policy" EXIT; fi; \
	$(call packages,$(CARDDAV_SERVERS))
	swift build --build-tests $(CHECK)
	TANDEM_RADICALE=$(CURDIR)/$(RADICALE) TANDEM_XANDIKOS=$(CURDIR)/$(XANDIKOS) \
	  TANDEM_SERVERS="radicale xandikos cyrus davical sogo" \
	  swift test --skip-build --filter "Address.book.servers|A.real.CardDAV.server"

lint:
	swift format lint --strict --recursive --parallel Package.swift Sources Tests

# 20,000 seeds, each twice.
simulate: libraries
	swift build -c release $(CHECK) --product tandem
	.build/release/tandem simulate --seeds 20000

# The table of all keys of a description, made of what its reader knows.
docs: build
	sed -i '/^## All keys$$/,$$d' Docs/rest.md
	{ echo "## All keys"; echo; .build/debug/tandem apps --keys; } >> Docs/rest.md

fuzz: libraries
	FUZZ_SECONDS=300 swift test $(CHECK) --filter "Parsers take any bytes"

bench: libraries tools $(RADICALE)
	@$(call packages,wrk)
	swift build -c release $(CHECK) --product tandem
	swift build -c release $(CHECK) --product BenchFloor
	.build/radicale/bin/pip install --quiet pycurl
	.build/radicale/bin/python Tests/Bench/bench.py .build/release/tandem
	python3 Tests/Bench/api.py .build/release/tandem .build/release/BenchFloor

# Installs below PREFIX; the systemd unit goes to PREFIX/lib/systemd/system.
PREFIX ?= /usr/local
install: libraries
	swift build -c release $(CHECK) --product tandem
	install -D -m 755 .build/release/tandem $(DESTDIR)$(PREFIX)/bin/tandem
	install -D -m 644 systemd/tandem.service $(DESTDIR)$(PREFIX)/lib/systemd/system/tandem.service
	mkdir -p $(DESTDIR)$(PREFIX)/share/tandem && cp -r mappings $(DESTDIR)$(PREFIX)/share/tandem/

$(RADICALE): | tools
	python3 -m venv .build/radicale
	.build/radicale/bin/pip install --quiet 'radicale==3.*'

$(XANDIKOS): | tools
	python3 -m venv .build/xandikos
	.build/xandikos/bin/pip install --quiet 'xandikos==0.4.*'

$(OLD): | tools
	python3 -m venv .build/old-carddav
	.build/old-carddav/bin/pip install --quiet 'radicale==1.1.6' 'twisted==25.*'

$(CLIENT): Tests/Clients/requirements.txt | tools
	python3 -m venv .build/hubspot-client
	.build/hubspot-client/bin/pip install --quiet -r $<

# The tap's old dependencies do not go together with the client's.
$(TAP): Tests/Clients/requirements-tap.txt | tools
	python3 -m venv .build/hubspot-tap
	.build/hubspot-tap/bin/pip install --quiet -r $<

$(TAP_POSTGRES): Tests/Clients/requirements-tap-postgres.txt | tools
	python3 -m venv .build/postgres-tap
	.build/postgres-tap/bin/pip install --quiet -r $<

# A server with an empty database, which each test copies.
$(TRYTON): Tests/Servers/requirements-tryton.txt | tools
	rm -rf .build/tryton && python3 -m venv .build/tryton
	.build/tryton/bin/pip install --quiet -r $<
	printf '[database]\nuri = sqlite://\npath = $(CURDIR)/.build/tryton\n' > .build/tryton/trytond.conf
	printf 'admin-password' > .build/tryton/password
	: > .build/tryton/new.sqlite
	TRYTONPASSFILE=.build/tryton/password .build/tryton/bin/trytond-admin -c .build/tryton/trytond.conf -d new \
	  -u party --activate-dependencies --email admin@example.com
	mv .build/tryton/new.sqlite $@

$(KINTO): Tests/Servers/requirements-kinto.txt | tools
	python3 -m venv .build/kinto
	.build/kinto/bin/pip install --quiet -r $<

$(OAUTH): Tests/Servers/requirements-oauth.txt | tools
	python3 -m venv .build/oauth
	.build/oauth/bin/pip install --quiet -r $<

libraries:
	@$(call packages,$(LIBRARIES))

tools:
	@$(call packages,$(TOOLS))

# Installs the Debian packages that are missing, as root or through sudo.
define packages
	missing=""; \
	for name in $(1); do \
	  dpkg-query -W -f='$${Status}' $$name 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$name"; \
	done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then root=""; \
	  elif command -v sudo >/dev/null; then root="sudo"; \
	  else echo "These packages are missing:$$missing. Install them as root: apt-get install$$missing" >&2; exit 1; fi; \
	  echo "installing$$missing"; \
	  $$root apt-get update -qq && $$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null \
	    || { echo "Could not install$$missing; see the lines above." >&2; exit 1; }; \
	fi
endef
