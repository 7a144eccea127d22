"""Which service is it?"""

NAME = "Demo image files"
VERSION = "1.0.0"
SUMMARY = "Metadata, annotations and tiles of micrographs"
