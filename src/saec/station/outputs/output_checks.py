"""What contradicts itself between the sections [[coupler]], [[output]], [[input]] and the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from saec.settings.settings_text import suggestion
from saec.station.outputs.couplers.coupler_settings import AnyCoupler
from saec.station.outputs.output_settings import InputSettings, OutputSettings
from saec.station.sources.frame_source import FOR_TRIGGERS

SectionFault = tuple[list[str | int], str, str]
"""Where (keys and indices), what, and the remedy."""


def output_faults(
    couplers: Sequence[AnyCoupler],
    outputs: Sequence[OutputSettings],
    inputs: Sequence[InputSettings],
    *,
    lines: Mapping[str, float],
    sources: Mapping[str, str],
    taken: Mapping[str, str],
    alone: Mapping[str, str],
) -> Iterator[SectionFault]:
    """Every fault of these sections.

    Args:
        couplers, outputs, inputs: the sections.
        lines: seconds within which each line gives its verdict.
        sources: the line of each [[source]].
        taken: who takes the pictures of a source on a trigger already.
        alone: why a source takes no pictures on a trigger, see ``SourceSettings.by_itself``.
    """
    named = {coupler.name: coupler for coupler in couplers}
    for i, coupler in enumerate(couplers):
        for key, what, remedy in coupler.faults():
            yield ["coupler", i, key], what, remedy
    for i, output in enumerate(outputs):
        for key, what, remedy in output.faults():
            yield ["output", i, key], what, remedy
        yield from _coupler("output", i, output, named)
        yield from _line_and_source("output", i, output, lines, sources)
        yield from _by_inputs(i, output, inputs)
        if output.for_parts and output.delay_s is None and output.delay_counts is None:
            yield from _deadline(i, output, lines.get(output.line, 0.0))
    takers = dict(taken)
    for i, one in enumerate(inputs):
        for key, what, remedy in one.faults():
            yield ["input", i, key], what, remedy
        yield from _coupler("input", i, one, named)
        yield from _line_and_source("input", i, one, lines, sources)
        if one.use != "trigger" or not one.source:
            continue
        if (first := takers.setdefault(one.source, one.name)) != one.name:
            what = f"the source {one.source} takes the pictures of {first}"
            yield ["input", i, "source"], what, "give each trigger a source of its own"
        if one.source in alone:
            yield ["input", i, "source"], f"the source {one.source} {alone[one.source]}", FOR_TRIGGERS
    yield from _same_place(outputs, inputs, named)


def _coupler(
    section: str, i: int, one: OutputSettings | InputSettings, named: Mapping[str, AnyCoupler]
) -> Iterator[SectionFault]:
    coupler = named.get(one.coupler)
    if coupler is None:
        remedy = suggestion(one.coupler, sorted(named)) if named else "add a [[coupler]]"
        yield [section, i, "coupler"], f"there is no [[coupler]] named {one.coupler}", remedy
        return
    fault = coupler.output_fault(one) if isinstance(one, OutputSettings) else coupler.input_fault(one)
    if fault is not None:
        yield [section, i, "address"], *fault


def _line_and_source(
    section: str,
    i: int,
    one: OutputSettings | InputSettings,
    lines: Mapping[str, float],
    sources: Mapping[str, str],
) -> Iterator[SectionFault]:
    if one.line and one.line not in lines:
        remedy = suggestion(one.line, sorted(lines))
        yield [section, i, "line"], f"there is no [[line]] named {one.line}", remedy
    if one.source.startswith("http:"):
        return
    if one.source and (of := sources.get(one.source)) != one.line:
        if of is None:
            remedy = suggestion(one.source, [*sorted(sources), "http:CLIENT"])
            yield [section, i, "source"], f"there is no [[source]] named {one.source}", remedy
        else:
            what = f"the frames of the source {one.source} are judged by the line {of}"
            yield [section, i, "line"], what, f"set line to {of}, or name another source"


def _by_inputs(i: int, output: OutputSettings, inputs: Sequence[InputSettings]) -> Iterator[SectionFault]:
    for key, name, use in (("encoder", output.encoder, "encoder"), ("running", output.running, "running")):
        if not name:
            continue
        found = next((one for one in inputs if one.name == name and one.use == use), None)
        if found is None:
            what = f"there is no [[input]] named {name} with use = {use!r}"
            yield ["output", i, key], what, f"add one, or remove {key}"
        elif found.coupler != output.coupler:
            what = f"the input {name} is at the coupler {found.coupler}, the output at {output.coupler}"
            yield ["output", i, key], what, "wire both to one coupler, so that they are read together"


def _deadline(i: int, output: OutputSettings, due: float) -> Iterator[SectionFault]:
    if output.verdict_s < due:
        what = f"verdict_s ({output.verdict_s:g}) is below the time of the line {output.line} ({due:g})"
        remedy = "raise it, or lower deadline_s of the line, or within_s of its parts"
        yield ["output", i, "verdict_s"], what, remedy


def _same_place(
    outputs: Sequence[OutputSettings], inputs: Sequence[InputSettings], named: Mapping[str, AnyCoupler]
) -> Iterator[SectionFault]:
    used: dict[tuple[str, str], str] = {}
    ones: list[tuple[str, int, OutputSettings | InputSettings]] = []
    ones += [("output", i, output) for i, output in enumerate(outputs)]
    ones += [("input", i, one) for i, one in enumerate(inputs)]
    for section, i, one in ones:
        if (coupler := named.get(one.coupler)) is not None:
            first = used.setdefault((one.coupler, coupler.place(one.address)), one.name)
            if first != one.name:
                what = f"{first} is at {one.address} of this coupler already"
                yield [section, i, "address"], what, "give each an address of its own"
