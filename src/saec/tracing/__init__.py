"""One trace for each frame, from its arrival to its verdict, across programs: OpenTelemetry, by option alone.

Without an endpoint nothing of OpenTelemetry is imported and nothing is sent. A span's way to its collector
is in ``saec.tracing.otlp_tracer``; all other rooms know ``saec.tracing.tracers`` alone.
"""
