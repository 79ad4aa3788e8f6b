//! Transfer syntaxes (PS3.5 annex A, PS3.6 annex A): how a data set is written and how its pixels are coded.

/// How pixels are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// Not compressed.
    Native,
    /// Each frame deflated (.1.2.8.1).
    DeflatedFrame,
    /// Run lengths (PS3.5 annex G).
    Rle,
    /// JPEG with DCT: baseline, extended, progressive.
    Jpeg,
    /// JPEG lossless (processes 14 and the retired ones).
    JpegLossless,
    /// JPEG-LS, lossless and near-lossless.
    JpegLs,
    /// JPEG 2000.
    Jpeg2000,
    /// High-throughput JPEG 2000.
    HtJpeg2000,
    /// JPEG XL.
    JpegXl,
    /// Known by name and not read: video and streamed pixels.
    Other,
}

impl Coding {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Native => "uncompressed",
            Coding::DeflatedFrame => "deflated frames",
            Coding::Rle => "RLE",
            Coding::Jpeg => "JPEG",
            Coding::JpegLossless => "JPEG lossless",
            Coding::JpegLs => "JPEG-LS",
            Coding::Jpeg2000 => "JPEG 2000",
            Coding::HtJpeg2000 => "HTJ2K",
            Coding::JpegXl => "JPEG XL",
            Coding::Other => "a coding of video or streams",
        }
    }
}

/// A transfer syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferSyntax {
    /// Its UID.
    pub uid: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Whether value representations are written out.
    pub explicit: bool,
    /// Whether numbers have their high byte first.
    pub big_endian: bool,
    /// Whether the whole data set is deflated.
    pub deflated: bool,
    /// How pixels are coded.
    pub coding: Coding,
    /// Whether decoded pixels are the ones that were coded.
    pub lossless: bool,
}

const fn encapsulated(
    uid: &'static str,
    name: &'static str,
    coding: Coding,
    lossless: bool,
) -> TransferSyntax {
    TransferSyntax {
        uid,
        name,
        explicit: true,
        big_endian: false,
        deflated: false,
        coding,
        lossless,
    }
}

const fn plain(
    uid: &'static str,
    name: &'static str,
    explicit: bool,
    big_endian: bool,
    deflated: bool,
) -> TransferSyntax {
    TransferSyntax {
        uid,
        name,
        explicit,
        big_endian,
        deflated,
        coding: Coding::Native,
        lossless: true,
    }
}

/// Implicit VR, little endian: DICOM's default.
pub const IMPLICIT_LE: TransferSyntax = plain(
    "1.2.840.10008.1.2",
    "Implicit VR Little Endian",
    false,
    false,
    false,
);
/// Explicit VR, little endian: what this crate writes.
pub const EXPLICIT_LE: TransferSyntax = plain(
    "1.2.840.10008.1.2.1",
    "Explicit VR Little Endian",
    true,
    false,
    false,
);
/// Explicit VR, big endian (retired).
pub const EXPLICIT_BE: TransferSyntax = plain(
    "1.2.840.10008.1.2.2",
    "Explicit VR Big Endian",
    true,
    true,
    false,
);

/// Run lengths: what painted pixels are coded as.
pub(crate) const RLE_LOSSLESS: &str = "1.2.840.10008.1.2.5";

/// All that are known by name.
pub const ALL: &[TransferSyntax] = &[
    IMPLICIT_LE,
    EXPLICIT_LE,
    EXPLICIT_BE,
    plain(
        "1.2.840.10008.1.2.1.99",
        "Deflated Explicit VR Little Endian",
        true,
        false,
        true,
    ),
    encapsulated(
        "1.2.840.10008.1.2.1.98",
        "Encapsulated Uncompressed Explicit VR Little Endian",
        Coding::Native,
        true,
    ),
    encapsulated(
        "1.2.840.10008.1.2.8.1",
        "Deflated Image Frame",
        Coding::DeflatedFrame,
        true,
    ),
    encapsulated("1.2.840.10008.1.2.5", "RLE Lossless", Coding::Rle, true),
    encapsulated(
        "1.2.840.10008.1.2.4.50",
        "JPEG Baseline",
        Coding::Jpeg,
        false,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.51",
        "JPEG Extended",
        Coding::Jpeg,
        false,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.53",
        "JPEG Spectral Selection (6 and 8)",
        Coding::Jpeg,
        false,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.55",
        "JPEG Full Progression (10 and 12)",
        Coding::Jpeg,
        false,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.57",
        "JPEG Lossless (14)",
        Coding::JpegLossless,
        true,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.70",
        "JPEG Lossless, First-Order Prediction",
        Coding::JpegLossless,
        true,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.80",
        "JPEG-LS Lossless",
        Coding::JpegLs,
        true,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.81",
        "JPEG-LS Near-Lossless",
        Coding::JpegLs,
        false,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.90",
        "JPEG 2000 Lossless",
        Coding::Jpeg2000,
        true,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.91",
        "JPEG 2000",
        Coding::Jpeg2000,
        false,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.92",
        "JPEG 2000 Multi-component Lossless",
        Coding::Jpeg2000,
        true,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.93",
        "JPEG 2000 Multi-component",
        Coding::Jpeg2000,
        false,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.201",
        "HTJ2K Lossless",
        Coding::HtJpeg2000,
        true,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.202",
        "HTJ2K Lossless RPCL",
        Coding::HtJpeg2000,
        true,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.203",
        "HTJ2K",
        Coding::HtJpeg2000,
        false,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.110",
        "JPEG XL Lossless",
        Coding::JpegXl,
        true,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.111",
        "JPEG XL JPEG Recompression",
        Coding::JpegXl,
        false,
    ),
    encapsulated("1.2.840.10008.1.2.4.112", "JPEG XL", Coding::JpegXl, false),
    encapsulated(
        "1.2.840.10008.1.2.4.94",
        "JPIP Referenced",
        Coding::Other,
        false,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.95",
        "JPIP Referenced Deflate",
        Coding::Other,
        false,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.100",
        "MPEG-2 Main Profile",
        Coding::Other,
        false,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.101",
        "MPEG-2 High Profile",
        Coding::Other,
        false,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.102",
        "MPEG-4 AVC",
        Coding::Other,
        false,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.103",
        "MPEG-4 AVC BD-compatible",
        Coding::Other,
        false,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.104",
        "MPEG-4 AVC 2D",
        Coding::Other,
        false,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.105",
        "MPEG-4 AVC 3D",
        Coding::Other,
        false,
    ),
    encapsulated(
        "1.2.840.10008.1.2.4.106",
        "MPEG-4 AVC Stereo",
        Coding::Other,
        false,
    ),
    encapsulated("1.2.840.10008.1.2.4.107", "HEVC Main", Coding::Other, false),
    encapsulated(
        "1.2.840.10008.1.2.4.108",
        "HEVC Main 10",
        Coding::Other,
        false,
    ),
];

impl TransferSyntax {
    /// The syntax of this UID.
    pub fn of(uid: &str) -> Option<TransferSyntax> {
        ALL.iter().copied().find(|syntax| syntax.uid == uid)
    }
}
