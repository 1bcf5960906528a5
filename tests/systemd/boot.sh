#!/bin/sh
# Boot a systemd over a throw-away copy of this machine's files. Run by machine.py inside mount and PID namespaces of
# its own: whatever is mounted or started here ends with them.
# usage: boot.sh CGROUP    (the folder /run/lightspeed-machine must exist)
set -eu

for hierarchy in systemd unified; do
    [ -d "/sys/fs/cgroup/$hierarchy" ] || continue
    mkdir -p "/sys/fs/cgroup/$hierarchy/$1"
    echo 0 >"/sys/fs/cgroup/$hierarchy/$1/cgroup.procs"
done

base=/run/lightspeed-machine
mount -t tmpfs -o size=4g tmpfs $base
mkdir $base/upper $base/work $base/root
mount -t overlay overlay -o lowerdir=/,upperdir=$base/upper,workdir=$base/work $base/root
root=$base/root

rm -f "$root/etc/machine-id" "$root/etc/systemd/system/multi-user.target.wants/"* "$root/etc/systemd/system/timers.target.wants/"*
# systemd-networkd-wait-online would wait two minutes for an uplink; the others are nobody's business here
for unit in systemd-networkd-wait-online.service systemd-networkd.service systemd-networkd.socket systemd-timesyncd.service \
    systemd-resolved.service getty.target console-getty.service systemd-logind.service \
    systemd-firstboot.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
printf 'disable *\n' >"$root/etc/systemd/system-preset.tmp"
mkdir -p "$root/etc/systemd/system-preset"
mv "$root/etc/systemd/system-preset.tmp" "$root/etc/systemd/system-preset/99-nothing.preset"

exec systemd-nspawn --quiet --directory="$root" --boot --register=no --keep-unit --private-network --console=pipe
