//! Walks over bytes and notes what it finds. Errors are those of the decoders of `reload-wire`: made
//! by the same readers, with the same names.

use bytes::Bytes;
use reload_wire::{Decode, DecodeError, Fault, KindId, NodeId, read};

use crate::Context;
use crate::date::date;
use crate::node::{Node, Problem, Value};

/// What a step of the walk gives.
pub(crate) type Step<T = ()> = Result<T, DecodeError>;

/// The name of a field in errors and in the tree: mostly the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    path: Option<&'static str>,
    shown: &'static str,
}

impl Name {
    /// A field that errors call otherwise.
    pub(crate) const fn new(path: &'static str, shown: &'static str) -> Self {
        Self { path: Some(path), shown }
    }

    /// A field that errors do not name.
    pub(crate) const fn unnamed(shown: &'static str) -> Self {
        Self { path: None, shown }
    }

    fn of(self, error: DecodeError) -> DecodeError {
        match self.path {
            Some(path) => error.inside(path),
            None => error,
        }
    }
}

impl From<&'static str> for Name {
    fn from(name: &'static str) -> Self {
        Self { path: Some(name), shown: name }
    }
}

/// The state of a walk.
pub(crate) struct Walk<'a> {
    pub(crate) context: &'a Context,
    /// What is left of the part that is being read.
    rest: &'a [u8],
    /// Where `rest` starts in the input.
    at: usize,
    /// What was found in the present structure.
    nodes: Vec<Node>,
    problems: Vec<Problem>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(context: &'a Context, input: &'a [u8]) -> Self {
        Self { context, rest: input, at: 0, nodes: Vec::new(), problems: Vec::new() }
    }

    /// The tree and the problems.
    pub(crate) fn finish(mut self) -> (Vec<Node>, Vec<Problem>) {
        self.unread();
        (self.nodes, self.problems)
    }

    /// What is left of the present part.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Notes a problem of a structure that starts `back` bytes before the present place.
    pub(crate) fn note(&mut self, back: usize, error: &DecodeError) {
        self.problems.push(Problem::new(self.at.saturating_sub(back), error));
    }

    /// Says what the last value means.
    pub(crate) fn mean(&mut self, meaning: impl ToString) {
        if let Some(node) = self.nodes.last_mut() {
            node.meaning = Some(meaning.to_string());
        }
    }

    fn push(&mut self, name: &'static str, offset: usize, length_bytes: usize, value: Value) {
        self.nodes.push(Node {
            name,
            section: None,
            offset,
            length: self.at - offset,
            length_bytes,
            value: Some(value),
            meaning: None,
            children: Vec::new(),
        });
    }

    /// Moves on to `rest`, a suffix of what was left.
    fn advance(&mut self, rest: &'a [u8]) -> usize {
        let start = self.at;
        self.at += self.rest.len() - rest.len();
        self.rest = rest;
        start
    }

    fn leaf(&mut self, name: &'static str, rest: &'a [u8], value: Value) {
        let start = self.advance(rest);
        self.push(name, start, 0, value);
    }

    pub(crate) fn uint8(&mut self, name: &'static str) -> Step<u8> {
        let (rest, number) = read::uint8(name, self.rest).map_err(read::inner_error)?;
        self.leaf(name, rest, Value::Number(number.into()));
        Ok(number)
    }

    pub(crate) fn uint16(&mut self, name: &'static str) -> Step<u16> {
        let (rest, number) = read::uint16(name, self.rest).map_err(read::inner_error)?;
        self.leaf(name, rest, Value::Number(number.into()));
        Ok(number)
    }

    pub(crate) fn uint32(&mut self, name: &'static str) -> Step<u32> {
        let (rest, number) = read::uint32(name, self.rest).map_err(read::inner_error)?;
        self.leaf(name, rest, Value::Number(number));
        Ok(number)
    }

    pub(crate) fn uint64(&mut self, name: &'static str) -> Step<u64> {
        let (rest, number) = read::uint64(name, self.rest).map_err(read::inner_error)?;
        self.leaf(name, rest, Value::Wide(number));
        Ok(number)
    }

    pub(crate) fn boolean(&mut self, name: &'static str) -> Step<bool> {
        let (rest, flag) = read::boolean(name, self.rest).map_err(read::inner_error)?;
        self.leaf(name, rest, Value::Flag(flag));
        Ok(flag)
    }

    /// A time in milliseconds since 1970.
    pub(crate) fn time(&mut self, name: &'static str) -> Step {
        let time = self.uint64(name)?;
        self.mean(date(time));
        Ok(())
    }

    /// Bytes that may be text.
    pub(crate) fn text(&mut self, name: &'static str, length_bytes: usize) -> Step {
        self.opaque(name, length_bytes)?;
        if let Some(Value::Bytes(bytes)) = self.nodes.last().and_then(|node| node.value.as_ref()) {
            let text = std::str::from_utf8(bytes).ok();
            let readable = text.filter(|it| !it.is_empty() && !it.chars().any(char::is_control));
            if let Some(text) = readable.map(|text| format!("{text:?}")) {
                self.mean(text);
            }
        }
        Ok(())
    }

    /// Bytes of a length that is known.
    pub(crate) fn fixed(&mut self, name: &'static str, length: usize) -> Step<&'a [u8]> {
        let (rest, part) = read::part(name, length, self.rest).map_err(read::inner_error)?;
        self.leaf(name, rest, Value::Bytes(Bytes::copy_from_slice(part)));
        Ok(part)
    }

    /// A Node-ID, without a name in errors.
    pub(crate) fn node_id(&mut self, name: &'static str) -> Step {
        let read = NodeId::decode(&self.context.dialect, self.rest).map_err(read::inner_error);
        let (rest, id) = read?;
        self.leaf(name, rest, Value::Bytes(Bytes::copy_from_slice(id.as_bytes())));
        if id.is_wildcard() {
            self.mean("wildcard");
        }
        Ok(())
    }

    /// A number of a Kind, without a name in errors.
    pub(crate) fn kind(&mut self, name: &'static str) -> Step<KindId> {
        let read = KindId::decode(&self.context.dialect, self.rest).map_err(read::inner_error);
        let (rest, kind) = read?;
        self.leaf(name, rest, Value::Number(kind.0));
        if let Some(meaning) = self.context.kind_meaning(kind) {
            self.mean(meaning);
        }
        Ok(kind)
    }

    /// `opaque<..>` behind a length of so many bytes; says how many bytes there are.
    pub(crate) fn opaque(&mut self, name: impl Into<Name>, length_bytes: usize) -> Step<usize> {
        let name = name.into();
        let start = self.at;
        let length = self.length(name, length_bytes)?;
        let there = self.rest.len();
        let (part, rest) = self.rest.split_at(length.min(there));
        let error = missing(name, length, self.rest);
        self.advance(rest);
        self.push(name.shown, start, length_bytes, Value::Bytes(Bytes::copy_from_slice(part)));
        error.map_or(Ok(length), |error| {
            self.mean(format!("{there} of {length} bytes"));
            Err(error)
        })
    }

    /// A part behind a length of so many bytes, which `inside` has to use up. If bytes are missing,
    /// what is there is read all the same.
    pub(crate) fn nested(
        &mut self,
        name: impl Into<Name>,
        section: Option<&'static str>,
        length_bytes: usize,
        inside: impl FnOnce(&mut Self) -> Step,
    ) -> Step {
        let name = name.into();
        let start = self.at;
        let length = self.length(name, length_bytes)?;
        self.part(name, section, (start, length_bytes, length), inside)
    }

    /// A part whose length stood somewhere else.
    pub(crate) fn sized(
        &mut self,
        name: impl Into<Name>,
        section: Option<&'static str>,
        length: usize,
        inside: impl FnOnce(&mut Self) -> Step,
    ) -> Step {
        self.part(name.into(), section, (self.at, 0, length), inside)
    }

    fn part(
        &mut self,
        name: Name,
        section: Option<&'static str>,
        (start, length_bytes, length): (usize, usize, usize),
        inside: impl FnOnce(&mut Self) -> Step,
    ) -> Step {
        let error = missing(name, length, self.rest);
        let known = self.problems.len();
        let (part, after) = self.rest.split_at(length.min(self.rest.len()));
        let before = std::mem::take(&mut self.nodes);
        self.rest = part;
        let result = inside(self).and_then(|()| self.used_up());
        self.unread();
        self.rest = after;
        let children = std::mem::replace(&mut self.nodes, before);
        self.close(name.shown, section, (start, length_bytes), children);
        if let Some(error) = error {
            self.problems.truncate(known); // they follow from the missing bytes
            return Err(error);
        }
        result.map_err(|error| name.of(error.followed_by(after.len())))
    }

    fn close(
        &mut self,
        name: &'static str,
        section: Option<&'static str>,
        (offset, length_bytes): (usize, usize),
        children: Vec<Node>,
    ) {
        let (length, value, meaning) = (self.at - offset, None, None);
        let node = Node { name, section, offset, length, length_bytes, value, meaning, children };
        self.nodes.push(node);
    }

    /// A structure without a length, as an element of a list: without a name in errors.
    pub(crate) fn element<T>(
        &mut self,
        name: &'static str,
        section: Option<&'static str>,
        inside: impl FnOnce(&mut Self) -> Step<T>,
    ) -> Step<T> {
        let start = self.at;
        let before = std::mem::take(&mut self.nodes);
        let result = inside(self);
        let children = std::mem::replace(&mut self.nodes, before);
        if !children.is_empty() {
            self.close(name, section, (start, 0), children);
        }
        result
    }

    /// A structure without a length, as a field.
    pub(crate) fn field(
        &mut self,
        name: &'static str,
        section: Option<&'static str>,
        inside: impl FnOnce(&mut Self) -> Step,
    ) -> Step {
        self.element(name, section, inside).map_err(|error| error.inside(name))
    }

    /// Elements up to the end of the part.
    pub(crate) fn all(&mut self, element: impl Fn(&mut Self) -> Step) -> Step {
        while !self.rest.is_empty() {
            let before = self.rest.len();
            element(self)?;
            if self.rest.len() >= before {
                return Err(DecodeError::new(Fault::NotAllowed, self.rest));
            }
        }
        Ok(())
    }

    /// All of the part as a structure of its own: a fault in it is noted under the name `root`, and
    /// the walk goes on behind the part.
    pub(crate) fn whole(&mut self, root: &'static str, inside: impl FnOnce(&mut Self) -> Step) {
        let (start, total) = (self.at, self.rest.len());
        if let Err(error) = inside(self).and_then(|()| self.used_up()) {
            self.problems.push(Problem::new(start, &error.rooted(root, total)));
        }
        self.unread();
    }

    /// A structure at the start of what is left; after a fault nothing more is read of the part.
    pub(crate) fn whole_but_rest(
        &mut self,
        root: &'static str,
        inside: impl FnOnce(&mut Self) -> Step,
    ) {
        let (start, total) = (self.at, self.rest.len());
        if let Err(error) = inside(self) {
            self.problems.push(Problem::new(start, &error.rooted(root, total)));
            self.unread();
        }
    }

    /// What is left of the part, as a leaf.
    pub(crate) fn remaining(&mut self, name: &'static str) {
        if !self.rest.is_empty() {
            let bytes = Bytes::copy_from_slice(self.rest);
            self.leaf(name, &[], Value::Bytes(bytes));
        }
    }

    /// A fault at the place where `before` was what was left.
    pub(crate) fn fail<T>(&self, name: &'static str, fault: Fault, before: &[u8]) -> Step<T> {
        Err(DecodeError::new(fault, before).inside(name))
    }

    /// Nothing may be left of the part.
    pub(crate) fn used_up(&self) -> Step {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::new(Fault::LeftOver, self.rest))
        }
    }

    fn unread(&mut self) {
        self.remaining("unread");
    }

    /// The number in a length field of so many bytes; its bytes belong to what follows.
    fn length(&mut self, name: Name, length_bytes: usize) -> Step<usize> {
        let Some((digits, rest)) = self.rest.split_at_checked(length_bytes) else {
            return Err(name.of(DecodeError::new(Fault::Truncated, self.rest)));
        };
        self.advance(rest);
        let add = |number: usize, digit: &u8| (number << 8) | usize::from(*digit);
        Ok(digits.iter().fold(0, add))
    }
}

/// The error of a part that is longer than what is left.
fn missing(name: Name, length: usize, rest: &[u8]) -> Option<DecodeError> {
    let missing = length > rest.len();
    missing.then(|| name.of(DecodeError::new(Fault::Truncated, rest)))
}
