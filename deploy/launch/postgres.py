# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL: own data directory, own port on 127.0.0.1, a role and a schema for each service."""

import socket
from pathlib import Path

from . import process
from .settings import LaunchError, write_file

NAME = "postgres"
# Scheduler and compute API share one schema (ARCHITECTURE.md, Programs).
SCHEMAS = ("identity", "image", "network", "compute", "billing")
ROLE_OF = {"scheduler": "compute"}
# Inside its own mount namespace the data directory is seen here: the path to var need not be open to user postgres.
SEEN_AS = "/var/lib/postgresql"


def binaries():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    if not found:
        raise LaunchError("PostgreSQL is not installed: make deps")
    return found[-1].parent


def as_user(user, source, seen_as, argv):
    """argv as `user` in a mount namespace where `source` appears at `seen_as`."""
    script = 'mount --bind "$0" "$1" && cd "$1" && user=$2 && shift 2 && ' \
             'exec setpriv --reuid "$user" --regid "$user" --init-groups "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(source), seen_as, user, *argv]


def _initialise(cloud, home):
    secret = home / "password"
    write_file(secret, cloud.secret("postgres") + "\n", 0o600)
    process.run(["chown", "-R", "postgres:postgres", home])
    process.run(as_user("postgres", home, SEEN_AS, [
        binaries() / "initdb", "-D", f"{SEEN_AS}/data", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
        "--auth=scram-sha-256", f"--pwfile={SEEN_AS}/password"]))
    secret.unlink()
    write_file(home / "initialised", "yes\n")


def psql(cloud, sql, database="haneul", rows=False):
    """Runs a script as superuser over TCP; rows: returns the unaligned output."""
    argv = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", cloud.ports["postgres"],
            "-U", "postgres", "-d", database] + (["-A", "-t"] if rows else [])
    return process.run(argv, stdin=sql, env={"PGPASSWORD": cloud.secret("postgres"), "PGOPTIONS": "-c client_min_messages=warning"})


def dsn(cloud, service, database="haneul"):
    role = ROLE_OF.get(service, service)
    return (f"host=127.0.0.1 port={cloud.ports['postgres']} dbname={database} user={role} "
            f"password={cloud.secret('db-' + role)} connect_timeout=5 application_name=haneul-{service}")


def ready(cloud):
    try:
        with socket.create_connection(("127.0.0.1", cloud.ports["postgres"]), 1):
            pass
        psql(cloud, "SELECT 1", "postgres")
        return True
    except (OSError, LaunchError):
        return False


def create_database(cloud, database="haneul"):
    """The database with a schema for each service, owned by the service's role. Run again, it changes nothing."""
    if not psql(cloud, f"SELECT 1 FROM pg_database WHERE datname = '{database}'", "postgres", True).strip():
        psql(cloud, f"CREATE DATABASE {database}", "postgres")
    lines = [f"REVOKE ALL ON DATABASE {database} FROM PUBLIC;", "REVOKE ALL ON SCHEMA public FROM PUBLIC;",
             "GRANT USAGE ON SCHEMA public TO PUBLIC;"]
    for role in SCHEMAS:
        password = cloud.secret("db-" + role)
        lines.append(f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN "
                     f"CREATE ROLE {role} LOGIN; END IF; END $$; ALTER ROLE {role} PASSWORD '{password}';"
                     f"GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {role};"
                     f"CREATE SCHEMA IF NOT EXISTS {role} AUTHORIZATION {role};")
    psql(cloud, "\n".join(lines), database)


def up(cloud):
    if not process.alive(cloud, NAME):
        home = cloud.dir("postgres")
        if not (home / "initialised").exists():
            process.run(["rm", "-rf", home / "data"])
            _initialise(cloud, home)
        process.start(cloud, NAME, as_user("postgres", home, SEEN_AS, [
            binaries() / "postgres", "-D", f"{SEEN_AS}/data", "-p", str(cloud.ports["postgres"]),
            "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={SEEN_AS}",
            "-c", "fsync=on", "-c", "max_connections=300", "-c", "shared_buffers=128MB",
            "-c", "log_min_messages=warning", "-c", "timezone=UTC"]), stop="int")
    process.wait_ready(cloud, NAME, lambda: ready(cloud))

