"""ControlNet of the standalone host: units in the fields of sd-webui-controlnet, on published ControlNet files.

``units`` reads what a request says, ``files`` lists and loads networks, ``hints`` makes the control picture's tensor, ``control`` gives a
call's residuals, ``unet`` is the UNet that adds them, ``running`` holds them for one generation; ``script`` is the part of the page.
"""
