//! The app's promises, proved on a real store with scripted carriers and callback hosts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod accept;
mod auth;
mod carrier;
mod choice;
mod country;
mod doubt;
mod health;
mod house;
mod lanes;
mod notifications;
mod notify;
mod pace;
mod receipts;
mod retention;
mod retry;
mod stop;
mod store_failure;
mod times;
