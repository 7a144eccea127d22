"""An API like CryoSPARC 5's: FastAPI with names in `summary`, log-in by a form, arrays as `$ndarray`, streams under 201."""

# ruff: noqa: B008 - so FastAPI is told of parameters
import base64
import hashlib
import json
import os
import socket
import sys
import threading

import uvicorn
from fastapi import Body, Depends, FastAPI, Form, Header, HTTPException, Request, Response
from pydantic import BaseModel

app = FastAPI(title="CryoSPARC like", version="5.0.3", root_path="")
TOKEN = "bearer-of-the-upstream"
FILES = {"notes.txt": b"Notes of P3.\n"}


class Token(BaseModel):
    """What a log-in gives."""

    access_token: str
    token_type: str


def user(authorization: str = Header(default="")) -> str:
    if authorization != f"Bearer {TOKEN}":
        raise HTTPException(401, {"message": "log in first"})
    return "ada"


@app.post("/auth/login", summary="login")
def login(
    username: str = Form(), password: str = Form(), grant_type: str = Form(default="password")
) -> Token:
    if password != hashlib.sha256(b"secret").hexdigest():
        raise HTTPException(401, {"message": "wrong password"})
    return Token(access_token=TOKEN, token_type="bearer")


@app.get("/projects/{project_uid}", summary="projects.find_one")
def find_project(project_uid: str, who: str = Depends(user)):
    return {"uid": project_uid, "owner": who, "big": 2**60}


@app.get("/projects", summary="projects.find")
def find_projects(order: int = 1, limit: int = 10, who: str = Depends(user)):
    return [{"uid": f"P{at}"} for at in range(1, limit + 1)][::order]


@app.post("/jobs/{project_uid}/echo", summary="jobs.echo")
def echo(project_uid: str, body: dict = Body(title="Spec"), who: str = Depends(user)):
    return {"project": project_uid, "spec": body}


@app.post("/jobs/{project_uid}/total", summary="jobs.total")
def total(project_uid: str, body: dict = Body(title="Values"), who: str = Depends(user)):
    form = body["$ndarray"]
    data = base64.b64decode(form["base64"])
    return {"bytes": len(data), "dtype": form["dtype"], "shape": form["shape"]}


@app.delete("/jobs/{project_uid}", summary="jobs.delete", status_code=204)
def delete(project_uid: str, who: str = Depends(user)):
    return Response(status_code=204)


STREAM = {
    201: {
        "description": "a file",
        "content": {
            "application/octet-stream": {"schema": {"title": "File", "format": "binary", "type": "string"}}
        },
    }
}


@app.get(
    "/assets/{name}", summary="assets.download", status_code=201, responses=STREAM, response_class=Response
)
def download(name: str, who: str = Depends(user)):
    if name not in FILES:
        raise HTTPException(404, {"message": f"no file {name}"})
    return Response(FILES[name], 201, media_type="application/octet-stream")


@app.put(
    "/assets/{name}",
    summary="assets.upload",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {
                    "schema": {"title": "Stream", "format": "binary", "type": "string"}
                }
            },
        }
    },
)
async def upload(name: str, request: Request, who: str = Depends(user)):
    FILES[name] = await request.body()
    return {"size": len(FILES[name]), "kind": request.headers["content-type"]}


DATASET = "application/x-cryosparc-dataset"
SENT = {DATASET: {"schema": {"title": "Dataset", "format": "binary", "type": "string"}}}


@app.get(
    "/datasets/{name}",
    summary="datasets.download",
    status_code=201,
    responses={201: {"description": "a dataset", "content": SENT}},
    response_class=Response,
)
def download_dataset(name: str, who: str = Depends(user)):
    return Response(FILES[name], 201, media_type=DATASET)


@app.put(
    "/datasets/{name}",
    summary="datasets.upload",
    openapi_extra={"requestBody": {"required": True, "content": SENT}},
)
async def upload_dataset(name: str, request: Request, who: str = Depends(user)):
    FILES[name] = await request.body()
    return {"size": len(FILES[name]) > 0, "kind": request.headers["content-type"]}


@app.exception_handler(HTTPException)
async def told(_, error):
    return Response(json.dumps({"detail": error.detail}), error.status_code, media_type="application/json")


def _end_with_input() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"ready http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listening])
