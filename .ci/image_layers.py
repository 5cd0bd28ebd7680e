#!/usr/bin/env python3
"""Usage: .ci/image_layers.py OCI_FOLDER BINARY

The image has one layer, with one file, and that is BINARY. Prints the image's size."""

import json
import pathlib
import sys
import tarfile

folder, binary = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])


def blob(descriptor):
    return folder / "blobs" / descriptor["digest"].replace(":", "/")


(index,) = json.loads((folder / "index.json").read_text())["manifests"]
manifest = json.loads(blob(index).read_text())
(layer,) = manifest["layers"]
assert layer["mediaType"].endswith(".tar+gzip"), layer
with tarfile.open(blob(layer), "r:gz") as tar:
    (file,) = tar.getmembers()
    content = tar.extractfile(file).read()
assert (file.name, file.isfile(), file.mode & 0o777) == ("aws-iam-credential-rotate", True, 0o755), (file, oct(file.mode))
assert content == binary.read_bytes(), "the file in the image is not the binary"

compressed = index["size"] + manifest["config"]["size"] + layer["size"]
print(f"files: 1\nimage size: {file.size} bytes uncompressed, {compressed} bytes compressed")
