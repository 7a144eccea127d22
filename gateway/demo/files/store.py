"""What does the service remember? Images, tags and annotations, in a SQLite data base in memory."""

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from gateway.demo.files.errors import ConflictError, NotFoundError
from gateway.demo.files.pixels import Picture, from_blob, levels, to_blob
from gateway.demo.jobs.images import synthesize

MICROSCOPE = "microscope"
UPLOAD = "upload"
MAX_IMAGES = 200
MAX_ANNOTATIONS = 1000

_SCHEMA = """
CREATE TABLE tags (name TEXT PRIMARY KEY, parent TEXT REFERENCES tags);
CREATE TABLE images (
    number INTEGER PRIMARY KEY, uid TEXT UNIQUE NOT NULL, title TEXT UNIQUE NOT NULL, source TEXT NOT NULL,
    rows INTEGER NOT NULL, columns INTEGER NOT NULL, created_at TEXT NOT NULL, pixels BLOB NOT NULL
);
CREATE TABLE image_tags (
    image_uid TEXT NOT NULL REFERENCES images (uid), tag TEXT NOT NULL REFERENCES tags,
    PRIMARY KEY (image_uid, tag)
) WITHOUT ROWID;
CREATE TABLE annotations (
    number INTEGER PRIMARY KEY AUTOINCREMENT, image_uid TEXT NOT NULL REFERENCES images (uid),
    x REAL NOT NULL, y REAL NOT NULL, label TEXT NOT NULL, created_at TEXT NOT NULL
);
"""
_COLUMNS = "uid, title, source, rows, columns, created_at"
_BY_SOURCE = "(:source IS NULL OR source = :source)"
_BY_WORDS = "(? = '' OR instr(lower(title), lower(?)))"
_BY_TAG = """EXISTS (
    WITH RECURSIVE below (name) AS (
        VALUES (?) UNION SELECT tags.name FROM tags JOIN below ON tags.parent = below.name
    )
    SELECT 1 FROM image_tags JOIN below ON tag = name WHERE image_uid = images.uid
)"""

_TAGS = (
    ("sample", None), ("ribosome", "sample"), ("70S", "ribosome"), ("apoferritin", "sample"),
    ("quality", None), ("good ice", "quality"), ("thick ice", "quality"),
)  # fmt: skip
_FIRST_TAGS = (("70S", "good ice"), ("ribosome", "thick ice"), ("apoferritin", "good ice"))
_EXPOSURES = 6
_SIZE = 256

Record = dict[str, Any]


