//! Black-box tests of the enrollment exchange: fixed bytes, foreign forms, hostile forms.

mod certificate;
mod form;
