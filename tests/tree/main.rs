//! The source tree: what the documents say of it is so, and every input that fuzzing kept still passes.

#![expect(clippy::unwrap_used, reason = "a file that cannot be read fails the test")]

mod corpora;
mod documents;
