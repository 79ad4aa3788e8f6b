//! How long and how many things may be. Each check says what is too long and by how much, in a sentence
//! that can be shown to the person who typed it; the same checks run when a peer's event is decoded.

/// Characters of a message.
pub const MESSAGE_CHARS: usize = 8_000;
/// UTF-8 bytes of a message.
pub const MESSAGE_BYTES: usize = 16_384;
/// Characters of a room's name, and of a file's name.
pub const NAME_CHARS: usize = 120;
/// Characters of a poll's question.
pub const QUESTION_CHARS: usize = 200;
/// Characters of one option of a poll.
pub const OPTION_CHARS: usize = 120;
/// Characters of a case's caption.
pub const CAPTION_CHARS: usize = 2_000;
/// Characters of each part of a profile: name, role, city.
pub const PROFILE_CHARS: usize = 60;
/// People in one transaction with the registry: Filecoin takes messages of 64 KiB, and about 450 fill one of its blocks.
pub const PEOPLE_AT_ONCE: usize = 200;
/// People that one message can mention.
pub const MENTIONS: usize = 32;
/// People that one new epoch can name as removed.
pub const REMOVED: usize = 256;
/// How far one event may set the room's Lamport clock forward. A peer that has missed fewer events than
/// this loses nothing; a member who wants to reach the clock's end needs 2^41 events.
pub const CLOCK_STEP: u64 = 4_096;
/// Images in one case.
pub const IMAGES_PER_CASE: usize = 64;
/// How often the images of one case get new keys.
pub const NEW_KEYS: usize = 64;
/// Bytes of a CID in text.
pub const CID_BYTES: usize = 128;
/// Bytes of a MIME type.
pub const MIME_BYTES: usize = 64;
/// Slices or frames of one series.
pub const SLICES: usize = 20_000;
/// Bytes of a modality's code.
pub const MODALITY_BYTES: usize = 16;
/// Kinds of data that a photograph's receipt can name.
pub const RECEIPT_KINDS: usize = 16;
/// Characters of such a name, and of the tool's.
pub const RECEIPT_CHARS: usize = 24;
/// Points of one measurement.
pub const MEASUREMENT_POINTS: usize = 256;
/// Fewest and most options that a poll starts with.
pub const POLL_OPTIONS: std::ops::RangeInclusive<usize> = 2..=12;
/// Votes that one close can certify: as many ids as fit in an event.
pub const COUNTED_VOTES: usize = 400;
/// Added options that one close can certify, beside that many votes.
pub const CERTIFIED_OPTIONS: usize = 40;
/// Contributors of a conversation that is to be minted.
pub const CONTRIBUTORS: usize = 32;
/// Editions minted with a conversation.
pub const EDITIONS: usize = 64;
/// Events of a conversation that is to be minted: as many ids as fit in a proposal.
pub const MINTED_EVENTS: usize = 320;
/// Bytes of a signature in a consent: wallets that are contracts have longer ones.
pub const CONSENT_BYTES: usize = 4_096;
/// Bytes of an event as signed.
pub const EVENT_BYTES: usize = 32_768;
/// Bytes of a vote bundle.
pub const BUNDLE_BYTES: usize = 20_000_000;
/// Signatures in a vote bundle, of devices and wallets together.
pub const BUNDLE_EVENTS: usize = 4_096;
/// Bytes of an envelope as sent.
pub const ENVELOPE_BYTES: usize = 40_960;
/// Bytes of a sealed ephemeral message as sent.
pub const EPHEMERAL_BYTES: usize = 1_024;
/// Bytes of a device token in its `Authorization` text.
pub const TOKEN_BYTES: usize = 4_096;
/// Bytes of one `/healthsync/sync/1` request.
pub const REQUEST_BYTES: usize = 256 * 1024;
/// Bytes of one `/healthsync/sync/1` response.
pub const RESPONSE_BYTES: usize = 1024 * 1024;
/// Devices in a version vector.
pub const DEVICES: usize = 2_048;
/// Envelopes in one push or page.
pub const ENVELOPES: usize = 4_096;
/// Rooms in one answer of a relay to another.
pub const MESH_ROOMS: usize = 4_096;
/// Bytes of a sentence in a refusal.
pub const REASON_BYTES: usize = 512;
/// The largest Lamport clock and sequence number: what every JSON reader keeps exactly.
pub const CLOCK: u64 = (1 << 53) - 1;

