"""Which commands does `labgated` have? Each is a module here, imported only when it is chosen.

A command's module has `add_arguments(parser)` and `run(args) -> int`, which returns the exit status.
"""

COMMANDS: dict[str, str] = {
    "demo": "start a small lab and a gate in front of it, to try things out",
    "init": "write a first settings file, by asking the services what they are",
    "serve": "run the gate",
    "check": "report every problem of a settings file at once",
    "token": "create, list and revoke tokens",
    "reload": "have a running gate take its settings anew",
    "drain": "have a running gate end, when what it has begun has ended",
    "diff": "show what a reload of a running gate would change",
    "service": "drain, disable or enable a service, at a running gate",
    "usage": "show who uses what of a running gate",
    "times": "show how long the calls of each method take, at a running gate",
    "services": "show which services a running gate has, and how they fare",
    "status": "show how a running gate and its services fare",
    "refresh": "ask services again what they offer, and show what has changed",
    "explain": "say what would happen to a call, and why, without making it",
    "bench": "measure how fast a running gate answers, and what that costs it",
    "cache": "look into the cache of a running gate, fill it, or have it forget",
    "switch": "switch the cache or the lanes of a running gate on or off",
    "cordon": "take a service out of service, at a running gate",
    "uncordon": "take a service back into service",
}
"""Name and one line of help, in the order of `labgated --help`."""
