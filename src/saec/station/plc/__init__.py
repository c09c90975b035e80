"""PLCs: a handshake over whichever way a PLC is reached. A way is a file here, and a name in ``AnyPlc``."""
