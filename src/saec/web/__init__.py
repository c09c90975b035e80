"""The web room: what the two programs that listen share, the station and the cloud's service.

Tokens, addresses, bounded bodies, common routes, a server that leaves signals alone, and logs.
"""
