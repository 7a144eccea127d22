"""How does a jsonrpclib-pelix server behave? `POST /`, listed by system.listMethods."""

from socketserver import ThreadingMixIn

from functions import OFFERED
from jsonrpclib.SimpleJSONRPCServer import SimpleJSONRPCServer
from running import run


class Server(ThreadingMixIn, SimpleJSONRPCServer):
    """One thread for each connection."""

    daemon_threads = True


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), logRequests=False)
    server.register_introspection_functions()
    for name, function in OFFERED.items():
        server.register_function(function, name)
    run(server, server.server_address[1])
