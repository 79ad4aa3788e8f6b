"""Makes tests/coded: one small picture in every coding of DICOM and in every kind of TIFF, made by encoders that share no
code with this crate, with what a decoder must find; and the seeds of the fuzz targets from the same coded frames.

    v/bin/python crates/imaging/tools/coded.py        (v: see reference.py)

A picture is 24 x 20: a slope with noise, so that no two rows are alike and a wrong row, column or plane shows.
"""

import hashlib
import io
import zlib
from pathlib import Path

import imagecodecs as ic
import numpy as np
import tifffile
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.native import _encode_frame as rle_frame
from pydicom.uid import UID

CRATE = Path(__file__).resolve().parent.parent
OUT = CRATE / "tests" / "coded"
SEEDS = CRATE / "fuzz" / "seeds"
ROWS, COLUMNS = 20, 24
ROOT = "1.2.840.10008.1.2."
# Which fuzz target takes the frames of a syntax, and at which place of its list the syntax stands.
TARGETS = {
    "rle": ["5", "8.1"],
    "jpeg": ["4.50", "4.51", "4.53", "4.55", "4.57", "4.70"],
    "jpegls": ["4.80", "4.81"],
    "jpeg2000": ["4.90", "4.91", "4.201", "4.203"],
    "jpegxl": ["4.110", "4.111", "4.112"],
}
table = []


