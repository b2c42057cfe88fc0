"""Scripts as the WebUI runs them: base class, runner, callbacks."""
