"""May a file be put where a path says, in place of what is there?"""

# os.path instead of pathlib: the SDK leaves it to those who use it.

from __future__ import annotations

import errno
import os
import stat


def refuse_other_than_files(path: str) -> None:
    """A file takes the place of a file or of nothing: in place of `/dev/null` it would be everybody's trouble.

    Raises:
        OSError: a folder, a device or a pipe is there; or the folder is missing that it would be in.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        folder = os.path.dirname(path)
        if folder and not os.path.isdir(folder):
            raise FileNotFoundError(errno.ENOENT, "its folder is not there: make it first", path) from None
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "a folder: name the file in it", path)
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "a device or a pipe, whose place no file takes: name another", path)


class Replacing:
    """Put a draft into its place when its block has ended well; else, after Ctrl-C too, what was there stays, and nothing is left."""

    __slots__ = ("_draft", "_path")

    def __init__(self, draft: str, path: str) -> None:
        self._draft = draft
        self._path = path

    def __enter__(self) -> None:
        """The draft is the block's to write."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is not None:
            self._forget()
            _name(error, self._path)
            return
        try:
            os.replace(self._draft, self._path)
        except BaseException:
            self._forget()
            raise

    def _forget(self) -> None:
        try:
            os.unlink(self._draft)
        except FileNotFoundError:
            return  # it could not be begun


class Naming:
    """Let a failure of the system name the file that it is about: a full disk does not say whose fault it is."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing is opened."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        _name(error, self._path)


def _name(error: BaseException | None, path: str) -> None:
    if isinstance(error, OSError) and error.filename is None:
        error.filename = path
