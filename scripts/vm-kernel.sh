#!/usr/bin/env bash
# vm-kernel.sh FOLDER: what tests with a virtual machine boot, from Debian's packages, which are unpacked and not installed: the newest cloud kernel, the modules that its
# guest loads, and nbd-client. Prints the folder under FOLDER where it all lies; what is there already is not fetched again.
set -euo pipefail
folder=${1:?usage: vm-kernel.sh FOLDER}
modules=(drivers/block/virtio_blk drivers/block/nbd net/core/failover drivers/net/net_failover drivers/net/virtio_net)

newest() { apt-cache search --names-only '^linux-image-[0-9].*[0-9a-z]-cloud-amd64$' | cut -d' ' -f1 | grep -E '^linux-image-[0-9]+\.[0-9]+\.[0-9]+[^ ]*-cloud-amd64$' | sort -V | tail -n 1; }

kernel=$(newest)
if [ -z "$kernel" ]; then apt-get update -q >&2; kernel=$(newest); fi
[ -n "$kernel" ] || { echo "apt offers no linux-image-*-cloud-amd64: the tests with a virtual machine need Debian on amd64" >&2; exit 3; }
mkdir -p "$folder"
exec 9>"$folder/lock"; flock 9
ready="$folder/$kernel"
if [ ! -d "$ready" ]; then
  work=$(mktemp -d "$folder/unfinished-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  cd "$work"
  # As root apt would hand the download to a user that may not write here.
  download() { apt-get -o APT::Sandbox::User=root download -q "$kernel" nbd-client libnl-3-200 libnl-genl-3-200 >&2; }
  download || { apt-get update -q >&2; download; }
  for package in *.deb; do dpkg -x "$package" unpacked; done
  mkdir -p ready/modules ready/lib
  cp unpacked/boot/vmlinuz-* ready/vmlinuz
  for module in "${modules[@]}"; do
    # Compressed or not, or part of the kernel: then there is nothing to load.
    file=$(ls unpacked/lib/modules/*/kernel/"$module".ko* 2>/dev/null || true)
    case "$file" in
      *.xz) xz -dc "$file" > "ready/modules/${module##*/}.ko" ;;
      *.zst) zstd -dcq "$file" > "ready/modules/${module##*/}.ko" ;;
      *.ko) cp "$file" "ready/modules/" ;;
    esac
  done
  cp "$(find unpacked -name nbd-client -path '*/sbin/*' -type f)" ready/nbd-client
  find unpacked -name 'libnl*.so.*' -exec cp -L {} ready/lib/ \;
  # The rest of its libraries are this machine's.
  LD_LIBRARY_PATH="$work/ready/lib" ldd ready/nbd-client | { grep -o '/[^ ]*' || true; } | while read -r library; do
    case "$library" in "$work"/*) ;; *) cp -L "$library" ready/lib/ ;; esac
  done
  if LD_LIBRARY_PATH="$work/ready/lib" ldd ready/nbd-client | grep -q 'not found'; then echo "nbd-client lacks libraries here: $(LD_LIBRARY_PATH="$work/ready/lib" ldd ready/nbd-client | grep 'not found' | tr '\n' ' ')" >&2; exit 3; fi
  cd "$folder"
  mv "$work/ready" "$ready"
fi
echo "$ready"
