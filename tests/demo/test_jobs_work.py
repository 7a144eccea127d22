"""Do jobs really run, and do they find what is in the images?"""

import base64
from typing import Any

import numpy as np
import pytest

from gateway.demo.jobs import images
from gateway.demo.jobs.records import MAX_IMAGES


def pixels_of(jobs: Any, uid: str) -> Any:
    parts = jobs.call("get_image", uid, 1, "ndarray")["$ndarray"]
    return np.frombuffer(base64.b64decode(parts["base64"]), parts["dtype"]).reshape(parts["shape"])


def test_it_starts_with_a_project_a_workspace_and_micrographs(fresh_jobs: Any) -> None:
    assert [project["uid"] for project in fresh_jobs.call("list_projects")] == ["P1"]
    assert fresh_jobs.call("get_project", "P1")["title"] == "Demonstration"
    assert [workspace["uid"] for workspace in fresh_jobs.call("list_workspaces", "P1")] == ["W1"]
    listed = fresh_jobs.call("list_images")
    assert [image["uid"] for image in listed] == ["M1", "M2", "M3", "M4", "M5", "M6"]
    assert all(image["source"] == "microscope" and image["shape"] == [128, 128] for image in listed)
    assert fresh_jobs.call("get_version") == "1.0.0"


def test_projects_and_workspaces_are_made_and_found_again(fresh_jobs: Any) -> None:
    assert fresh_jobs.call("create_project", title="Second", description="more") == "P2"
    assert fresh_jobs.call("create_workspace", "P2", "Tests") == "W2"
    made = fresh_jobs.call("get_project", "P2")
    assert (made["title"], made["description"], made["workspaces"]) == ("Second", "more", ["W1", "W2"])
    job = fresh_jobs.call("make_job", "blur", "P2", "W2")
    assert fresh_jobs.call("get_workspace", "P2", "W2")["jobs"] == [job]
    assert fresh_jobs.call("get_workspace", "P2", "W1")["jobs"] == []
    assert fresh_jobs.call("get_workspace", "P2", "W3").code == 404
    assert fresh_jobs.call("create_project", "").code == -32602


def test_counting_finds_every_particle_where_it_was_put(jobs: Any) -> None:
    uid = jobs.finish("count_particles")
    found = jobs.call("get_job_result", "P1", uid, "particles")
    for seed, entry in enumerate(found):
        truth = images.synthesize(seed, particles=8 + seed).particles
        assert entry["count"] == len(truth) == 8 + seed
        for position in entry["positions"]:
            assert np.hypot(*(truth - position).T).min() < 2
    assert jobs.call("get_job_result", "P1", uid)["total"] == sum(entry["count"] for entry in found)


def test_blurring_makes_images_with_less_noise(jobs: Any) -> None:
    uid = jobs.finish("blur", sigma=3)
    blurred = jobs.call("get_job_result", "P1", uid, "blurred")
    assert len(blurred) == 6
    assert [image["uid"] for image in jobs.call("list_images", f"P1.{uid}")] == blurred
    before, after = jobs.call("image_statistics", "M1"), jobs.call("image_statistics", blurred[0])
    assert after["std"] < before["std"]
    assert after["mean"] == pytest.approx(before["mean"], abs=1e-3)
    assert np.array_equal(pixels_of(jobs, blurred[0]), images.blur(pixels_of(jobs, "M1"), 3))


def test_a_threshold_splits_the_pixels_in_two(jobs: Any) -> None:
    uid = jobs.finish("threshold", level=0.5)
    result = jobs.call("get_job_result", "P1", uid)
    mask = pixels_of(jobs, result["masks"][0])
    assert np.array_equal(mask, pixels_of(jobs, "M1") >= 0.5)
    assert result["fractions"]["exposure 1"] == pytest.approx(mask.mean())


def test_an_average_is_the_mean_of_its_inputs(jobs: Any) -> None:
    uid = jobs.call("make_job", "average", "P1")
    assert jobs.call("connect_job_input", "P1", uid, "micrographs", ["M1", "M3"]) is True
    jobs.call("enqueue_job", "P1", uid, "csworker")
    assert jobs.call("wait_job", "P1", uid) == "completed"
    (made,) = jobs.call("get_job_result", "P1", uid, "average")
    expected = (pixels_of(jobs, "M1") + pixels_of(jobs, "M3")) / 2
    assert np.allclose(pixels_of(jobs, made), expected, atol=1e-6)


