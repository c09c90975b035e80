"""An option whose value may be a list of addresses."""

from __future__ import annotations

from typing import Any

import click


class AddressesOption(click.Option):
    """Given several times, it is one list with commas between the addresses.

    Its value is a text in each case: an address, a list of them, or a single word that is none.
    """

    def __init__(self, names: list[str], **given: Any) -> None:
        super().__init__(names, **{**given, "multiple": True})

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """The text of what was given; that of a settings file or of the default is a text already.

        Raises:
            click.BadParameter: it was given several times, and not with addresses alone.
        """
        given = super().type_cast_value(ctx, (value,) if isinstance(value, str) else value)
        if len(given) > 1:
            from saec.connecting import addresses_of, http_address, shown

            for part in addresses_of(",".join(given)):
                if http_address(part) is None:
                    raise click.BadParameter(
                        f"{self.opts[0]} given several times takes addresses only, not {shown(part)}. "
                        "Give one model, or an address each time: https://HOST:PORT/v1",
                        ctx,
                        self,
                    )
        return ",".join(given) if given else None
