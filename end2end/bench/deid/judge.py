"""Reads what a program has written and says what of the patient is still in it, outside of the pixels.

    judge.py IDENTITIES FILES.json FOLDER    FILES.json: the key of each file's line in IDENTITIES, in order of names
"""

import io
import json
import logging
import re
import sys
import warnings
from pathlib import Path

import pydicom

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# Coded words that say the same as a value, and a date that our own program writes: see the test with real images.
EVERYDAY = {"patient", "scout", "perfusion", "pancreas", "19000101"}
CODINGS = ("utf-8", "latin-1", "shift_jis", "euc_kr", "gb18030")


def without_pixels(path):
    found = pydicom.dcmread(path, force=True)
    raw = path.read_bytes()
    for word in PIXELS:
        if word in found:
            pixels = bytes(found[word].value)
            del found[word]
            at = raw.find(pixels[:4096]) if len(pixels) > 16 else -1
            if at >= 0:
                raw = raw[:at] + raw[at + len(pixels):]
    try:
        again = io.BytesIO()
        found.save_as(again)
        raw += again.getvalue()
    except Exception:
        pass
    private = any(element.tag.is_private for element in found.iterall())
    return raw.lower(), private


def says(raw, value):
    for coding in CODINGS:
        try:
            plain = value.lower().encode(coding)
        except UnicodeEncodeError:
            continue
        if plain not in raw:
            continue
        word = re.escape(plain)
        if re.search(rb"(?<![0-9a-z.])" + word + rb"(?![0-9a-z.])", raw):
            return True
    return False


identities, files, folder = sys.argv[1:4]
values = {line.split("\t")[0]: line.split("\t")[1:] for line in Path(identities).read_text("utf-8").splitlines()[1:]}
said = {"written": 0, "unreadable": 0, "searched": 0, "left": 0, "files": 0, "private": 0, "examples": []}
for path, key in zip(sorted(Path(folder).iterdir()), json.loads(Path(files).read_text())[folder.rsplit("/", 1)[-1]]):
    said["written"] += 1
    try:
        raw, private = without_pixels(path)
    except Exception:
        said["unreadable"] += 1
        raw, private = path.read_bytes().lower(), False
    words = [value for value in values.get(key, []) if value.lower() not in EVERYDAY]
    left = [value for value in words if says(raw, value)]
    said["searched"] += len(words)
    said["left"] += len(left)
    said["files"] += bool(left)
    said["private"] += private
    if left and len(said["examples"]) < 5:
        said["examples"].append([path.name, left[:3]])
print(json.dumps(said))
