"""What the bench knows of a launcher."""
import dataclasses
import pathlib
import typing

DRIVERS = pathlib.Path(__file__).parent.parent / "drivers"


@dataclasses.dataclass(frozen=True)
class Launcher:
    """`start(lab)` sets it to work on all items of the lab and gives the processes that are its own: these are measured, with
    their children. What it says of an item goes to `lab.outcomes_file`."""

    name: str
    title: str
    settings: str  # and where they come from
    start: typing.Callable
    requirements: str | None = None


class CannotRun(Exception):
    """It cannot be measured here; the text says why."""