def picture(bits, colour=False, signed=False):
    noise = np.random.default_rng(bits * 2 + colour)
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    top = (1 << bits) - 1
    samples = (y * COLUMNS + x) / (ROWS * COLUMNS) * top * 0.8
    if colour:
        samples = np.stack([samples, samples[::-1], samples[:, ::-1]], axis=-1)
    samples = (samples + noise.integers(0, max(top // 16, 2), samples.shape)).clip(0, top).astype(np.int64)
    if signed:
        samples -= 1 << (bits - 1)
    kind = "i" if signed else "u"
    return samples.astype(f"<{kind}{1 if bits <= 8 else 2}")


def smooth(colour=False):
    """Without noise, for lossy codings: decoders differ most where there is most to lose."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    samples = 20 + 5 * y + 4 * x
    if colour:
        samples = np.stack([samples, 220 - samples // 2, 100 + y], axis=-1)
    return samples.clip(0, 255).astype(np.uint8)


def described(syntax, pixels, bits):
    found = Dataset()
    found.preamble = b"\0" * 128
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = UID((ROOT + syntax).rstrip("."))
    found.SOPClassUID = found.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.4")
    found.SOPInstanceUID = found.file_meta.MediaStorageSOPInstanceUID = UID("2.25.1")
    found.Modality = "MR"
    colour = pixels.ndim == 3
    found.SamplesPerPixel = 3 if colour else 1
    found.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        found.PlanarConfiguration = 0
    found.Rows, found.Columns = ROWS, COLUMNS
    found.BitsAllocated = 8 * pixels.dtype.itemsize
    found.BitsStored, found.HighBit = bits, bits - 1
    found.PixelRepresentation = int(pixels.dtype.kind == "i")
    return found


def write(name, syntax, pixels, bits, coded=None, decoded=None, photometric=None):
    """One file; `decoded` is what a lossy stream decodes to, where that is not the picture itself."""
    found = described(syntax, pixels, bits)
    if photometric:
        found.PhotometricInterpretation = photometric
    if coded is None:
        found.PixelData = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes() if syntax == "2" else pixels.tobytes()
        found["PixelData"].VR = "OW" if pixels.dtype.itemsize == 2 else "OB"
    else:
        found.PixelData = encapsulate([coded])
        found["PixelData"].is_undefined_length = True
        seed(syntax, pixels, bits, coded, name)
    buffer = io.BytesIO()
    implicit, little = syntax == "", syntax != "2"
    # pydicom does not know the newest syntaxes.
    found.save_as(buffer, implicit_vr=implicit, little_endian=little, force_encoding=True)
    content = buffer.getvalue()
    (OUT / f"{name}.dcm").write_bytes(content)
    truth = pixels if decoded is None else decoded
    digest = hashlib.sha256(truth.astype(pixels.dtype).tobytes()).hexdigest()
    points = " ".join(str(int(value)) for value in truth.reshape(-1)) if decoded is not None else ""
    table.append([f"{name}.dcm", "near" if points else "equal", points or digest])


def seed(syntax, pixels, bits, coded, name):
    for target, syntaxes in TARGETS.items():
        if syntax in syntaxes:
            colour, signed = pixels.ndim == 3, pixels.dtype.kind == "i"
            head = bytes([ROWS, COLUMNS, (bits - 1) << 1 | colour, syntaxes.index(syntax) << 1 | signed])
            folder = SEEDS / target
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(head + coded)


def pillow(pixels, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, **options)
    return buffer.getvalue()


def even(content):
    return content + b"\0" * (len(content) % 2)


def dicom():
    grey8, grey12, grey16 = picture(8), picture(12), picture(16)
    signed, rgb = picture(16, signed=True), picture(8, colour=True)
    for name, syntax in (("implicit", ""), ("explicit", "1"), ("big-endian", "2"), ("deflated", "1.99")):
        write(name, syntax, grey16, 16)
    for name, pixels, bits in (("8", grey8, 8), ("16", grey16, 16), ("signed", signed, 16), ("rgb", rgb, 8)):
        samples = pixels.shape[2] if pixels.ndim == 3 else 1
        runner = type("R", (), {"samples_per_pixel": samples, "bits_allocated": 8 * pixels.dtype.itemsize, "rows": ROWS,
                                "columns": COLUMNS, "get_option": lambda self, *_: "<"})()
        write(f"rle-{name}", "5", pixels, bits, even(bytes(rle_frame(pixels.tobytes(), runner))))
        packed = zlib.compressobj(9, zlib.DEFLATED, -15)
        write(f"deflated-frame-{name}", "8.1", pixels, bits, even(packed.compress(pixels.tobytes()) + packed.flush()))
    for name, pixels, bits in (("8", grey8, 8), ("12", grey12, 12), ("16", grey16, 16)):
        write(f"jpegls-{name}", "4.80", pixels, bits, even(ic.jpegls_encode(pixels)))
        near = ic.jpegls_encode(pixels, level=2)
        write(f"jpegls-near-{name}", "4.81", pixels, bits, even(near), ic.jpegls_decode(near))
    write("jpegls-rgb", "4.80", rgb, 8, even(ic.jpegls_encode(rgb)))
    for name, pixels, bits in (("8", grey8, 8), ("12", grey12, 12), ("16", grey16, 16), ("rgb", rgb, 8)):
        lossless = ic.jpeg2k_encode(pixels, level=0, codecformat="j2k", reversible=True, bitspersample=bits)
        write(f"jpeg2000-{name}", "4.90", pixels, bits, even(lossless), photometric="YBR_RCT" if pixels.ndim == 3 else None)
        lossy = ic.jpeg2k_encode(pixels, level=40, codecformat="j2k", reversible=False, bitspersample=bits)
        write(f"jpeg2000-lossy-{name}", "4.91", pixels, bits, even(lossy), ic.jpeg2k_decode(lossy),
              photometric="YBR_ICT" if pixels.ndim == 3 else None)
        ht = bytes(ic.htj2k_encode(pixels, reversible=True))
        write(f"htj2k-{name}", "4.201", pixels, bits, even(ht), photometric="YBR_RCT" if pixels.ndim == 3 else None)
    for name, pixels, bits in (("8", grey8, 8), ("12", grey12, 12), ("16", grey16, 16), ("rgb", rgb, 8)):
        predictors = (1, 4, 7) if name == "16" else (1,)
        for predictor in predictors:
            coded = ic.jpeg8_encode(
                pixels, lossless=True, predictor=predictor, bitspersample=bits, colorspace="rgb" if name == "rgb" else None,
                outcolorspace="rgb" if name == "rgb" else None)
            write(f"jpeg-lossless-{name}-{predictor}", "4.70" if predictor == 1 else "4.57", pixels, bits, even(coded))
    for name, pixels in (("grey", smooth()), ("colour", smooth(colour=True))):
        kind = "YBR_FULL_422" if pixels.ndim == 3 else None
        for process, syntax, options in (("baseline", "4.50", {}), ("progressive", "4.55", {"progressive": True})):
            coded = pillow(pixels, format="JPEG", quality=90, **options)
            # Before any change of colours: as stored.
            stored = ic.jpeg8_decode(coded, outcolorspace="ycbcr") if pixels.ndim == 3 else ic.jpeg8_decode(coded)
            write(f"jpeg-{process}-{name}", syntax, pixels, 8, even(coded), stored, photometric=kind)
            recoded = ic.jpegxl_encode_jpeg(coded)
            write(f"jpegxl-of-{process}-{name}", "4.111", pixels, 8, even(recoded), ic.jpegxl_decode(recoded))
    for name, pixels, bits in (("8", grey8, 8), ("12", grey12, 12), ("16", grey16, 16), ("rgb", rgb, 8)):
        write(f"jpegxl-{name}", "4.110", pixels, bits, even(ic.jpegxl_encode(pixels, lossless=True, bitspersample=bits)))
    lossy = ic.jpegxl_encode(smooth(), level=95)
    write("jpegxl-lossy", "4.112", smooth(), 8, even(lossy), ic.jpegxl_decode(lossy))


def tiff():
    """Every kind that the field's programs write; the name of a patient is where a TIFF has room for words."""
    name = "DOE^JANE^1961"
    extra = [(315, "s", 0, name, True), (270, "s", 0, name, True), (65000, "s", 0, name, True)]
    kinds = {"grey8": picture(8), "grey16": picture(16), "rgb8": picture(8, colour=True),
             "rgb16": np.stack([picture(16)] * 3, axis=-1)}
    for kind, pixels in kinds.items():
        for compression in (None, "lzw", "adobe_deflate", "packbits"):
            for tile in (None, (16, 16)):
                label = "-".join(filter(None, [kind, compression, "tiles" if tile else None]))
                predictor = compression in ("lzw", "adobe_deflate")
                buffer = io.BytesIO()
                tifffile.imwrite(buffer, pixels, compression=compression, tile=tile, predictor=predictor,
                                 photometric="rgb" if pixels.ndim == 3 else "minisblack", rowsperstrip=None if tile else 7,
                                 metadata=None, software=name, extratags=extra, byteorder=">" if kind == "grey16" else "<")
                save(label, buffer.getvalue(), pixels)
    planes = np.moveaxis(picture(8, colour=True), -1, 0)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, planes, photometric="rgb", planarconfig="separate", metadata=None, extratags=extra)
    save("planes", buffer.getvalue(), picture(8, colour=True))
    big = io.BytesIO()
    tifffile.imwrite(big, picture(8), bigtiff=True, metadata=None, extratags=extra)
    save("bigtiff", big.getvalue(), picture(8))
    palette = Image.fromarray(picture(8)).quantize(16)
    buffer = io.BytesIO()
    palette.save(buffer, format="TIFF", compression="tiff_lzw")
    save("palette", buffer.getvalue(), np.asarray(palette))
    bits = Image.fromarray(picture(8)).point(lambda value: 255 * (value > 100)).convert("1")
    buffer = io.BytesIO()
    bits.save(buffer, format="TIFF", compression="packbits")
    save("bits", buffer.getvalue(), np.asarray(bits).astype(np.uint8))
    white = io.BytesIO()
    tifffile.imwrite(white, picture(8), photometric="miniswhite", metadata=None)
    save("miniswhite", white.getvalue(), 255 - picture(8))
    buffer = io.BytesIO()
    Image.fromarray(smooth(colour=True)).save(buffer, format="TIFF", compression="jpeg", quality=95)
    save("jpeg", buffer.getvalue(), np.asarray(Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")), near=True)
    pages = io.BytesIO()
    tifffile.imwrite(pages, np.stack([picture(8)] * 3), photometric="minisblack", metadata=None)
    save("pages", pages.getvalue(), np.stack([picture(8)] * 3))


def words():
    """A line of text as programs draw it, anti-aliased, white on black: what tests burn into real pictures."""
    for size in (9, 12, 16, 24):
        font = ImageFont.load_default(size)
        left, top, right, bottom = font.getbbox("DOE, JANE  1961-02-03")
        picture = Image.new("L", (right - left + 2, bottom - top + 2))
        ImageDraw.Draw(picture).text((1 - left, 1 - top), "DOE, JANE  1961-02-03", fill=255, font=font)
        picture.save(OUT / f"words-{size}.png")


def save(name, content, pixels, near=False):
    (OUT / f"{name}.tif").write_bytes(content)
    points = " ".join(str(int(value)) for value in pixels.reshape(-1))
    digest = hashlib.sha256(pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()).hexdigest()
    table.append([f"{name}.tif", "near" if near else "equal", points if near else digest])


OUT.mkdir(parents=True, exist_ok=True)
dicom()
tiff()
words()
(OUT / "coded.tsv").write_text("\n".join("\t".join(row) for row in [["file", "expected", "by"], *sorted(table)]) + "\n")
print(len(table), "files", sum(path.stat().st_size for path in OUT.iterdir()), "bytes")
