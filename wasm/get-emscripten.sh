#!/bin/sh
# Finds Emscripten 3.1.69 or newer and prints the folder that holds its emcc (progress goes to stderr).
# It looks on PATH, then in $EMSDK, then in .toolchain/ of this checkout, and if it finds none there it puts one there.
#
# Debian 12 packages 3.1.6, whose relaxed-SIMD opcodes and thread start-up are obsolete. Debian 13 packages 3.1.69, so
# that version is unpacked beside the system, not installed: emscripten and acorn as they are, binaryen together with
# the C library it was linked against. The compiler itself (LLVM 19) is the machine's own package. It fetches some 240
# MB. Nothing is looked at before it is complete: everything is put together in a folder of another name, tried on a
# small program, and renamed last.
set -eu

minimum=3.1.69
checkout=$(cd "$(dirname "$0")/.." && pwd)
store=$checkout/.toolchain
home=$store/emscripten-$minimum
llvm=/usr/lib/llvm-19/bin
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
elsewhere="install Emscripten $minimum or newer (https://emscripten.org/docs/getting_started/downloads.html) and put emcc on PATH or set EMSDK"

say() { printf '%s\n' "$*" >&2; }
fail() { say "get-emscripten: $*"; exit 1; }

# A command whose output matters only when it fails.
quietly() {
  if ! "$@" >"$store/last.log" 2>&1; then
    tail -n 15 "$store/last.log" >&2
    return 1
  fi
}

new_enough() {
  command -v "$1" >/dev/null 2>&1 || return 1
  found=$("$1" -dumpversion 2>/dev/null) || return 1
  [ "$(printf '%s\n%s\n' "$minimum" "$found" | sort -V | head -n 1)" = "$minimum" ]
}

# Prints the folder of an Emscripten that can be used as it is.
existing() {
  for emcc in "$(command -v emcc || true)" "${EMSDK:+$EMSDK/upstream/emscripten/emcc}"; do
    if [ -n "$emcc" ] && new_enough "$emcc"; then
      dirname "$emcc"
      return 0
    fi
  done
  # What is in the environment for another Emscripten must not reach this one.
  unset EM_CONFIG EM_CACHE
  [ -d "$home" ] && new_enough "$home/emscripten/emcc" && printf '%s\n' "$home/emscripten"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

require_debian() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null || ! [ -f "$keyring" ]; then
    fail "Emscripten $minimum was not found and can be fetched on Debian only; $elsewhere."
  fi
  command -v node >/dev/null || fail "Node.js is missing, and Emscripten runs on it; install Node.js 20 or newer."
}

# LLVM and Python are small needs of the machine itself, so they are installed, which takes root.
install_compiler() {
  missing=
  [ -x "$llvm/clang" ] || missing="$missing clang-19"
  [ -x "$llvm/wasm-ld" ] || missing="$missing lld-19"
  [ -x "$llvm/llvm-ar" ] || missing="$missing llvm-19"
  command -v python3 >/dev/null || missing="$missing python3"
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    fail "the Debian packages$missing are missing and installing them takes root; run 'apt-get install$missing' as root, then this again."
  fi
  say "Installing$missing."
  quietly as_root apt-get update -q || say "The package lists could not all be updated; going on with what is there."
  set -- env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300
  # shellcheck disable=SC2086  # a list of names
  quietly as_root "$@" $missing && return 0
  # An earlier installation that was cut short has to be completed first.
  quietly as_root dpkg --configure -a || true
  # shellcheck disable=SC2086
  quietly as_root "$@" $missing ||
    fail "the Debian packages$missing could not be installed (the lines above say why); install them by hand, then run this again."
}

# Where apt finds Debian's packages, by its own configuration.
mirror() {
  # shellcheck disable=SC2016  # apt-get fills in $(SITE)
  apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null | head -n 1
}

# apt-get on lists of its own that know Debian 13, so that the machine's own sources stay as they are.
apt13() {
  apt-get -q -o Dir::Etc::SourceList="$work/apt/sources.list" -o Dir::Etc::SourceParts="$work/apt/none" \
    -o Dir::State::Lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User="$(id -un)" "$@"
}

