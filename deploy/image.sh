#!/usr/bin/env bash
# Builds the container image of this version, with Docker or Podman, for the machine's own platform or for those named
# in PLATFORMS (linux/amd64,linux/arm64): deploy/image.sh [registry/name]
set -euo pipefail
cd "$(dirname "$0")/.."

name=${1:-promptintern-proxy}
version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)
builder=$(command -v docker || command -v podman) || {
  echo 'neither docker nor podman is installed' >&2
  exit 1
}
exec "$builder" build ${PLATFORMS:+--platform "$PLATFORMS"} --tag "$name:$version" --tag "$name:latest" .
