"""What every ``ldm`` or ``sgm`` UNet has: attention sites, the UNet call, merged tokens."""
