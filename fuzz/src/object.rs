//! Any bytes as a module: refused with one line, or an image with every write inside the part it belongs to.

use ko_loader::{Image, ModuleError, Object, Permission};
use xen::addr::{PAGE_SIZE, VirtAddr};

use super::assert_one_line;

/// Where the module area starts.
const BASE: u64 = 0xffff_ffff_a000_0000;
/// Where the image's exports are.
const EXPORTS: u64 = 0xffff_ffff_8100_0000;
/// Larger images are planned, but not rendered: zeroing them takes longer than reading them.
const RENDERED_PAGES: u64 = 256;

/// Loads `data` as far as that needs no memory of the kernel's.
pub fn run(data: &[u8]) {
    if let Err(error) = load(data) {
        assert_one_line(&error);
    }
}

fn load(data: &[u8]) -> Result<(), ModuleError> {
    let image = Image::plan(Object::parse(data)?)?;
    assert_parts_are_disjoint(&image);
    assert_sections_are_where_they_may_be(&image);
    let bytes = image.pages() * PAGE_SIZE;
    for content in image.contents() {
        assert!(is_in_one_part(&image, content.offset, content.bytes.len() as u64), "{content:?}");
    }
    assert!(image.init_offset().is_none_or(|offset| is_in_one_part(&image, offset, 1)));
    assert!(image.cleanup_offset().is_none_or(|offset| is_in_one_part(&image, offset, 1)));
    image.functions().for_each(drop);
    let init = image.init_offset().and_then(|offset| image.function_at(offset));
    assert!(init.is_none_or(|function| function.size > 0));
    assert!(image.offers().all(|offer| is_in_one_part(&image, offer.offset, 1)));
    let ops = image.relocate(VirtAddr::new(BASE), |name| {
        (!name.starts_with("missing")).then_some(EXPORTS + 16 * name.len() as u64)
    })?;
    for op in &ops {
        assert!(is_in_one_part(&image, op.offset, op.width.bytes() as u64), "{op:?}");
    }
    drop(image.relocate(VirtAddr::new(PAGE_SIZE), |_| Some(u64::MAX)));
    if image.pages() <= RENDERED_PAGES {
        assert_eq!(image.render(&ops).len() as u64, bytes);
    }
    Ok(())
}

fn assert_parts_are_disjoint(image: &Image<'_>) {
    let mut end = 0;
    for part in image.parts() {
        assert_eq!(part.offset, end, "parts follow each other page by page");
        end += part.pages() * PAGE_SIZE;
    }
    assert_eq!(end, image.pages() * PAGE_SIZE);
    assert!(image.init_pages().start <= image.init_pages().end && image.init_pages().end == image.pages());
}

fn assert_sections_are_where_they_may_be(image: &Image<'_>) {
    for section in image.object().sections().iter().filter(|section| section.size > 0) {
        let Some(offset) = image.offset_of(section.index) else { continue };
        assert!(offset.is_multiple_of(section.align.max(1)), "{}", section.name);
        let allowed = match (section.is_code(), section.is_writable()) {
            (true, _) => Permission::Execute,
            (false, true) => Permission::Write,
            (false, false) => Permission::Read,
        };
        let end = offset + section.size;
        let mut parts = image.parts().filter(|part| part.kind.permission() == allowed);
        let inside = parts.any(|part| offset >= part.offset && end <= part.offset + part.bytes);
        assert!(section.is_loaded() && inside, "{}", section.name);
    }
}

fn is_in_one_part(image: &Image<'_>, offset: u64, bytes: u64) -> bool {
    let end = offset.checked_add(bytes);
    image.parts().any(|part| offset >= part.offset && end.is_some_and(|end| end <= part.offset + part.bytes))
}
