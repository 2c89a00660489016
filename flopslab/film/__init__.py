"""A finished run as a film and as a page that plays it."""

from flopslab.film.assembly import Film, make_film
from flopslab.film.player import write_player
from flopslab.film.settings import FilmSettings

__all__ = ["Film", "FilmSettings", "make_film", "write_player"]
