"""What does the high-level client of cryosparc-tools 4 get? Its outcomes, as JSON.

`cryosparc4_calls.py LICENSE PORT`: the three servers are at PORT + 2, + 3 and + 5. What is not called: `print_job_types`,
`inspect_targets` and the like, which print; `subprocess`, which runs a program; `wait_for_status` of jobs that never end.
"""

import hashlib
import io
import json
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import numpy as np
from cryosparc.dataset import Dataset
from cryosparc.tools import CryoSPARC

warnings.simplefilter("ignore")


def shown(value):
    if isinstance(value, Dataset):
        out = io.BytesIO()
        value.save(out)
        return [
            "dataset",
            len(value),
            sorted(value.fields()),
            hashlib.sha256(np.ascontiguousarray(value["uid"]).tobytes()).hexdigest()[:12],
        ]
    if isinstance(value, bytes):
        return ["bytes", len(value), hashlib.sha256(value).hexdigest()[:12]]
    if isinstance(value, dict):
        return {str(key): shown(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(one) for one in value]
    return (
        value
        if value is None or isinstance(value, (bool, int, float, str))
        else f"{type(value).__name__} {value}"
        if isinstance(value, Path)
        else str(value)
    )


def main(license_id, port):
    outcomes = {}

    def call(label, function, /, *args, **kwargs):
        try:
            value = function(*args, **kwargs)
        except BaseException as error:
            outcomes[label] = [
                "error",
                type(error).__name__,
                str(error).splitlines()[0][:200] if str(error) else "",
            ]
            if "--trace" in sys.argv:
                traceback.print_exc()
            return None
        outcomes[label] = [
            "value",
            shown(value) if not hasattr(value, "uid") else f"{type(value).__name__} {value.uid}",
        ]
        return value

    cs = call(
        "construct",
        CryoSPARC,
        license=license_id,
        host="127.0.0.1",
        base_port=int(port),
        email="ada@lab.org",
        password="x",
    )
    if cs is None:
        print(json.dumps(outcomes))
        return
    outcomes["construct"] = ["value", type(cs).__name__]
    call("test_connection", cs.test_connection)
    for name in ("get_lanes", "get_targets", "get_job_sections"):
        call(name, getattr(cs, name))
    project = call("find_project", cs.find_project, "P3")
    call("find_project.unknown", cs.find_project, "P99")
    call("project.doc", lambda: project.doc["title"])
    call("project.dir", project.dir)
    workspace = call("create_workspace", cs.create_workspace, "P3", "Mine", "of mine")
    call("find_workspace", cs.find_workspace, "P3", workspace.uid)
    job = call(
        "create_job",
        cs.create_job,
        "P3",
        workspace.uid,
        "import_micrographs",
        title="in",
        params={"box_size": 64},
    )
    call("job.set_param", job.set_param, "box_size", 128)
    call("job.queue", job.queue, lane="default")
    call("job.status", lambda: job.status)
    call("job.wait_for_done", job.wait_for_done, timeout=5)
    call("job.set_param.late", job.set_param, "box_size", 1)
    call("job.clear", job.clear)
    call("job.kill", job.kill)
    call("job.dir", job.dir)
    call("job.log", job.log, "hello")
    call("job.log_checkpoint", job.log_checkpoint, {"n": 2**60})
    call("job.list_assets", job.list_assets)
    call("job.interact", job.interact, "act", {"x": [1.5, 2**63]})
    dataset = Dataset.allocate(50, [("location/center_x_frac", "f4"), ("ctf/df1_A", "f4")])
    dataset["uid"] = np.arange(1, 51, dtype=np.uint64) + np.uint64(2**63)
    saved = call(
        "save_external_result",
        cs.save_external_result,
        "P3",
        workspace.uid,
        dataset,
        "particle",
        name="particles",
        title="mine",
    )
    call(
        "save_external_result.bad_slots",
        lambda: cs.vis.create_external_result(
            project_uid="P3", workspace_uid="W1", type="particle", slots=["nothing"], user="x"
        ),
    )
    bad = Dataset.allocate(1, [("nothing/x", "f4")])
    call("save_external_result.invalid", cs.save_external_result, "P3", workspace.uid, bad, "particle")
    external = call("find_external_job", cs.find_external_job, "P3", saved)
    call("external.status", lambda: external.status)
    call("find_external_job.other", cs.find_external_job, "P3", job.uid)
    made = call("create_external_job", cs.create_external_job, "P3", workspace.uid, title="outside")
    call("add_input", made.add_input, "particle", "input_particles")
    call("connect", made.connect, "input_particles", saved, "particles")
    call("load_input", made.load_input, "input_particles")
    call("load_input.unknown", made.load_input, "nothing")
    call("add_output", made.add_output, "particle", "out", slots=["location"])
    call("run", lambda: made.start("running"))
    call("save_output", lambda: made.save_output("out", dataset))
    call("stop", made.stop)
    call("list_files", cs.list_files, "P3")
    call("download", lambda: cs.download("P3", "notes.txt").__enter__().read())
    call("download.unknown", lambda: cs.download("P3", "nothing.txt").__enter__().read())
    with tempfile.TemporaryDirectory() as folder:
        call("download_file", cs.download_file, "P3", "notes.txt", str(Path(folder) / "notes.txt"))
        outcomes["download_file"] = ["value", (Path(folder) / "notes.txt").read_bytes().decode()]
        call("download_asset", cs.download_asset, "5f00", str(Path(folder) / "plot.png"))
        outcomes["download_asset"] = ["value", shown((Path(folder) / "plot.png").read_bytes())]
    call("download_dataset", cs.download_dataset, "P3", f"{saved}/particles.cs")
    call("upload", cs.upload, "P3", "up.bin", io.BytesIO(bytes(range(256)) * 9000))
    call("upload.exists", cs.upload, "P3", "up.bin", io.BytesIO(b"x"))
    call("upload.overwrite", cs.upload, "P3", "up.bin", io.BytesIO(b"x"), overwrite=True)
    call("uploaded", lambda: cs.download("P3", "up.bin").__enter__().read())
    call("upload_dataset", cs.upload_dataset, "P3", "d.cs", dataset)
    call("upload_asset", job.upload_asset, io.BytesIO(b"\x89PNG x"), filename="x.png", format="png")
    call("mkdir", cs.mkdir, "P3", "folder", parents=True)
    call("cp", cs.cp, "P3", "notes.txt", "copy.txt")
    call("symlink", cs.symlink, "P3", "notes.txt", "link.txt")
    call("cli.total", cs.cli.get_total, [2**64 - 1, 1])
    call("cli.keywords", lambda: cs.cli.get_job(project_uid="P3", job_uid=job.uid)["uid"])
    call("cli.unknown_job", cs.cli.get_job, "P3", "J9999")
    call("cli.missing_argument", cs.cli.get_job, "P3")
    call("rtp.sessions", cs.rtp.list_sessions, "P3")
    call("rtp.test_connection", cs.rtp.test_connection)
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main(*[one for one in sys.argv[1:] if not one.startswith("--")])
