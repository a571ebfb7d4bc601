#!/bin/sh
# Freeze what was edited in node_modules/<package> as patches/<package>+<version>.patch.
# `npx patch-package <package>` never ends with this tree: it resolves the whole of it again.
# Usage, from reports/: sh scripts/make_patch.sh @evidence-dev/core-components
set -eu
package=$1
version=$(node -p "require('./node_modules/$package/package.json').version")
trial=$(mktemp -d)
trap 'rm -rf "$trial"' EXIT
mkdir -p patches "$trial/a/node_modules/$package" "$trial/b/node_modules/$package"
npm pack --silent --pack-destination "$trial" "$package@$version" >/dev/null
tar xzf "$trial"/*.tgz --strip-components=1 -C "$trial/a/node_modules/$package"
cp -R "node_modules/$package/." "$trial/b/node_modules/$package"
rm -rf "$trial/b/node_modules/$package/node_modules"
patch=$PWD/patches/$(echo "$package" | tr / +)+$version.patch
(cd "$trial" && git diff --no-index --no-color --no-prefix a b || true) |
    sed -E 's#^diff --git [ab]/(\S+) b/#diff --git a/\1 b/#' >"$patch"
wc -l "$patch"
