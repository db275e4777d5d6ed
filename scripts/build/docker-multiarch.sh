#!/usr/bin/env bash
# The image for amd64 and arm64, cross-compiled on whatever builds it.
#
#   scripts/build/docker-multiarch.sh [--push] NAME VERSION
#
# Without --push it is built and thrown away. With it, NAME gets the tags VERSION, its minor, its major and latest; for GitHub's
# workflows the name and digest are outputs. Needs docker with buildx.
set -euo pipefail
cd "$(dirname "$0")/../.."
push=
[ "${1:-}" != --push ] || { push=1; shift; }
name=${1:?usage: docker-multiarch.sh [--push] NAME VERSION}
version=${2:?usage: docker-multiarch.sh [--push] NAME VERSION}
docker buildx inspect weft >/dev/null 2>&1 || docker buildx create --name weft --driver docker-container >/dev/null
# Nothing of a runtime stage is executed but two lines of Debian's: QEMU is for those.
out=(--output type=cacheonly)
[ -z "$push" ] || out=(--push --provenance mode=max --sbom true)
tags=()
for tag in "$version" "${version%.*}" "${version%%.*}" latest; do tags+=(--tag "$name:$tag"); done
docker buildx build --builder weft --platform linux/amd64,linux/arm64 "${tags[@]}" "${out[@]}" \
    --build-arg "WEFT_COMMIT=$(git rev-parse --short=12 HEAD)" --metadata-file target/image.json \
    --label "org.opencontainers.image.version=$version" --label "org.opencontainers.image.revision=$(git rev-parse HEAD)" .
if [ -n "${GITHUB_OUTPUT:-}" ]; then
    digest=$(python3 -c 'import json; print(json.load(open("target/image.json"))["containerimage.digest"])')
    printf 'name=%s\ndigest=%s\n' "$name" "$digest" >> "$GITHUB_OUTPUT"
fi
