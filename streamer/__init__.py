"""The push side: sockets in, queued writes out. One process holds thousands of streams; several share them out."""
