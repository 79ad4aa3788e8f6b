"""Cleans every file of a folder with dicom-anonymizer, with its newest table and without private elements."""

import json
import logging
import sys
import warnings
from pathlib import Path

from dicomanonymizer.simpledicomanonymizer import anonymize_dicom_file, initialize_actions

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
source, target = map(Path, sys.argv[1:3])
target.mkdir(parents=True, exist_ok=True)
refused = 0
for path in sorted(source.iterdir()):
    try:
        anonymize_dicom_file(str(path), str(target / path.name), None, True, lambda: initialize_actions("dicomfields_2026c"))
    except Exception:
        refused += 1
        (target / path.name).unlink(missing_ok=True)
print(json.dumps({"refused": refused}))
