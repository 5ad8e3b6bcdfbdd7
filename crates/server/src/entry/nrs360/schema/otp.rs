//! The shapes of one-time codes.

use utoipa::ToSchema;

/// Asks for a code.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"recipient": "34666555444"}))]
pub(in crate::entry::nrs360) struct OtpGenerate {
    /// A phone number with its country code, or an e-mail address.
    recipient: String,
    /// Letters and digits rather than digits; default false.
    alpha: Option<bool>,
    /// Characters, 3 to 10; default 4.
    #[schema(minimum = 3, maximum = 10)]
    length: Option<u8>,
    /// Checks that are compared, 1 to 10; default 3.
    #[schema(minimum = 1, maximum = 10)]
    max_attempts: Option<u8>,
    /// 30 to 600; default 60.
    #[schema(minimum = 30, maximum = 600)]
    max_seconds_validity: Option<u16>,
    /// A recipient may have one code for each; at most 64 characters, default none.
    #[schema(max_length = 64)]
    app_id: Option<String>,
    /// Makes none while one is pending; default false.
    reject_if_pending_code: Option<bool>,
}

/// What is asked of a code.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"alpha": true, "length": 5}))]
pub(in crate::entry::nrs360) struct OtpConfig {
    /// Letters and digits rather than digits; default false.
    alpha: Option<bool>,
    /// Characters, 3 to 10; default 4.
    #[schema(minimum = 3, maximum = 10)]
    length: Option<u8>,
    /// Checks that are compared, 1 to 10; default 3.
    #[schema(minimum = 1, maximum = 10)]
    max_attempts: Option<u8>,
    /// From when the message leaves, 30 to 600; default 60.
    #[schema(minimum = 30, maximum = 600)]
    max_seconds_validity: Option<u16>,
    /// A recipient may have one code for each; at most 64 characters, default none.
    #[schema(max_length = 64)]
    app_id: Option<String>,
    /// Refuses recipients of whom one is pending; default false.
    reject_if_pending_code: Option<bool>,
}

/// A code that was made.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct OtpAnswer {
    data: Otp,
}

/// A code and how it stands.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::entry::nrs360) struct Otp {
    #[schema(example = "34666555444")]
    recipient: String,
    /// After a check: what was said, where it was right, else `****`.
    #[schema(example = "1234")]
    code: String,
    /// Checks that were compared.
    attempts: u8,
    max_attempts: u8,
    max_seconds_validity: u16,
    app_id: String,
    created_at: String,
    updated_at: String,
    expires_at: String,
}

/// What somebody says that their code is.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"recipient": "34666555444", "code": "1234"}))]
pub(in crate::entry::nrs360) struct OtpCheck {
    /// Who was given the code.
    recipient: String,
    /// Capitals do not count.
    #[schema(max_length = 32)]
    code: String,
    /// As the code was asked for.
    #[schema(max_length = 64)]
    app_id: Option<String>,
}

/// What the check says.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct OtpCheckAnswer {
    data: OtpChecked,
}

/// Whether it is the code.
#[derive(ToSchema)]
pub(in crate::entry::nrs360) struct OtpChecked {
    valid: bool,
    /// `Valid`, `Invalid`, `Expired`, `MaxAttempts` or `NotFound`.
    #[schema(example = "Valid")]
    reason: String,
    /// The code as it stands; `null` where there is none.
    otp: Option<OtpAnswer>,
}
