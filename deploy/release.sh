#!/usr/bin/env bash
# Builds the archives, checksums and SBOMs of a release into $DIST. The same commit and Go give the same bytes.
# make release runs it, with VERSION, COMMIT, DATE (of the commit) and LDFLAGS. It needs GNU tar.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${VERSION:?is not known: this is no git checkout, so give VERSION, COMMIT and DATE}" "${COMMIT:?}" "${DATE:?}" "${LDFLAGS:?}"
dist=${DIST:-dist}
platforms=${PLATFORMS:-linux/amd64 linux/arm64 darwin/arm64}
sbom=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

export LC_ALL=C TZ=UTC CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOAMD64=v1 GOARM64=v8.0 GOEXPERIMENT=
umask 022
rm -rf "$dist" && mkdir -p "$dist"
dist=$(cd "$dist" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { go build -trimpath -ldflags "-s -w -buildid= $LDFLAGS" -o "$1" ./cmd/node; }

# What is the same on every platform.
build "$work/host"
common=$work/common
mkdir -p "$common"/{completions,man/man1,systemd}
"$work/host" completion bash >"$common/completions/switchboard.bash"
"$work/host" completion zsh >"$common/completions/_switchboard"
"$work/host" completion fish >"$common/completions/switchboard.fish"
"$work/host" man >"$common/man/man1/switchboard.1"
cp deploy/systemd/switchboard.{service,socket} "$common/systemd/"
cp LICENSE README.md CHANGELOG.md config.yaml "$common/"

for platform in $platforms; do
    name=switchboard-$VERSION-${platform%/*}-${platform#*/}
    cp -R "$common" "$work/$name"
    GOOS=${platform%/*} GOARCH=${platform#*/} build "$work/$name/switchboard"
    go run "$sbom" bin -json -std -noserial -notimestamp -version "$VERSION" -output "$dist/$name.cdx.json" \
        "$work/$name/switchboard"
    tar -C "$work" --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rwX,go=rX --mtime="$DATE" \
        -cf - "$name" | gzip -9n >"$dist/$name.tar.gz"
done
cd "$dist" && sha256sum -- * >SHA256SUMS
cat SHA256SUMS
