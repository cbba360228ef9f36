# What the scripts at the root share; sourced by them. Sets $root.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

# dotnet wants a home for its package cache; where there is none, it lies beside the builds.
if [ -z "${HOME:-}" ] || [ ! -w "$HOME" ]; then export HOME="$root/artifacts/home"; mkdir -p "$HOME"; fi

need_sdk() {
  if ! command -v dotnet >/dev/null || ! dotnet --list-sdks | grep -q '^10\.'; then
    echo "The .NET 10 SDK is missing. Get it from https://dotnet.microsoft.com/download/dotnet/10.0" >&2
    echo "or, on Debian and Ubuntu with Microsoft's package feed: apt-get install dotnet-sdk-10.0" >&2
    exit 3
  fi
}

# build PROJECT: builds its Release quietly, unless nothing changed since the last time.
build() {
  need_sdk
  local stamp="$root/$1/bin/Release/.built"
  mkdir -p "$root/artifacts"
  exec 8>"$root/artifacts/build.lock"; flock 8
  if [ ! -e "$stamp" ] || [ -n "$(newer_than "$stamp")" ]; then
    touch "$root/artifacts/building-$1"
    if ! dotnet build "$root/$1" -c Release -v q --nologo 8>&- >"$root/artifacts/build-$1.log" 2>&1; then
      cat "$root/artifacts/build-$1.log" >&2
      echo "$1 does not build" >&2
      exit 1
    fi
    mv "$root/artifacts/building-$1" "$stamp"
  fi
  exec 8>&-
}

newer_than() {
  find "$root" \( -name bin -o -name obj -o -name .git -o -name artifacts -o -name data \) -prune -o \
    \( -type d -path "$root/Grid.*" -o -name '*.cs' -o -name '*.csproj' -o -name '*.props' -o -name '*.conf' -o -name global.json \) \
    -newer "$1" -print -quit
}

# need_packages PACKAGE...: installs the Debian packages that are missing, without what they only recommend: QEMU would bring a desktop along.
need_packages() {
  local missing=() package sudo=()
  for package in "$@"; do dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  echo "installing ${missing[*]}" >&2
  { "${sudo[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}" || { "${sudo[@]}" apt-get update -q && "${sudo[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}"; }; } >&2 ||
    { echo "cannot install ${missing[*]}: install them by hand" >&2; exit 3; }
}

# no_postgresql_cluster: has Debian's package make no server of its own when it is installed; one that is there already stays as it is.
no_postgresql_cluster() {
  local sudo=() conf=/etc/postgresql-common/createcluster.conf
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  if ! command -v dpkg >/dev/null || dpkg -s postgresql-common >/dev/null 2>&1 || [ -e "$conf" ]; then return 0; fi
  "${sudo[@]}" mkdir -p "${conf%/*}" && echo "create_main_cluster = false" | "${sudo[@]}" tee "$conf" >/dev/null
}
