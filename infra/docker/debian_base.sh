#!/usr/bin/env bash
# A base image for places that no image registry reaches: Debian 12 with its Python 3.11, from Debian's packages alone.
# Usage, as root: infra/docker/debian_base.sh python-base:3.11
#                 make serving-image NAME=my_gate BASE_IMAGE=python-base:3.11
set -euo pipefail
tag=${1:?name the image, such as python-base:3.11}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The packages that were fetched for one base are used again for the next.
packages=${DEBOOTSTRAP_CACHE:+--cache-dir=$(realpath "$DEBOOTSTRAP_CACHE")}
# shellcheck disable=SC2086 # empty where no folder is named
debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv $packages \
  bookworm "$work/system" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
rm -rf "$work"/system/var/cache/apt/archives/*.deb "$work"/system/var/lib/apt/lists/* "$work"/system/usr/share/{doc,man,locale}/*
tar -C "$work/system" -c . | docker import - "$tag"
