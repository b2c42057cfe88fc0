"""The part of a WebUI's ``modules`` package that the extension uses, under the WebUI's names."""
