"""A stand-in for systemd on the bus of the test: the calls that dory-runtime makes, with what systemd does about cgroups.

    systemd.py BUS_ADDRESS LOG

Writes one JSON object per call into LOG. Units whose name has "refused" in it are refused, of those with "fails" the job
fails.
"""
import glob
import json
import os
import sys
import time

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

MANAGER = "org.freedesktop.systemd1.Manager"
log = open(sys.argv[2], "a", buffering=1)


def plain(value):
    if isinstance(value, dbus.Boolean):
        return bool(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str(value)
    return [plain(v) for v in value]


def hierarchies():
    roots = [root for root in glob.glob("/sys/fs/cgroup/*") if os.path.exists(root + "/cgroup.procs") and not os.path.islink(root)]
    return roots if os.path.isdir("/sys/fs/cgroup/pids") else ["/sys/fs/cgroup"]


def directory(unit, slice_name):
    parts = slice_name[: -len(".slice")].split("-")
    return "/".join("-".join(parts[: i + 1]) + ".slice" for i in range(len(parts))) + "/" + unit


class Manager(dbus.service.Object):
    def __init__(self, bus):
        super().__init__(bus, "/org/freedesktop/systemd1")
        self.units, self.jobs = {}, 0

    def finish(self, unit, result):
        self.jobs += 1
        job, number = "/org/freedesktop/systemd1/job/%d" % self.jobs, self.jobs
        GLib.timeout_add(20, lambda: self.JobRemoved(number, job, unit, result) and False)
        return job

    def remove(self, directory):
        for _ in range(500):  # its last process may be on its way out
            try:
                os.rmdir(directory)
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.01)

    @dbus.service.signal(MANAGER, signature="uoss")
    def JobRemoved(self, number, job, unit, result):
        pass

    @dbus.service.method(MANAGER)
    def Subscribe(self):
        pass

    @dbus.service.method(MANAGER, in_signature="ssa(sv)a(sa(sv))", out_signature="o")
    def StartTransientUnit(self, unit, mode, properties, auxiliary):
        values = {str(k): plain(v) for k, v in properties}
        log.write(json.dumps({"call": "start", "unit": unit, "mode": mode, "properties": values}) + "\n")
        if "refused" in unit:
            raise dbus.DBusException("Unit %s is not wanted." % unit, name="org.freedesktop.systemd1.UnitExists")
        if unit in self.units:
            raise dbus.DBusException("Unit %s was already loaded or has a fragment file." % unit, name="org.freedesktop.systemd1.UnitExists")
        if "fails" in unit:
            return self.finish(unit, "failed")
        self.units[unit] = directory(unit, values["Slice"])
        for root in hierarchies():
            if root.endswith("/cpuset"):
                continue
            os.makedirs("%s/%s" % (root, self.units[unit]), exist_ok=True)
            with open("%s/%s/cgroup.procs" % (root, self.units[unit]), "w") as procs:
                procs.write(str(values["PIDs"][0]))
        return self.finish(unit, "done")

    @dbus.service.method(MANAGER, in_signature="ss", out_signature="o")
    def StopUnit(self, unit, mode):
        log.write(json.dumps({"call": "stop", "unit": unit}) + "\n")
        if unit not in self.units:
            raise dbus.DBusException("Unit %s not loaded." % unit, name="org.freedesktop.systemd1.NoSuchUnit")
        path = self.units.pop(unit)
        for root in hierarchies():
            self.remove("%s/%s" % (root, path))
        return self.finish(unit, "done")

    @dbus.service.method(MANAGER, in_signature="sba(sv)")
    def SetUnitProperties(self, unit, runtime, properties):
        log.write(json.dumps({"call": "set", "unit": unit, "runtime": bool(runtime), "properties": {str(k): plain(v) for k, v in properties}}) + "\n")
        if unit not in self.units:
            raise dbus.DBusException("Unit %s not loaded." % unit, name="org.freedesktop.systemd1.NoSuchUnit")

    @dbus.service.method(MANAGER, in_signature="s")
    def ResetFailedUnit(self, unit):
        log.write(json.dumps({"call": "reset", "unit": unit}) + "\n")
        raise dbus.DBusException("Unit %s not loaded." % unit, name="org.freedesktop.systemd1.NoSuchUnit")


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.bus.BusConnection(sys.argv[1])
name = dbus.service.BusName("org.freedesktop.systemd1", bus)
manager = Manager(bus)
log.write(json.dumps({"call": "ready"}) + "\n")
GLib.MainLoop().run()
