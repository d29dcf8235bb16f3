import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def postgres_bin() -> Path | None:
    """The folder of Postgres' programs, None where it is not installed."""
    folders = [Path(found).parent] if (found := shutil.which("initdb")) else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if (f / "initdb").exists() and _user()), None)


@contextmanager
def postgres_server() -> Iterator[str]:
    """A real server on a socket in a folder of its own; gives its URL."""
    programs = postgres_bin()
    assert programs
    # A socket's path must be short, and its folder open to the server's user.
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:
        user = _user()
        if user != pwd.getpwuid(os.getuid()).pw_name:
            shutil.chown(folder, user)
        data = f"{folder}/data"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "user": user}
        init = [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"]
        subprocess.run(init, check=True, cwd=folder, **quiet)
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        control = [programs / "pg_ctl", "-D", data, "-s", "-w", "-t", "20"]
        log = ["-l", f"{folder}/log"]
        subprocess.run([*control, *log, "-o", options, "start"], check=True, cwd=folder, **quiet)
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd=folder, **quiet)


def _user() -> str | None:
    """Whom the server runs as: it refuses root."""
    if os.getuid():
        return pwd.getpwuid(os.getuid()).pw_name
    return next((u.pw_name for u in pwd.getpwall() if u.pw_name in ("postgres", "nobody")), None)
