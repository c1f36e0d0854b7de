//! Runs a relocated module on the host: the image in the lowest 2 GiB, where 32-bit addresses hold too.
//!
//! The test binary itself is far away, so the exported function is reached by a jump of twelve bytes after the image.

use std::ffi::c_void;
use std::sync::Mutex;

use ko_loader::{Image, Object, Permission};
use xen::addr::VirtAddr;

const BASE: usize = 0x2000_0000;
const PAGE: usize = 4096;
const PROT_READ: i32 = 1;
const PROT_WRITE: i32 = 2;
const PROT_EXEC: i32 = 4;
/// MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
const MAP_FLAGS: i32 = 0x2 | 0x20 | 0x10_0000;

static PRINTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

unsafe extern "C" {
    fn mmap(at: *mut c_void, len: usize, prot: i32, flags: i32, fd: i32, offset: i64) -> *mut c_void;
    fn mprotect(at: *mut c_void, len: usize, prot: i32) -> i32;
}

extern "C" fn print(text: *const u8, len: usize) {
    // SAFETY: the module passes a static of that length.
    let text = unsafe { std::slice::from_raw_parts(text, len) };
    PRINTED.lock().unwrap().push(String::from_utf8_lossy(text).into_owned());
}

/// Loads `object`, runs it, and returns what `init_module` returned and what was printed.
pub(crate) fn run(object: &[u8]) -> (i32, Vec<String>) {
    let image = Image::plan(Object::parse(object).unwrap()).unwrap();
    let len = usize::try_from(image.pages()).unwrap() * PAGE;
    let stub = BASE + len;
    let ops = image.relocate(VirtAddr::new(BASE as u64), |_| Some(stub as u64)).unwrap();
    let mut bytes = image.render(&ops);
    bytes.extend([0x48, 0xb8]); // movabs rax, print
    bytes.extend((print as *const () as u64).to_le_bytes());
    bytes.extend([0xff, 0xe0]); // jmp rax
    map(&bytes, len + PAGE);
    for part in image.parts() {
        let prot = match part.kind.permission() {
            Permission::Execute => PROT_READ | PROT_EXEC,
            Permission::Read => PROT_READ,
            Permission::Write => PROT_READ | PROT_WRITE,
        };
        protect(BASE + usize::try_from(part.offset).unwrap(), usize::try_from(part.pages()).unwrap(), prot);
    }
    protect(stub, 1, PROT_READ | PROT_EXEC);
    let init = BASE + usize::try_from(image.init_offset().unwrap()).unwrap();
    // SAFETY: the image has a function of this type there; it is mapped, relocated and executable.
    let init = unsafe { std::mem::transmute::<usize, extern "C" fn() -> i32>(init) };
    let status = init();
    let cleanup = BASE + usize::try_from(image.cleanup_offset().unwrap()).unwrap();
    // SAFETY: as above.
    let cleanup = unsafe { std::mem::transmute::<usize, extern "C" fn()>(cleanup) };
    cleanup();
    (status, std::mem::take(&mut PRINTED.lock().unwrap()))
}

fn map(bytes: &[u8], len: usize) {
    let wanted = std::ptr::without_provenance_mut::<c_void>(BASE);
    // SAFETY: asks for fresh pages and replaces none.
    let at = unsafe { mmap(wanted, len, PROT_READ | PROT_WRITE, MAP_FLAGS, -1, 0) };
    assert_eq!(at, wanted, "the lowest 2 GiB must have room");
    // SAFETY: `len` bytes were just mapped there, writable, and `bytes` is not longer.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), at.cast(), bytes.len()) };
}

fn protect(at: usize, pages: usize, prot: i32) {
    // SAFETY: the pages are this test's own; see `map`.
    let status = unsafe { mprotect(std::ptr::with_exposed_provenance_mut(at), pages * PAGE, prot) };
    assert_eq!(status, 0);
}
