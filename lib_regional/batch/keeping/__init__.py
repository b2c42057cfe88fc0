"""What a batch leaves in its folder: pictures, the manifest, the contact sheet and the report."""
