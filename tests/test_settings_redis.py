"""Laws of `cache.redis`: an address is read whole or refused with a fix, and its secrets go nowhere."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr
from pydantic_core import PydanticCustomError

from gateway.settings import SettingsError, examine, load
from gateway.settings.redis import RedisUrl, redis_url

SECRET = "hunter2-of-the-lab"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("redis://valkey", RedisUrl("valkey", 6379, 0, False)),
        ("redis://valkey:6380/3", RedisUrl("valkey", 6380, 3, False)),
        ("rediss://cache.lab.org/", RedisUrl("cache.lab.org", 6379, 0, True)),
        ("redis://[::1]:7000/1", RedisUrl("::1", 7000, 1, False)),
        ("redis://ada:p%40ss@h", RedisUrl("h", 6379, 0, False, "ada", SecretStr("p@ss"))),
        ("redis://:only@h", RedisUrl("h", 6379, 0, False, None, SecretStr("only"))),
        (
            "redis-sentinel://ada:p%40ss@one:26380,two,[::1]:3/lab/2",
            RedisUrl(
                "one",
                26380,
                2,
                False,
                "ada",
                SecretStr("p@ss"),
                False,
                "sentinels",
                (("two", 26379), ("::1", 3)),
                "lab",
            ),
        ),
        ("rediss-sentinel://one/lab", RedisUrl("one", 26379, 0, True, kind="sentinels", master="lab")),
        (
            "redis-cluster://one,two:7001",
            RedisUrl("one", 6379, 0, False, kind="cluster", others=(("two", 7001),)),
        ),
        ("rediss-cluster://one/0", RedisUrl("one", 6379, 0, True, kind="cluster")),
    ],
)
def test_an_address_says_host_port_database_user_and_password(written, meant):
    found = redis_url(written)
    assert found == meant
    open_one = replace(found, user=None, password=None)
    assert redis_url(str(found)) == open_one, "it is shown as it may be written"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("http://valkey", "does not begin with redis://"),
        ("valkey:6379", "does not begin with redis://"),
        ("redis://", "no valid host or port"),
        ("redis://h:0", "no valid host or port"),
        ("redis://h:99999", "no valid host or port"),
        ("redis://-h", "no valid host or port"),
        ("redis://h/zero", "no number of a database"),
        ("redis://h/0?socket_timeout=3", "a query or a fragment"),
        ("redis://h/0#x", "a query or a fragment"),
        ("redis://a b", "cannot hold"),
        ("redis://one,two", "no valid host or port"),
        ("redis-cluster://one,,two", "no valid host or port"),
        ("redis-cluster://one/1", "no databases but 0"),
        ("redis-sentinel://one", "does not name the master"),
        ("redis-sentinel://one/0/1/2", "no number of a database"),
        ("", "found none"),
        (6379, "expected text"),
    ],
)
def test_what_is_no_address_is_refused_with_a_fix(written, words):
    with pytest.raises(PydanticCustomError) as caught:
        redis_url(written)
    assert words in str(caught.value)
    assert caught.value.context["fix"]


def written(tmp_path: Path, **redis: object) -> Path:
    file = tmp_path / "labgate.yaml"
    file.write_text(yaml.safe_dump({"cache": {"redis": redis}}))
    return file


def test_keys_beside_the_address_go_over_it(tmp_path):
    settings = load(
        written(
            tmp_path, url="redis://ada:${env:IN_URL}@h/2", user="bob", password="${env:BESIDE}", ca="ca.pem"
        ),
        {"IN_URL": "in-url", "BESIDE": "beside"},
    )
    assert settings.cache.redis is not None
    assert settings.cache.redis.place() == {
        "host": "h",
        "port": 6379,
        "database": 2,
        "tls": False,
        "user": "bob",
        "password": "beside",
        "ca": tmp_path / "ca.pem",
        "kind": "server",
        "others": (),
        "master": "",
        "sentinel_password": None,
        "key": "{labgate}:",
    }
    alone = load(written(tmp_path, url="redis://ada:${env:IN_URL}@h/2"), {"IN_URL": "in-url"}).cache.redis
    assert alone is not None
    assert (alone.place()["user"], alone.place()["password"]) == ("ada", "in-url")


def test_no_secret_of_it_is_shown(tmp_path):
    file = written(tmp_path, url="redis://ada:${env:P}@h/2", password="${env:P}")
    settings, problems = examine(file, {"P": SECRET})
    assert settings is not None
    shown = repr(settings) + str(settings) + settings.model_dump_json() + repr(problems)
    assert SECRET not in shown
    file = written(tmp_path, url="redis://ada:${env:P}@h/2?x", password="${env:P}", timeout="never")
    with pytest.raises(SettingsError) as caught:
        load(file, {"P": SECRET})
    assert SECRET not in str(caught.value) + repr(caught.value.problems)


@pytest.mark.parametrize(
    ("redis", "path"),
    [
        ({}, "cache.redis.url"),
        ({"url": "redis://h", "prefix": "{a}"}, "cache.redis.prefix"),
        ({"url": "redis://h", "prefix": "a b"}, "cache.redis.prefix"),
        ({"url": "redis://h", "timeout": "0s"}, "cache.redis.timeout"),
        ({"url": "redis://h", "max_size": "much"}, "cache.redis.max_size"),
        ({"url": "redis://h", "tls": True}, "cache.redis.tls"),
    ],
)
def test_a_bad_key_is_named_by_its_path(tmp_path, redis, path):
    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, **redis), {})
    assert path in {found.path for found in caught.value.problems}
