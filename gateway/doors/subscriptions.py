"""Of what is the caller of one WebSocket told, beside the answers to their calls?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import orjson

from gateway.core.catalog import View
from gateway.core.faults import Fault, Forbidden, InvalidParams
from gateway.core.topics import (
    SUBSCRIBE,
    UNSUBSCRIBE,
    OfCache,
    OfCatalog,
    OfJob,
    subscription_of,
    topic_of,
)
from gateway.doors.job_watch import Asker, JobWatch, JobWatches, News, failed
from gateway.relay import Relay

if TYPE_CHECKING:
    from gateway.doors.line import Line

MOST: Final = 64
"""Subscriptions of one connection."""
_MOST_NAMES: Final = 1000
"""Methods that one notification names."""


class _Catalog:
    """The list of methods, as the caller knows it."""

    def __init__(self, view: View) -> None:
        self._version = view.version
        self._names = frozenset(view.names)

    def news(self, view: View) -> dict[str, Any] | None:
        if view.version == self._version:
            return None
        before, after = self._names, frozenset(view.names)
        self._version, self._names = view.version, after
        added, removed = sorted(after - before), sorted(before - after)
        said = {"version": view.version, "added": added[:_MOST_NAMES], "removed": removed[:_MOST_NAMES]}
        return said | ({"more": True} if max(len(added), len(removed)) > _MOST_NAMES else {})


class _Cache:
    """What is stored of some methods, and under some tags."""

    def __init__(
        self, topic: OfCache, view: View, read: Callable[[tuple[str, ...]], tuple[int, ...]]
    ) -> None:
        self._topic = topic
        self._read = read
        self._tags: tuple[View | None, set[str]] = (None, set())
        self._known = self._now(view)

    def _now(self, view: View) -> dict[tuple[str, str], tuple[int, ...]]:
        """The counters of what the caller may still call, by its kind and name."""
        found: dict[tuple[str, str], tuple[int, ...]] = {}
        for name in self._topic.methods:
            method = view.get(name)
            if method is not None:
                found["methods", name] = self._read(method.lineage)
        if self._topic.tags:
            if self._tags[0] is not view:
                self._tags = (view, tags_of(view).intersection(self._topic.tags))
            for tag in self._tags[1]:
                found["tags", tag] = self._read((f"tag:{tag}",))
        return found

    def news(self, view: View) -> dict[str, Any] | None:
        before, now = self._known, self._now(view)
        self._known = now
        changed = [one for one, counters in now.items() if before.get(one, counters) != counters]
        if not changed:
            return None
        return {kind: sorted(name for of, name in changed if of == kind) for kind in ("methods", "tags")}


def tags_of(view: View) -> set[str]:
    """The tags of what the caller may call: of others they need not know."""
    return {tag for method in view.methods if method.cache is not None for tag in method.cache.tags}


class Subscriptions:
    """What one connection has subscribed to; `own` are the methods by which it does."""

    def __init__(
        self,
        line: Line,
        relay: Relay,
        jobs: JobWatches,
        generations: Callable[[tuple[str, ...]], tuple[int, ...]],
    ) -> None:
        self.own: Mapping[str, Callable[[bytes | None], bytes]] = {
            SUBSCRIBE: self._subscribe,
            UNSUBSCRIBE: self._unsubscribe,
        }
        self._line = line
        self._relay = relay
        self._jobs = jobs
        self._generations = generations
        self._numbers = count(1)
        self._catalogs: dict[str, _Catalog | _Cache] = {}
        self._caches: dict[str, _Catalog | _Cache] = {}
        self._watched: dict[str, tuple[JobWatch, Asker]] = {}

    def _view(self) -> View:
        access = self._relay.policies.access(self._line.principal)
        return self._relay.catalog.view(access, self._line.datastack)

    def _subscribe(self, params: bytes | None) -> bytes:
        topic = topic_of(params)
        if len(self._catalogs) + len(self._caches) + len(self._watched) >= MOST:
            raise InvalidParams(f"A connection has at most {MOST} subscriptions: end one of them first.")
        view, name = self._view(), str(next(self._numbers))
        match topic:
            case OfCatalog():
                self._catalogs[name] = _Catalog(view)
            case OfCache():
                self._check(topic, view)
                self._caches[name] = _Cache(topic, view, self._generations)
            case OfJob():
                self._watch(name, topic)
        return orjson.dumps({"subscription": name})

    def _check(self, topic: OfCache, view: View) -> None:
        for method in topic.methods:
            principal = self._line.principal
            self._relay.permit(principal, self._relay.find(method, self._line.datastack, principal))
        unknown = set(topic.tags) - tags_of(view)
        if unknown:
            raise InvalidParams(f"No method that you may call has the tag {min(unknown)!r}.")

    def _watch(self, name: str, topic: OfJob) -> None:
        line, relay = self._line, self._relay
        method = relay.find(topic.method, line.datastack, line.principal)

        def hear(news: News) -> None:
            if not relay.policies.access(line.principal).allows(method.qualified):
                news = failed(Forbidden(f"You may not call {topic.method!r} any more."), topic.method)
            if news.last:
                self._end(name)
            said = _said(name, news)
            line.tell(f"job {name}", "job.progress", lambda: said)

        asker = Asker(lambda: line.principal, line.datastack, line.client, hear)
        watch = self._jobs.join(topic.method, topic.params, asker)
        if watch.news is None or not watch.news.last:
            self._watched[name] = (watch, asker)

    def _unsubscribe(self, params: bytes | None) -> bytes:
        name = subscription_of(params)
        known = self._catalogs.pop(name, None) or self._caches.pop(name, None)
        return b"true" if self._end(name) or known is not None else b"false"

    def _end(self, name: str) -> bool:
        """Hear no more of a job; whether anything was to be heard."""
        watched = self._watched.pop(name, None)
        if watched is not None:
            watched[0].leave(watched[1])
        return watched is not None

    def look(self) -> None:
        """Something has changed: tell what of it was asked for."""
        for topics, method in ((self._catalogs, "rpc.catalog"), (self._caches, "rpc.cache")):
            for name in topics:
                self._line.tell(f"{method} {name}", method, partial(self._news, name))

    def _news(self, name: str) -> dict[str, Any] | None:
        """What is new for a subscription since it was told of something, None for nothing."""
        topic = self._catalogs.get(name) or self._caches.get(name)
        try:
            news = None if topic is None else topic.news(self._view())
        except Fault:
            return None  # the datastack is no more: each call says so
        return None if news is None else {"subscription": name, **news}

    def close(self) -> None:
        """The connection is over."""
        self._catalogs.clear()
        self._caches.clear()
        watched, self._watched = self._watched, {}
        for watch, asker in watched.values():
            watch.leave(asker)


def _said(name: str, news: News) -> dict[str, Any]:
    """The news of a job as its notification says them."""
    progress = news.progress
    said: dict[str, Any] = {
        "subscription": name,
        "over": news.last,
        "failed": progress.failed or news.error is not None,
    }
    if progress.state is not None:
        said["state"] = progress.state
    if progress.part is not None:
        said["progress"] = progress.part
    if news.result is not None:
        said["result"] = orjson.Fragment(news.result)
    if news.error is not None:
        said["error"] = orjson.Fragment(news.error)
    return said
