//! Who a message goes to, and who it comes from.

mod approval;
mod countries;
mod phone;
mod sender;

pub use approval::{Approvals, Standing};
pub use countries::{CountryRow, countries};
pub use phone::{Country, NotAPhone, NumberKind, Phone};
pub use sender::{Sender, SenderError, SenderKind};
