"""What every dock has: body, message strip, jobs, atlas line, empty states."""
