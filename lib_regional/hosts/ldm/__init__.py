"""Parts of every ``ldm`` or ``sgm`` UNet: attention sites, the UNet call, merged tokens."""