/// What is beyond a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Longer than allowed.
    #[error("{what} has {found} {unit}; the limit is {limit}, so {} too many.", .found - .limit)]
    TooLong {
        /// What it is, as the start of a sentence.
        what: &'static str,
        /// What is counted: `characters`, `bytes`, `images` …
        unit: &'static str,
        /// The most that is allowed.
        limit: usize,
        /// How much there is.
        found: usize,
    },
    /// Less than is needed.
    #[error("{what} needs at least {limit} {unit}; there are {found}.")]
    TooFew {
        /// What it is, as the start of a sentence.
        what: &'static str,
        /// What is counted.
        unit: &'static str,
        /// The least that is needed.
        limit: usize,
        /// How much there is.
        found: usize,
    },
    /// Something that does not fit together.
    #[error("{0}")]
    Wrong(&'static str),
    /// Nothing but white space.
    #[error("{0} is empty.")]
    Empty(&'static str),
}

/// `found` things of at most `limit`.
pub fn check_count(
    what: &'static str,
    unit: &'static str,
    found: usize,
    limit: usize,
) -> Result<(), LimitError> {
    if found <= limit {
        return Ok(());
    }
    Err(LimitError::TooLong {
        what,
        unit,
        limit,
        found,
    })
}

/// The text of a message.
pub fn check_message(text: &str) -> Result<(), LimitError> {
    check_text("The message", text, MESSAGE_CHARS)?;
    check_count("The message", "bytes", text.len(), MESSAGE_BYTES)
}

/// The name of a room.
pub fn check_name(text: &str) -> Result<(), LimitError> {
    check_text("The name", text, NAME_CHARS)
}

/// The question of a poll.
pub fn check_question(text: &str) -> Result<(), LimitError> {
    check_text("The question", text, QUESTION_CHARS)
}

/// One option of a poll.
pub fn check_option(text: &str) -> Result<(), LimitError> {
    check_text("The option", text, OPTION_CHARS)
}

/// The options that a poll starts with.
pub fn check_options(options: &[String]) -> Result<(), LimitError> {
    if options.len() < *POLL_OPTIONS.start() {
        return Err(LimitError::TooFew {
            what: "The question",
            unit: "options",
            limit: *POLL_OPTIONS.start(),
            found: options.len(),
        });
    }
    check_count(
        "The question",
        "options",
        options.len(),
        *POLL_OPTIONS.end(),
    )?;
    options.iter().try_for_each(|option| check_option(option))
}

/// The caption of a case; it may be empty.
pub fn check_caption(text: &str) -> Result<(), LimitError> {
    check_chars("The caption", text, CAPTION_CHARS)
}

/// How a person wants to be shown; each part may be empty.
pub fn check_profile(name: &str, role: &str, city: &str) -> Result<(), LimitError> {
    check_chars("The name", name, PROFILE_CHARS)?;
    check_chars("The role", role, PROFILE_CHARS)?;
    check_chars("The city", city, PROFILE_CHARS)
}

/// The number of images of a case.
pub fn check_images(count: usize) -> Result<(), LimitError> {
    if count == 0 {
        return Err(LimitError::TooFew {
            what: "A case",
            unit: "images",
            limit: 1,
            found: 0,
        });
    }
    check_count("The case", "images", count, IMAGES_PER_CASE)
}

fn check_text(what: &'static str, text: &str, limit: usize) -> Result<(), LimitError> {
    if text.trim().is_empty() {
        return Err(LimitError::Empty(what));
    }
    check_chars(what, text, limit)
}

pub(crate) fn check_chars(what: &'static str, text: &str, limit: usize) -> Result<(), LimitError> {
    check_count(what, "characters", text.chars().count(), limit)
}
