//! Black-box tests of the enrollment exchange: fixed bytes, foreign forms, hostile forms.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod certificate;
mod form;
