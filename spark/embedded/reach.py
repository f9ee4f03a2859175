"""Which paths another uid can reach, judged by mode bits alone."""

import stat
from pathlib import Path


def obstacle(path: Path, uid: int) -> Path | None:
    """
    Find what keeps a uid, that is in no group but its own, from reaching a path.

    Returns: the topmost directory it cannot traverse, or the path itself where it
        cannot read (and, for a directory or program, execute) it; None if it can.
    """
    wall = obstacle_above(path, uid)
    if wall is not None:
        return wall
    real = path.resolve()
    state = real.stat()
    wanted = stat.S_IROTH
    if stat.S_ISDIR(state.st_mode) or state.st_mode & stat.S_IXUSR:
        wanted |= stat.S_IXOTH
    return None if _may(real, uid, wanted) else real


def obstacle_above(path: Path, uid: int) -> Path | None:
    """
    Find the topmost directory that keeps a uid from anything at this place, made or not.
    """
    for above in reversed(path.resolve().parents):
        if above.exists() and not _may(above, uid, stat.S_IXOTH):
            return above
    return None


def _may(path: Path, uid: int, wanted: int) -> bool:
    state = path.stat()
    if state.st_uid == uid:
        wanted <<= 6
    elif state.st_gid == uid:
        wanted <<= 3
    return state.st_mode & wanted == wanted
