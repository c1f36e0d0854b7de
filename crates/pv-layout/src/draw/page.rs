//! What a page of HTML is made of.

use crate::{finding::Finding, scene::Scene};

/// One guest of a page.
#[derive(Debug, Clone)]
pub struct Page {
    pub scene: Scene,
    /// What was found out about it, worst first.
    pub findings: Vec<Finding>,
}
