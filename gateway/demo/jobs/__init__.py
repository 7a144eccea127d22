"""How does a small upstream look? A job manager over JSON-RPC 2.0, in the shapes of CryoSPARC 4.

`python -m gateway.demo.jobs --port 0` starts it. The parts, in the order in which a call meets them:

* `http`: reads the request, `POST /api`
* `rpc`: finds the method, checks the parameters, describes all methods (`system.describe`)
* `projects`, `library`, `manager`: the methods themselves, plain typed functions
* `records`: what the service remembers, behind one lock
* `lanes`: threads that run queued jobs
* `kinds`, `images`: what a job does, with numpy, to the micrographs that are made at start
"""
