//! The rules of messaging, pure: no I/O, no clock, no randomness. Rooms in reading order.

pub mod health;
pub mod id;
pub mod money;
pub mod time;

pub mod address;
pub mod callback;
pub mod csv;
pub mod link;
pub mod plain_url;
pub mod price;
pub mod share;
pub mod sms;
pub mod window;

pub mod campaign;
pub mod certificate;
pub mod channel;
pub mod country;
pub mod limits;
pub mod message;
pub mod notification;
pub mod opt_out;
pub mod otp;
pub mod rate;
pub mod retry;
pub mod route;
