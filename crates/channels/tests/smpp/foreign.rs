//! (foreign)
