//! The lines of the tables: one message with one fault and what must come of it, or a story of
//! several steps.

use std::pin::Pin;

use anyhow::Result;

use crate::{Answer, Draft, Expect, World};

/// Over which link a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// That of carol, who has one Node-ID.
    Carol,
    /// A new one of the node with several Node-IDs, on which nothing was said before.
    Several,
}

/// One message, and what must come of it.
#[derive(Debug)]
pub struct Row {
    /// What is wrong.
    pub name: &'static str,
    /// What must come.
    pub expect: Expect,
    /// The message.
    pub draft: fn(&World) -> Draft,
    /// The link.
    pub via: Via,
    /// What else the answer must say.
    pub check: Option<fn(&World, &Answer) -> Result<()>>,
}

impl Row {
    /// A message over the link of carol.
    #[must_use]
    pub const fn new(name: &'static str, expect: Expect, draft: fn(&World) -> Draft) -> Self {
        Self { name, expect, draft, via: Via::Carol, check: None }
    }

    /// Over another link.
    #[must_use]
    pub const fn over(self, via: Via) -> Self {
        Self { via, ..self }
    }

    /// The answer must say this, too.
    #[must_use]
    pub const fn check(self, check: fn(&World, &Answer) -> Result<()>) -> Self {
        Self { check: Some(check), ..self }
    }
}

/// What a step of a story gives.
pub type Told<'a> = Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

/// Several steps.
#[derive(Debug)]
pub struct Story {
    /// What is wrong.
    pub name: &'static str,
    /// The steps.
    pub tell: for<'a> fn(&'a mut World) -> Told<'a>,
}

impl Story {
    /// A story.
    #[must_use]
    pub const fn new(name: &'static str, tell: for<'a> fn(&'a mut World) -> Told<'a>) -> Self {
        Self { name, tell }
    }
}
