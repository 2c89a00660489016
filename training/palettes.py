"""Palettes: the five colours in which a word is painted."""

from typing import NamedTuple

Colour = tuple[int, int, int]


class Palette(NamedTuple):
    """Five RGB colours: the sky, its haze at the horizon, the ground, the figure, its light."""

    sky: Colour
    haze: Colour
    ground: Colour
    figure: Colour
    light: Colour


_TABLE = """
#          sky     haze    ground  figure  light
sea        4a93c9  b9e0ee  1f5f97  0c3566  e9faff
deep       04122e  0a3563  051b33  2fa3c4  b7f5f2
storm      2b3440  5f6c78  20262c  c4ced6  f6f9ff
ice        7fb9de  cfe9f6  b7d8ea  2f74a8  ffffff
snow       93a5bd  d3dce8  f4f7fb  3f4f69  ffffff
mist       97a3a6  d5dbd9  838f8c  445356  f3f6f3
rain       4d6273  8fa3ae  34444f  d6e6ee  f0f8ff
dawn       e58fa6  fbd9a4  8d5a7c  fff0bd  ffffff
sunset     b8324f  f79b46  3d1a38  ffdf6b  fff6d0
dusk       3b2c66  c56a8d  1f1740  f4c7a1  ffe9cf
night      050a24  17245a  03061a  f3ecc0  ffffff
moonlit    10203f  47618f  0a1428  dfe9f7  ffffff
ember      2a0705  7d1d0a  190504  ff7a1a  ffe066
blood      3d0309  8f0f1c  1f0206  f0324a  ffc0b8
gold       9c5c0a  eab742  6a3e07  fff3b4  fffbe8
wheat      7db4d6  d9e6d0  9c6a1c  f2b632  fff2b8
sand       efc684  fae6bb  d59c4f  8c4f1c  fff6dc
earth      8f6b4d  cfb08a  4f3422  2a180d  f0d9b5
copper     4a2a20  b06a45  2b1813  f2b184  ffe6cf
forest     2c5a3c  8fbf8a  173822  082313  d3efb0
spring     a6dcf0  e6f6d2  6cbf4c  2a7d33  fff7a3
meadow     9fd4f2  eaf6dc  4f9a45  e8447a  fff2a0
jade       0b3b37  2c8a78  072724  8ff0d0  eafff8
autumn     e0a458  f7ddb0  8a4a1e  c0341a  ffd35e
rose       f3a6bd  fde4e4  c9678a  b3204f  fff3f5
violet     3a1466  8a4fc0  210a40  e3b6ff  ffffff
dream      7d8fe0  e9c4f2  6a58b8  fff3d9  ffffff
stone      7c7f85  b9bbbd  4b4d52  24262b  e9eaec
ink        d9d3c4  f3eee2  b3aa97  15141a  ffffff
void       030304  141418  000000  8f8f9c  ffffff
neon       120a33  43147d  08041c  27f0d0  ff5ad1
joy        27b3e6  fff0a0  ff9a3c  e8255f  ffffff
"""

# What the eleven basic colour terms tint a picture with.
TINTS: dict[str, Colour] = {
    "black": (12, 12, 16), "white": (250, 250, 250), "gray": (128, 128, 132),
    "red": (214, 30, 38), "orange": (246, 130, 24), "yellow": (250, 214, 40),
    "green": (44, 150, 62), "blue": (36, 84, 204), "purple": (118, 44, 160),
    "pink": (246, 140, 178), "brown": (112, 70, 36),
}  # fmt: skip


def _colour(digits: str) -> Colour:
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def _read(table: str) -> dict[str, Palette]:
    rows = (line.split() for line in table.strip().splitlines()[1:])
    return {name: Palette(*map(_colour, colours)) for name, *colours in rows}


PALETTES: dict[str, Palette] = _read(_TABLE)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """A colour between `a` (share 0) and `b` (share 1)."""
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


def gap(a: Colour, b: Colour) -> int:
    """How far apart two colours are, 0 to 765."""
    return sum(abs(x - y) for x, y in zip(a, b, strict=True))


def tinted(palette: Palette, tint: Colour, share: float = 0.4) -> Palette:
    """The palette with every colour drawn towards the tint."""
    return Palette(*(mix(colour, tint, share) for colour in palette))
