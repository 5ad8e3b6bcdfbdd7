//! Every maximum in the product, in one place; relations between them are asserted at compile time.

/// Parts of one SMS (360NRS: "O número máximo de partes permitidas é 15").
pub const PARTS_MAX: u8 = 15;

/// Bytes of a text, before it is normalised and cut: [`PARTS_MAX`] parts hold 2,400 characters.
pub const TEXT_BYTES_MAX: usize = 64 << 10;

/// Placeholders of one text.
pub const PLACEHOLDERS_MAX: usize = 200;

/// Filters of one placeholder.
pub const FILTERS_MAX: usize = 16;

/// Values of a personal request: its recipients times its variables. They lie in memory together.
pub const VALUES_MAX: usize = 4_000_000;

/// Characters of a placeholder's name.
pub const VARIABLE_NAME_CHARS_MAX: usize = 64;

/// Bytes of a URL that a short link leads to.
pub const LINK_TARGET_BYTES_MAX: usize = 2_000;

/// Clicks that are kept of one message, and of one short link; it goes on redirecting.
pub const LINK_CLICKS_MAX: u32 = 100;

/// Bytes of one HTTP body.
pub const BODY_BYTES_MAX: usize = 32 << 20;

/// Bytes of all HTTP bodies in flight together.
pub const BODIES_IN_FLIGHT_BYTES_MAX: usize = 64 << 20;

/// Of these, bytes that are kept for the beginnings of bodies,
pub const BODY_BEGINNINGS_BYTES_MAX: usize = 8 << 20;
/// which are so many bytes of each: a one-time code must get in beside bodies that fill all the rest.
pub const BODY_BEGINNING_BYTES: usize = 64 << 10;

/// Recipients of one request. 100,000 are promised; a body of 32 MiB can carry more.
pub const RECIPIENTS_MAX: usize = 1_000_000;

/// Rows that one store operation may write, so that no operation keeps the others waiting.
pub const ROWS_PER_OPERATION_MAX: usize = 1_000;

/// Message ids that one status request may name.
pub const STATUS_IDS_MAX: usize = 1_000;

/// Ids that one request about scheduled messages may name.
pub const SCHEDULED_IDS_MAX: usize = 10_000;

/// Scheduled messages of one page.
pub const SCHEDULED_PAGE_MAX: usize = 1_000;

/// Addresses that one request about opt-outs may name.
pub const OPT_OUTS_AT_ONCE_MAX: usize = 10_000;

/// Opt-outs of one page.
pub const OPT_OUTS_PAGE_MAX: usize = 1_000;

/// Messages from handsets of one page.
pub const INBOUND_PAGE_MAX: usize = 1_000;

/// Senders that one account may have asked for.
pub const SENDERS_MAX: usize = 1_000;

/// Characters of the reason that goes with a decision about a sender.
pub const SENDER_REASON_CHARS_MAX: usize = 200;

/// Campaigns of one page.
pub const CAMPAIGNS_PAGE_MAX: usize = 1_000;

/// Bytes of a notification URL template.
pub const CALLBACK_URL_BYTES_MAX: usize = 2_000;

/// Characters of a campaign's name.
pub const CAMPAIGN_NAME_CHARS_MAX: usize = 255;

/// Tags of one campaign, and characters of one tag.
pub const TAGS_MAX: usize = 100;
/// Characters of one tag.
pub const TAG_CHARS_MAX: usize = 100;

/// Entries of `availableTimes`.
pub const WINDOWS_MAX: usize = 50;

/// Characters of an `Idempotency-Key`.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;

/// Recipients above which a request without category or campaign counts as bulk.
pub const TRANSACTIONAL_RECIPIENTS_MAX: usize = 10;

const _: () = assert!(BODY_BYTES_MAX + BODY_BEGINNINGS_BYTES_MAX <= BODIES_IN_FLIGHT_BYTES_MAX);
const _: () = assert!((PARTS_MAX as u32) < 1 << 4, "a part id has four bits for the part");
