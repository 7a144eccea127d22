"""How does a django-modern-rpc server behave? `POST /jsonrpc`, listed by system.listMethods."""

import django
from django.conf import settings

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="not secret", USE_TZ=True)
django.setup()

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from functions import OFFERED  # noqa: E402
from modernrpc.server import RpcServer  # noqa: E402
from running import run  # noqa: E402

rpc = RpcServer()
for name, function in OFFERED.items():
    rpc.register_procedure(function, name=name)

urlpatterns = [path("jsonrpc", rpc.view)]

if __name__ == "__main__":
    server = ThreadedWSGIServer(("127.0.0.1", 0), WSGIRequestHandler)
    server.set_app(get_wsgi_application())
    run(server, server.server_port)
