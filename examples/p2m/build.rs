//! Links the kernel as an image.

fn main() {
    xen::build::kernel("p2m");
}
