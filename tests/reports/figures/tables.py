"""Tables that pictures are made from."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from reports.figures.table import Table, read_table

FRONT = """name,time_s,pj
a,1,10
b,2,4
c,4,3.5
d,8,3
e,5,5
f,2,6
"""
KNOBS = """knob,setting,time_us
base,,100
bandwidth,6.4GB/s,150
bandwidth,12.8GB/s,100
bandwidth,25.6GB/s,90
outstanding,4,104
outstanding,8,100
outstanding,16,103
lanes,16,100
lanes,32,100
"""
CAPACITY = """network,capacity_bytes,dram_bytes,compulsory_bytes
one,65536,3000000,1000000
one,16384,9000000,1000000
one,262144,1000000,1000000
two,16384,90000000,2000000
two,65536,70000000,2000000
"""
SHAPES = """rows,columns,time_us
8,8,2974.4
8,16,1500.9
16,8,1568.2
16,16,12.25
32,8,818.8
"""


def table(text: str) -> Table:
    """Return the table that a file with this text has."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_text(text)
        return read_table(path)
