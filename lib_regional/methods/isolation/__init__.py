"""Regions kept apart in one UNet pass: which ones and until when (`spans`), and in which layers (`layers`)."""
