"""Pictures."""

from lib_regional.standalone.pipeline.pictures import flatten, image_grid, resize_image

__all__ = ["flatten", "image_grid", "resize_image"]