class Store:
    """All records, behind one lock; images of the microscope are there from the start. To be closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._base = sqlite3.connect(":memory:", check_same_thread=False)
        self._base.row_factory = sqlite3.Row
        self._base.executescript(_SCHEMA)
        self._base.execute("PRAGMA foreign_keys = ON")
        with self._base:
            self._base.executemany("INSERT INTO tags VALUES (?, ?)", _TAGS)
        for seed in range(_EXPOSURES):
            picture = synthesize(seed, size=_SIZE, particles=16 + seed).pixels
            made_at = datetime(2026, 1, 5, 9, seed, tzinfo=UTC)
            image = self.add_image(f"exposure {seed + 1}", picture, MICROSCOPE, made_at)
            self.update_image(image["uid"], tags=_FIRST_TAGS[seed % len(_FIRST_TAGS)])

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._base.close()

    # Images

    def add_image(self, title: str, picture: Picture, source: str, made_at: datetime) -> Record:
        """Keep an image and return its record. Raises ConflictError when the title is taken or there is no room."""
        rows, columns = picture.shape
        with self._lock, self._base:
            number = self._number("SELECT count(*) FROM images") + 1
            if number > MAX_IMAGES:
                raise ConflictError(f"the service keeps at most {MAX_IMAGES} images")
            self._refuse_taken(title, None)
            values = (number, f"I{number}", title, source, rows, columns, _text(made_at), to_blob(picture))
            self._base.execute("INSERT INTO images VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
            return self._image(f"I{number}")

    def image(self, uid: str) -> Record:
        """The record of an image, without its pixels. Raises NotFoundError."""
        with self._lock:
            return self._image(uid)

    def picture(self, uid: str) -> Picture:
        """The pixels of an image, shape (rows, columns). Raises NotFoundError."""
        with self._lock:
            self._image(uid)
            found = self._rows("SELECT pixels, rows, columns FROM images WHERE uid = ?", (uid,))[0]
        return from_blob(found["pixels"], found["rows"], found["columns"])

    def update_image(self, uid: str, title: str | None = None, tags: Sequence[str] | None = None) -> Record:
        """Give an image another title, other tags, or both. Raises NotFoundError, ConflictError."""
        with self._lock, self._base:
            self._image(uid)
            if title is not None:
                self._refuse_taken(title, uid)
                self._base.execute("UPDATE images SET title = ? WHERE uid = ?", (title, uid))
            if tags is not None:
                self._base.execute("DELETE FROM image_tags WHERE image_uid = ?", (uid,))
                for tag in dict.fromkeys(tags):
                    self._base.execute("INSERT OR IGNORE INTO tags VALUES (?, NULL)", (tag,))
                    self._base.execute("INSERT INTO image_tags VALUES (?, ?)", (uid, tag))
                self._forget_unused_tags()
            return self._image(uid)

    def images(self, source: str | None, limit: int, offset: int) -> tuple[list[Record], int]:
        """The records from `offset` on, at most `limit`, oldest first; and how many there are in all."""
        where = {"source": source, "limit": limit, "offset": offset}
        page = f"SELECT {_COLUMNS} FROM images WHERE {_BY_SOURCE} ORDER BY number LIMIT :limit OFFSET :offset"  # noqa: S608 - constants
        with self._lock:
            total = self._number(f"SELECT count(*) FROM images WHERE {_BY_SOURCE}", {"source": source})  # noqa: S608 - constants
            return [self._as_json(row) for row in self._rows(page, where)], total

    def search(self, words: str, tags: Sequence[str]) -> list[Record]:
        """The images whose title holds `words` and that carry each tag, or one that stands below it."""
        where = " AND ".join([_BY_WORDS, *(_BY_TAG for _ in tags)])
        with self._lock:
            found = self._rows(
                f"SELECT {_COLUMNS} FROM images WHERE {where} ORDER BY number",  # noqa: S608 - constants
                (words, words, *tags),
            )
            return [self._as_json(row) for row in found]

    def tags(self) -> list[Record]:
        """The tags that stand below no other, each with its `children`."""
        with self._lock:
            rows = self._rows("SELECT name, parent FROM tags ORDER BY rowid", ())
        nodes: dict[str, Record] = {row["name"]: {"name": row["name"], "children": []} for row in rows}
        for row in rows:
            if row["parent"] is not None:
                nodes[row["parent"]]["children"].append(nodes[row["name"]])
        return [nodes[row["name"]] for row in rows if row["parent"] is None]

    # Annotations

    def add_annotation(self, uid: str, x: float, y: float, label: str) -> Record:
        """Mark a point of an image and return the record. Raises NotFoundError, ConflictError."""
        with self._lock, self._base:
            self._image(uid)
            kept = self._number("SELECT count(*) FROM annotations WHERE image_uid = ?", (uid,))
            if kept >= MAX_ANNOTATIONS:
                raise ConflictError(f"an image has at most {MAX_ANNOTATIONS} annotations; delete some")
            made_at = _text(datetime.now(UTC))
            row = self._base.execute(
                "INSERT INTO annotations (image_uid, x, y, label, created_at) VALUES (?, ?, ?, ?, ?)",
                (uid, x, y, label, made_at),
            )
            return {"id": row.lastrowid, "x": x, "y": y, "label": label, "created_at": made_at}

    def annotations(self, uid: str) -> list[Record]:
        """The annotations of an image, oldest first. Raises NotFoundError."""
        query = (
            "SELECT number AS id, x, y, label, created_at FROM annotations WHERE image_uid = ? ORDER BY id"
        )
        with self._lock:
            self._image(uid)
            return [dict(row) for row in self._rows(query, (uid,))]

    def delete_annotation(self, uid: str, number: int) -> None:
        """Delete an annotation. Raises NotFoundError."""
        with self._lock, self._base:
            self._image(uid)
            query = "DELETE FROM annotations WHERE image_uid = ? AND number = ?"
            if not self._base.execute(query, (uid, number)).rowcount:
                raise NotFoundError(f"{uid} has no annotation {number}")

    # Below, the lock is held.

    def _image(self, uid: str) -> Record:
        found = self._rows(f"SELECT {_COLUMNS} FROM images WHERE uid = ?", (uid,))  # noqa: S608 - constants
        if not found:
            raise NotFoundError(f"there is no image called {uid[:80]!r}")
        return self._as_json(found[0])

    def _as_json(self, row: sqlite3.Row) -> Record:
        tags = self._rows("SELECT tag FROM image_tags WHERE image_uid = ? ORDER BY tag", (row["uid"],))
        return {
            "uid": row["uid"],
            "title": row["title"],
            "source": row["source"],
            "shape": [row["rows"], row["columns"]],
            "levels": levels(row["rows"], row["columns"]),
            "tags": [tag["tag"] for tag in tags],
            "created_at": row["created_at"],
        }

    def _refuse_taken(self, title: str, uid: str | None) -> None:
        if self._rows("SELECT 1 FROM images WHERE title = ? AND uid IS NOT ?", (title, uid)):
            raise ConflictError(f"there is an image called {title[:80]!r} already")

    def _forget_unused_tags(self) -> None:
        """Callers' own tags go with the last image that carries them; the first ones stay."""
        marks = ", ".join("?" for _ in _TAGS)
        query = f"DELETE FROM tags WHERE name NOT IN (SELECT tag FROM image_tags) AND name NOT IN ({marks})"  # noqa: S608 - question marks
        self._base.execute(query, [name for name, _ in _TAGS])

    def _rows(self, query: str, values: Any) -> list[sqlite3.Row]:
        with closing(self._base.execute(query, values)) as cursor:
            return cursor.fetchall()

    def _number(self, query: str, values: Any = ()) -> int:
        return int(self._rows(query, values)[0][0])


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
