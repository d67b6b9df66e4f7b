//! The kinds of [`CacheControl`](super::CacheControl): how it began decides what else it can say.

mod sealed {
    pub trait Sealed {}
}

/// A kind that caches may keep, so that it can say for how long.
pub trait Kept: sealed::Sealed {}

/// A kind that shared caches may keep, so that it can say something to them alone.
pub trait ForShared: Kept {}

/// Says neither who may keep it nor that none may.
#[derive(Clone, Copy, Debug)]
pub enum Unsaid {}

/// Said to be public.
#[derive(Clone, Copy, Debug)]
pub enum Public {}

/// Said to be private.
#[derive(Clone, Copy, Debug)]
pub enum Private {}

/// Said not to be stored.
#[derive(Clone, Copy, Debug)]
pub enum NotStored {}

/// Any kind, with nothing more to say about lifetimes.
#[derive(Clone, Copy, Debug)]
pub enum Finished {}

impl sealed::Sealed for Unsaid {}
impl sealed::Sealed for Public {}
impl sealed::Sealed for Private {}

impl Kept for Unsaid {}
impl Kept for Public {}
impl Kept for Private {}

impl ForShared for Unsaid {}
impl ForShared for Public {}
