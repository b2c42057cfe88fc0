"""From a layout to weight maps at every grid."""
