"""The files helper: a short-lived process of a kernel's uid that moves files in and out of its work directory."""
