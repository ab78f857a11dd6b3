#!/bin/sh
# Boots the machine's own systemd as PID 1 of a box: namespaces of its own, a root that is the machine's with a layer of memory over it.
#
# box.sh FOLDER NAME DIRECTORY... is to be started by `unshare --mount --propagation private`, and ends with the box. FOLDER is an empty one for
# the layers; the DIRECTORYs are the same inside and outside. Nothing of the machine changes but for the control group NAME, which the caller
# removes; the mounts go with the last process, and the processes with this one.
set -eu
folder=$1 name=$2
shift 2

# Version 2 alone, as the units of today find it, also where the machine mounts version 1 or both.
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$name"
echo $$ >"/sys/fs/cgroup/$name/cgroup.procs"

mount -t tmpfs -o mode=755 box "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
mount -t overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" box "$folder/root"

# The machine's services stay outside; what systemd itself needs is in /usr/lib.
etc=$folder/root/etc
rm -rf "$etc"/systemd/system/*.wants "$etc"/systemd/system/*.requires "$etc/fstab"
mkdir -p "$etc/systemd/system" "$etc/tmpfiles.d"
: >"$etc/machine-id"
for unit in getty.target systemd-timesyncd.service apt-daily.timer apt-daily-upgrade.timer; do
  ln -sf /dev/null "$etc/systemd/system/$unit"
done
ln -sf /dev/null "$etc/tmpfiles.d/tmp.conf" # else the first boot empties /tmp

for directory; do
  shift
  set -- "$@" "--bind=$directory"
done
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_TMPFS_TMP=0
status=133 # says that the box wants to be booted again
while [ "$status" -eq 133 ]; do
  status=0
  setpriv --pdeathsig TERM systemd-nspawn --quiet --directory="$folder/root" --machine="$name" --register=no --keep-unit \
    --private-network --resolv-conf=off --timezone=off --link-journal=no --console=pipe "$@" --boot -- systemd.unit=multi-user.target || status=$?
done
exit "$status"
