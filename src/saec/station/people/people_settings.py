"""The section [people]: how long a log-in lasts, when a name is locked, pseudonyms, OpenID Connect.

The command line reads it where ``saec[station]`` is not installed, so it imports none of its packages.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from saec.connecting import http_address
from saec.station.people.roles import Role
from saec.station.section_types import FieldFault, Section
from saec.web.addresses import is_loopback

_Hours = Annotated[float, msgspec.Meta(gt=0, le=8784)]
_Minutes = Annotated[float, msgspec.Meta(gt=0, le=527_040)]


class OidcSettings(Section, frozen=True, kw_only=True):
    """The table [people.oidc]: log-in by a provider of OpenID Connect, such as Keycloak or Entra ID.

    Attributes:
        issuer: The provider's address, as its discovery document says it. Without it nobody logs in by OpenID
            Connect.
        client_id: The name under which the provider knows this station.
        client_secret_file: The file that holds the client's secret. Without it the client is a public one.
        ca_file: A PEM file of certificate authorities to trust beside the system's.
        scopes: What the provider is asked for. Some give groups only for one more scope.
        name_claim: The claim that holds a person's name.
        role_claim: The claim that holds a person's groups or roles. Dots go into tables, as in
            realm_access.roles.
        roles: What a group of the provider may do here, such as { "line-staff" = "operator" }. Who is in
            several has the highest role. Who is in none is not let in.
    """

    issuer: str | None = None
    client_id: str | None = None
    client_secret_file: Path | None = None
    ca_file: Path | None = None
    scopes: tuple[str, ...] = ("openid", "profile")
    name_claim: str = "preferred_username"
    role_claim: str = "groups"
    roles: dict[str, Role] = msgspec.field(default_factory=dict)

    def faults(self) -> Iterator[FieldFault]:
        """What contradicts itself: key, what, remedy."""
        if self.issuer is None:
            return
        url = http_address(self.issuer)
        if url is None:
            yield "issuer", "the issuer is not an address", "give https://HOST/PATH of the provider"
        elif url.scheme != "https" and not is_loopback(url.hostname or ""):
            yield "issuer", "log-ins would travel unencrypted to the issuer", "give its https address"
        if self.client_id is None:
            yield "issuer", "client_id is missing", "give the name of this station at the provider"
        if not self.roles:
            remedy = 'give roles, such as { "line-staff" = "operator" }'
            yield "issuer", "no group of the provider has a role, so nobody could log in", remedy


class PeopleSettings(Section, frozen=True, kw_only=True):
    """The section [people]: who logs in at the station's page, and how.

    Attributes:
        session_hours: Hours after which a person must log in again.
        idle_hours: Hours without a request after which a person must log in again.
        login_attempts: Wrong passwords for one name before the name is locked. An address is locked after ten
            times as many.
        lock_minutes: Minutes that a name or an address stays locked.
        pseudonyms: Show, log and audit a pseudonym, such as person-7f3a1c, in place of a person's name.
        name_days: A pseudonym is in use for so many days, and whose it was is kept for as many more. An
            account of OpenID Connect is deleted after so many days without a log-in.
        oidc: log-in by a provider of OpenID Connect.
    """

    session_hours: _Hours = 12.0
    idle_hours: _Hours = 2.0
    login_attempts: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5
    lock_minutes: _Minutes = 15.0
    pseudonyms: bool = False
    name_days: Annotated[float, msgspec.Meta(ge=1, le=36_600)] = 90.0
    oidc: OidcSettings = OidcSettings()
