//! The page inside a claim is private: `confirmed` wants the P2M's word for it.

use xen::addr::Pfn;
use xen::Claim;

fn page(claim: Claim) -> Pfn {
    claim.pfn
}

fn main() {}
