"""The exchange's disk is slow for a worker: the kernel lets its container write only so much a second."""

from __future__ import annotations

import time
from dataclasses import dataclass

from j2k_dev.deploy.manifests import EXCHANGE_MOUNT
from j2k_dev.scenario.faults.pods import Container
from j2k_dev.scenario.ground import Fault, Proof

BYTES_PER_SECOND = 32 << 10
_PROBE_BYTES = 64 << 10
_SLOWER_SECONDS = 1.0


@dataclass
class SlowExchange(Fault):
    """Limits what the worker's container may write to the disk that the exchange is on; others write as before."""

    container: Container | None = None

    def strike(self) -> None:
        """Do it, and measure how long the container takes to write something, before and then."""
        self.container = Container.of(self.ground.on_cluster, self.moment.worker)
        self.before = self._measured()
        self.begins()
        self._in_group(_LIMIT.format(rate=BYTES_PER_SECOND))
        self.after = self._measured()

    def undo(self) -> None:
        """Take the limit away, if the container is still there: a new one has none."""
        if self.container is not None:
            self._in_group(_UNLIMITED)

    def proof(self) -> Proof:
        """Say how long it took to write something and have it on the disk, before and then."""
        before, then = self.before["seconds"], self.after["seconds"]
        told = f"writing 64 kB and having them on the disk took {before} s before, {then} s then"
        return Proof(float(then) > float(before) + _SLOWER_SECONDS, told, self.before, self.after)

    def _measured(self) -> dict[str, str]:
        """Write as one of the container's processes, which the kernel counts together."""
        assert self.container is not None
        began = time.monotonic()
        self._in_group(_WRITE.format(place=f"/proc/{self.container.first}/root{EXCHANGE_MOUNT}", count=_PROBE_BYTES))
        return {"seconds": f"{time.monotonic() - began:.2f}"}

    def _in_group(self, script: str) -> str:
        assert self.container is not None
        return self.container.in_node(_GROUP.format(first=self.container.first, mount=EXCHANGE_MOUNT) + script)


# The container's control group, and the disk: limits are for whole disks, not for partitions. Version 1 of control
# groups has a hierarchy for disks alone, version 2 one for everything.
_GROUP = """\
[ -d /proc/{first} ] || exit 0
v1=$(sed -n 's/^[0-9]*:blkio://p' /proc/{first}/cgroup 2>/dev/null)
v2=$(sed -n 's/^0:://p' /proc/{first}/cgroup 2>/dev/null)
if [ -n "$v1" ]; then at=/sys/fs/cgroup/blkio$v1; else at=/sys/fs/cgroup$v2; fi
disk=$(awk '$5 == "{mount}" {{ print $3; exit }}' /proc/{first}/mountinfo 2>/dev/null)
[ ! -e /sys/dev/block/$disk/partition ] || disk=$(cat /sys/dev/block/$disk/../dev)
"""
_LIMIT = """\
if [ -n "$v1" ]; then echo "$disk {rate}" > $at/blkio.throttle.write_bps_device
else echo "$disk wbps={rate}" > $at/io.max; fi"""
_UNLIMITED = """\
if [ -n "$v1" ]; then echo "$disk 0" > $at/blkio.throttle.write_bps_device
else echo "$disk wbps=max" > $at/io.max; fi"""
_WRITE = """\
file={place}/.slow-$$
( echo 0 > $at/cgroup.procs; exec dd if=/dev/zero of=$file bs={count} count=1 \
conv=fsync 2>/dev/null )
rm -f $file"""
