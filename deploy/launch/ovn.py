# SPDX-License-Identifier: Apache-2.0
"""OVN central: northbound and southbound databases on UNIX sockets in var/ovn, and northd between them."""

from . import process

SCHEMAS = {"nb": "/usr/share/ovn/ovn-nb.ovsschema", "sb": "/usr/share/ovn/ovn-sb.ovsschema"}


def socket(cloud, side):
    return f"unix:{cloud.var}/ovn/{side}.sock"


def nbctl(cloud, *argv):
    return process.run(["ovn-nbctl", f"--db={socket(cloud, 'nb')}", "--timeout=30", *argv])


def sbctl(cloud, *argv):
    return process.run(["ovn-sbctl", f"--db={socket(cloud, 'sb')}", "--timeout=30", *argv])


def _database(cloud, side):
    home = cloud.dir("ovn")
    name = f"ovn-{side}"
    if process.alive(cloud, name):
        return
    file = home / f"{side}.db"
    if not file.exists():
        new = home / f"{side}.db.new"
        new.unlink(missing_ok=True)
        process.run(["ovsdb-tool", "create", new, SCHEMAS[side]])
        new.rename(file)
    socket_path = home / f"{side}.sock"
    socket_path.unlink(missing_ok=True)
    process.start(cloud, name, ["ovsdb-server", file, f"--remote=p{socket(cloud, side)}", f"--unixctl={home}/{side}.ctl",
                                "-vconsole:warn", "-vsyslog:off"], env=_environment(cloud))
    process.wait_ready(cloud, name, socket_path.exists)


def _environment(cloud):
    home = str(cloud.dir("ovn"))
    return {"OVS_RUNDIR": home, "OVN_RUNDIR": home, "OVS_DBDIR": home, "OVN_DBDIR": home}


def up(cloud):
    for side in SCHEMAS:
        _database(cloud, side)
    if not process.alive(cloud, "ovn-northd"):
        nbctl(cloud, "init")
        sbctl(cloud, "init")
        process.start(cloud, "ovn-northd", ["ovn-northd", f"--ovnnb-db={socket(cloud, 'nb')}", f"--ovnsb-db={socket(cloud, 'sb')}",
                                            f"--unixctl={cloud.dir('ovn')}/northd.ctl", "-vconsole:warn", "-vsyslog:off"],
                      env=_environment(cloud))
    nbctl(cloud, "--wait=sb", "sync")