def test_the_average_particle_is_bright_in_the_middle(jobs: Any) -> None:
    uid = jobs.finish("average_particles", box=16)
    result = jobs.call("get_job_result", "P1", uid)
    particle = pixels_of(jobs, result["average"][0])
    assert particle.shape == (16, 16)
    assert abs(np.array(np.unravel_index(particle.argmax(), particle.shape)) - 8).max() <= 1
    assert result["particles"] > 50


def test_exposures_that_a_job_takes_can_be_worked_on_by_the_next(jobs: Any) -> None:
    first = jobs.finish("acquire", count=2, particles=9, seconds=0, seed=77)
    taken = jobs.call("get_job_result", "P1", first, "micrographs")
    second = jobs.call("make_job", "count_particles", "P1")
    jobs.call("connect_job_input", "P1", second, "micrographs", taken)
    jobs.call("enqueue_job", "P1", second)
    assert jobs.call("wait_job", "P1", second) == "completed"
    assert jobs.call("get_job_result", "P1", second)["total"] == 18
    assert np.array_equal(pixels_of(jobs, taken[0]), images.synthesize(77, particles=9).pixels)


def test_an_image_comes_as_lists_or_as_ndarray_and_binned(jobs: Any) -> None:
    whole = pixels_of(jobs, "M1")
    assert np.array_equal(np.array(jobs.call("get_image", "M1"), np.float32), whole)
    small = np.array(jobs.call("get_image", image_uid="M1", binning=4), np.float32)
    assert np.allclose(small, whole.reshape(32, 4, 32, 4).mean(axis=(1, 3)), atol=1e-6)
    assert jobs.call("get_image", "M1", 129).code == -32602
    assert jobs.call("get_image", "M1", 1, "pickle").code == -32602


def test_an_imported_image_is_kept_in_either_form_and_can_be_deleted(jobs: Any) -> None:
    mine = np.arange(12, dtype="<f8").reshape(3, 4)
    text = base64.b64encode(mine.tobytes()).decode()
    packed = {"$ndarray": {"base64": text, "dtype": "<f8", "shape": [3, 4]}}
    uids = [jobs.call("import_image", "mine", form) for form in (mine.tolist(), packed)]
    for uid in uids:
        assert np.array_equal(pixels_of(jobs, uid), mine)
        assert jobs.call("image_statistics", uid)["max"] == 11
        assert jobs.call("delete_image", uid) is True
        assert jobs.call("delete_image", uid).code == 404
    assert jobs.call("delete_image", "M1").code == 409


@pytest.mark.parametrize(
    "pixels",
    [
        "text",
        [],
        [[]],
        [1, 2],
        [[1], [2, 3]],
        [["a"]],
        [[None]],
        [[float("nan")]],
        [[1e300]],
        [[10**30]],
        [[{"a": 1}]],
        [[[1]]],
        {"$ndarray": 1},
        {"$ndarray": {"base64": "!", "dtype": "<f4", "shape": [1, 1]}},
        {"$ndarray": {"base64": "AAAA", "dtype": "<f4", "shape": [1, 1]}},
        {"$ndarray": {"base64": "AAAAAAAAAAA=", "dtype": "|O", "shape": [1, 1]}},
        {"$ndarray": {"base64": "AAAAAAAAAAA=", "dtype": "<c8", "shape": [1, 1]}},
        {"$ndarray": {"base64": "AAAAAA==", "dtype": "no", "shape": [1, 1]}},
        {"$ndarray": {"base64": "AAAAAA==", "dtype": "<f4,<f4", "shape": [1, 1]}},
        {"$ndarray": {"base64": "AAAAAA==", "dtype": "<f4", "shape": [-1, -1]}},
        {"$ndarray": {"base64": "AAAAAA==", "dtype": "<f4", "shape": [1, True]}},
    ],
)
def test_what_is_no_image_is_refused(pixels: Any, jobs: Any) -> None:
    assert jobs.call("import_image", "bad", pixels).code == -32602


def test_the_number_of_images_is_bounded(fresh_jobs: Any) -> None:
    batch = [
        {"jsonrpc": "2.0", "id": n, "method": "import_image", "params": [str(n), [[n]]]}
        for n in range(MAX_IMAGES)
    ]
    answers = fresh_jobs.answer(batch)
    assert [answer["error"]["code"] for answer in answers if "error" in answer] == [409] * 6
    uid = fresh_jobs.finish("blur")
    assert fresh_jobs.call("get_job_status", "P1", uid) == "failed"
