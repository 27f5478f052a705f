"""The stack's generated secrets: one 0600 file, made once, never in a log or a command line."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from include.errors import StackError
from include.local.layout import Layout, write_private

__all__ = ["Credentials", "StackSecrets", "load_secrets", "make_secrets"]

ADMIN = "admin"
"""The one user of the local Airflow."""


def _token() -> str:
    """256 random bits, safe in URLs and shells (hex)."""
    return secrets.token_hex(32)


def _fernet_key() -> str:
    """32 random bytes as Fernet wants them (url-safe base64)."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


class StackSecrets(BaseModel):
    """All secrets of one stack."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    admin_password: str = Field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    jwt_secret: str = Field(default_factory=_token, repr=False)
    fernet_key: str = Field(default_factory=_fernet_key, repr=False)
    api_secret_key: str = Field(default_factory=_token, repr=False)
    db_superuser_password: str = Field(default_factory=_token, repr=False)
    db_airflow_password: str = Field(default_factory=_token, repr=False)
    db_voiceman_password: str = Field(default_factory=_token, repr=False)
    s3_access_key: str = Field(default_factory=lambda: secrets.token_hex(10).upper(), repr=False)
    s3_secret_key: str = Field(default_factory=_token, repr=False)
    s3_internal_key: str = Field(default_factory=_token, repr=False)
    """Signs the requests between SeaweedFS's own parts; its filer and volume ports refuse all others."""


@dataclass(frozen=True)
class Credentials:
    """A user name and password; the password stays out of ``repr``."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r})"


def load_secrets(layout: Layout) -> StackSecrets:
    """The secrets that ``up`` made.

    Raises:
        StackError: there are none, or the file is open to others or damaged.
    """
    path = layout.secrets_file
    try:
        if path.stat().st_mode & 0o077:
            raise StackError(
                f"{path} can be read by other users; run `chmod 600 {path}`, and if others may have read it, "
                "replace the stack's secrets."
            )
        return StackSecrets.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise StackError(f"The local stack in {layout.home} was never started; run `./voiceman up`.") from error
    except (OSError, ValidationError) as error:
        raise StackError(
            f"{path} can't be used ({type(error).__name__}); restore it from a backup: the stack's databases "
            "can't be opened without it."
        ) from error


def make_secrets(layout: Layout) -> StackSecrets:
    """The stack's secrets, made and written on the first call.

    Raises:
        StackError: the file can't be written or used.
    """
    if layout.secrets_file.exists():
        return load_secrets(layout)
    made = StackSecrets()
    write_private(layout.secrets_file, made.model_dump_json(indent=2) + "\n")
    return made
