#!/usr/bin/env bash
# The browser tests drive the system's Chromium; install Debian's where we may, else say how.
set -eu
if [ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v google-chrome >/dev/null; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null
else
  echo "The browser tests need Chromium. Install it (Debian and Ubuntu: sudo apt install chromium;" >&2
  echo "macOS: brew install --cask chromium) or point CHROMIUM at its executable, then: make test" >&2
  exit 1
fi
