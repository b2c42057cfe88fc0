"""The panel: a mount point and one text box in Gradio; the rest is drawn by javascript/."""
