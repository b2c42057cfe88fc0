"""Where things are: shapes, regions, grids, mask codecs, built-in layouts."""
