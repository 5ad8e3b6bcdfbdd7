//! What stands inside a short message: the user data header, and packed septets.

pub mod septet;
pub mod udh;
