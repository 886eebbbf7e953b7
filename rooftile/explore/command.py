"""`rooftile explore`: a machine's sizes as sliders, on a page of this computer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rooftile import options
from rooftile.progress import progress_line

if TYPE_CHECKING:
    from mapper.search.find import SearchOptions
    from workloads.loaders.asked import Asked


@click.command()
@click.argument("network")
@options.hardware
@options.asked
@options.search
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Where to listen, on this computer only; 0 for any that is free.",
)
@click.option(
    "--look-ahead/--no-look-ahead",
    default=True,
    show_default=True,
    help="Whether settings near the one on the page are searched while no slider moves.",
)
def explore(
    network: str,
    hardware: str,
    asked: Asked,
    search: SearchOptions,
    port: int,
    look_ahead: bool,
) -> None:
    """Move the sizes of a machine on a web page, and see what NETWORK takes on it.

    The page's address is printed; Ctrl-C ends it.
    """
    from rooftile.explore.server import ExploreServer
    from rooftile.explore.session import Session
    from rooftile.explore.space import Space
    from rooftile.sources import find_hardware

    space = Space(network, asked, find_hardware(hardware))
    with progress_line() as show:
        session = Session(space, search, show, look_ahead=look_ahead)
    try:
        with ExploreServer(session, port) as server:
            click.echo(f"{server.url}\nCtrl-C ends it.")
            server.serve_forever()
    except KeyboardInterrupt:
        click.echo("ended", err=True)
    finally:
        session.close()
