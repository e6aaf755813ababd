"""The data folder: what lies where in it, who may read it, and which version wrote it.

`db/` records (its own lock says whether another process is at work), `pki/` certificates, `token` the administrator's
bearer token, `kubeconfig` for clients, `format` the version of this layout.
"""

from __future__ import annotations

from pathlib import Path

from wherry.kit.ids import new_token
from wherry.kit.pki import write_private
from wherry.storage.api import NewerFormat, StorageError

FORMAT = 1


class DataFolder:
    """A folder of ours, checked before anything in it is touched."""

    def __init__(self, path: Path):
        self.path = path

    @property
    def storage_url(self) -> str:
        return f"sqlite:{self.path / 'db'}"

    @property
    def pki(self) -> Path:
        return self.path / "pki"

    @property
    def kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    def check(self) -> None:
        """Make the folder and compare its format. Raises StorageError, NewerFormat with advice for the user."""
        try:
            # Secrets lie below: nobody but the owner may look.
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            text = self._read("format")
        except (FileExistsError, NotADirectoryError):
            raise StorageError(f"the data folder {self.path} is not a folder; choose another with --data") from None
        except OSError as error:
            raise StorageError(
                f"the data folder {self.path} cannot be used ({error.strerror}); "
                "choose another with --data, or change its owner or permissions"
            ) from None
        if not text:
            return
        if not text.isdigit():
            raise StorageError(f"{self.path / 'format'} does not hold a version: is this a data folder of Wherry?")
        if int(text) > FORMAT:
            raise NewerFormat(
                f"the data folder {self.path} was written by a newer Wherry (format {text}, this one knows {FORMAT}); "
                "install the newer version again, or choose another folder with --data"
            )

    def token(self) -> str:
        """The administrator's bearer token, made at the first start; marks the folder with the format then."""
        try:
            token = self._read("token")
            if not token:
                token = new_token()
                write_private(self.path / "token", f"{token}\n".encode())
            if not self._read("format"):
                write_private(self.path / "format", f"{FORMAT}\n".encode())
        except OSError as error:
            raise StorageError(f"the data folder {self.path} cannot be written ({error.strerror})") from None
        return token

    def _read(self, name: str) -> str:
        try:
            return (self.path / name).read_text("utf-8").strip()
        except FileNotFoundError:
            return ""
