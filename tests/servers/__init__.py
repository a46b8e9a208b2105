"""The S3 servers that tests talk to, each started on 127.0.0.1 and stopped again."""