download() {
  mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/debs"
  site=$(mirror)
  if [ -z "$site" ]; then
    # Never updated, apt does not say yet where its lists are from.
    quietly as_root apt-get update -q || true
    site=$(mirror)
  fi
  [ -n "$site" ] ||
    fail "apt knows no place that has Debian's packages, so Emscripten $minimum cannot be fetched; name one in apt's sources (man sources.list), or $elsewhere."
  printf 'deb [signed-by=%s] %s trixie main\n' "$keyring" "$site" >"$work/apt/sources.list"
  say "Fetching Emscripten $minimum from $site."
  quietly apt13 update ||
    fail "the package lists of Debian 13 could not be read from $site; check the network, or $elsewhere."
  cd "$work/debs"
  quietly apt13 download emscripten node-acorn binaryen libc6 libstdc++6 libgcc-s1 ||
    fail "Emscripten's packages could not be downloaded from $site; check the network and the free disk space, then run this again."
  cd "$checkout"
}

unpack() {
  for deb in "$work"/debs/*.deb; do
    case ${deb##*/} in
      emscripten_* | node-acorn_*) into=$work/system ;;
      *) into=$work/binaryen ;;
    esac
    quietly dpkg-deb -x "$deb" "$into" ||
      fail "${deb##*/} could not be unpacked; check the free disk space, then run this again."
  done
  mv "$work/system/usr/share/emscripten" "$work/emscripten"
  rm -rf "$work/emscripten/node_modules"
  mv "$work/system/usr/share/nodejs" "$work/emscripten/node_modules"
  rm -rf "$work/system" "$work/debs" "$work/apt"
  # Half of the 1.6 GB are system libraries for dynamic linking, which nothing here does.
  rm -rf "$work"/emscripten/cache/sysroot/lib/wasm*/*pic
}

# Every path is relative to the file that names it, so the folder may be renamed and the checkout moved.
configure() {
  cat >"$work/emscripten/.emscripten" <<'END'
import os
import shutil

here = os.path.dirname(os.environ['EM_CONFIG'])
LLVM_ROOT = '/usr/lib/llvm-19/bin'
BINARYEN_ROOT = os.path.join(os.path.dirname(here), 'binaryen')
NODE_JS = shutil.which('node')
CACHE = os.path.join(here, 'cache')
END
  # Its scripts are CommonJS, whatever the package.json of the checkout around them says.
  printf '{ "type": "commonjs" }\n' >"$work/package.json"
  loader=$(cd "$work/binaryen" && find usr/lib* -name 'ld-linux*' | head -n 1)
  libraries=$(cd "$work/binaryen" && dirname "$(find usr/lib -name 'libstdc++.so.6' | head -n 1)")
  mkdir "$work/binaryen/bin"
  for tool in "$work"/binaryen/usr/bin/wasm*; do
    name=${tool##*/}
    cat >"$work/binaryen/bin/$name" <<END
#!/bin/sh
here=\$(cd "\$(dirname "\$0")/.." && pwd)
exec "\$here/$loader" --library-path "\$here/$libraries" "\$here/usr/bin/$name" "\$@"
END
    chmod +x "$work/binaryen/bin/$name"
  done
}

try_out() {
  printf 'int main(void) { return 0; }\n' >"$work/try.c"
  # With what makes every tool of it run: optimised, threads, memory beyond 2 GiB.
  quietly "$work/emscripten/emcc" -O2 -pthread -sALLOW_MEMORY_GROWTH -sMAXIMUM_MEMORY=4GB "$work/try.c" -o "$work/try.mjs" ||
    fail "Emscripten $minimum was unpacked but cannot compile (the lines above say why); $elsewhere."
  rm -f "$work"/try.*
}

if existing; then exit 0; fi
require_debian
mkdir -p "$store"
exec 9>"$store/lock"
flock 9 # a second run waits for the first and then finds its work done
if existing; then exit 0; fi
install_compiler
rm -rf "$store"/partial.* "$home"
work=$store/partial.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
mkdir "$work"
unset EM_CONFIG EM_CACHE
download
unpack
configure
try_out
mv "$work" "$home"
rm -f "$store/last.log"
say "Emscripten $minimum is in $home."
existing
