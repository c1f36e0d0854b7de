//! Calls the functions of unmodified Linux modules and compares what they compute with published results.
//!
//! Nothing here was written by the authors of those modules: check values are those of the CRC catalogue, RFC 1320
//! (MD4), RFC 7748 (X25519), RFC 8439 (Poly1305), RFC 2144 (CAST), the ARC4 and Blowfish test vectors, the Twofish
//! paper; compressed data is unpacked by a decoder of the LZ4 block format below. One line is printed for each.
//!
//! As in `hello`, nothing of `core` may be called that is not inlined; the kernel has memcpy and its kin.

#![no_std]

use core::ffi::c_char;

#[repr(C)]
struct Vector {
    i: i32,
    q: i32,
}

unsafe extern "C" {
    fn _printk(format: *const c_char, ...) -> i32;
    fn crc16(crc: u16, data: *const u8, len: usize) -> u16;
    fn crc_itu_t(crc: u16, data: *const u8, len: usize) -> u16;
    fn crc64_be(crc: u64, data: *const u8, len: usize) -> u64;
    fn crc64_rocksoft_generic(crc: u64, data: *const u8, len: usize) -> u64;
    fn crc7_be(crc: u8, data: *const u8, len: usize) -> u8;
    fn crc8_populate_msb(table: *mut u8, polynomial: u8);
    fn crc8(table: *const u8, data: *const u8, len: usize, crc: u8) -> u8;
    fn crc_t10dif_generic(crc: u16, data: *const u8, len: usize) -> u16;
    fn arc4_setkey(state: *mut u32, key: *const u8, len: u32) -> i32;
    fn arc4_crypt(state: *mut u32, out: *mut u8, data: *const u8, len: u32);
    fn cifs_arc4_setkey(state: *mut u32, key: *const u8, len: u32) -> i32;
    fn cifs_arc4_crypt(state: *mut u32, out: *mut u8, data: *const u8, len: u32);
    fn cifs_md4_init(state: *mut u32) -> i32;
    fn cifs_md4_update(state: *mut u32, data: *const u8, len: u32) -> i32;
    fn cifs_md4_final(state: *mut u32, out: *mut u8) -> i32;
    fn curve25519_generic(out: *mut u8, secret: *const u8, point: *const u8);
    fn poly1305_init_generic(state: *mut u32, key: *const u8);
    fn poly1305_update_generic(state: *mut u32, data: *const u8, len: u32);
    fn poly1305_final_generic(state: *mut u32, out: *mut u8);
    fn LZ4_compress_default(from: *const u8, to: *mut u8, len: i32, room: i32, work: *mut u32) -> i32;
    fn LZ4_compress_HC(from: *const u8, to: *mut u8, len: i32, room: i32, level: i32, work: *mut u32) -> i32;
    fn cordic_calc_iq(degrees: i32) -> Vector;
    fn blowfish_setkey(state: *mut u32, key: *const u8, len: u32) -> i32;
    fn __twofish_setkey(state: *mut u32, key: *const u8, len: u32) -> i32;
    fn int_to_scsilun(number: u64, lun: *mut u8);
    fn scsilun_to_int(lun: *const u8) -> u64;
    fn hyperv_read_cfg_blk(device: *mut u8, buffer: *mut u8, len: u32, block: u32, read: *mut u32) -> i32;
    static mut hvpci_block_ops: [Option<ReadBlock>; 3];
    static cast_s1: [u32; 256];
    static cast_s4: [u32; 256];
}

type ReadBlock = unsafe extern "C" fn(*mut u8, *mut u8, u32, u32, *mut u32) -> i32;

/// What the CRC catalogue's check values are of.
const DIGITS: &[u8; 9] = b"123456789";
const TEXT_LEN: usize = 8192;
const PACKED_LEN: usize = 12288;

static mut FAILED: i32 = 0;
/// State of whatever is being tried: the largest is that of LZ4's high compression.
static mut STATE: [u32; 80_000] = [0; 80_000];
static mut TEXT: [u8; TEXT_LEN] = [0; TEXT_LEN];
static mut PACKED: [u8; PACKED_LEN] = [0; PACKED_LEN];
static mut UNPACKED: [u8; TEXT_LEN] = [0; TEXT_LEN];

/// Tries everything; returns 0 if all results are right.
#[unsafe(no_mangle)]
pub extern "C" fn init_module() -> i32 {
    checksums();
    ciphers();
    digests();
    packers();
    others();
    // SAFETY: modules run one at a time, on one processor; no reference to the static exists.
    unsafe { (&raw const FAILED).read() }
}

fn say(name: &core::ffi::CStr, right: bool) {
    if right {
        // SAFETY: format and argument are texts with a NUL; the kernel only reads them.
        unsafe { _printk(c"\x016linux: %s: as published\n".as_ptr(), name.as_ptr()) };
    } else {
        // SAFETY: as above.
        unsafe { _printk(c"\x013linux: %s: WRONG\n".as_ptr(), name.as_ptr()) };
        // SAFETY: see `init_module`.
        unsafe { (&raw mut FAILED).write(-1) };
    }
}

fn checksums() {
    let (data, len) = (DIGITS.as_ptr(), DIGITS.len());
    let mut table = [0_u8; 256];
    // SAFETY: each function reads `len` bytes at `data`, and fills or reads a table of 256 bytes.
    unsafe {
        say(c"crc16", crc16(0, data, len) == 0xbb3d);
        say(c"crc-itu-t", crc_itu_t(0, data, len) == 0x31c3 && crc_itu_t(0xffff, data, len) == 0x29b1);
        let rocksoft = crc64_rocksoft_generic(0, data, len) == 0xae8b_1486_0a79_9888;
        say(c"crc64", crc64_be(0, data, len) == 0x6c40_df5f_0b49_7347 && rocksoft);
        say(c"crc7", crc7_be(0, data, len) == 0x75 << 1);
        crc8_populate_msb(table.as_mut_ptr(), 7);
        say(c"crc8", crc8(table.as_ptr(), data, len, 0) == 0xf4);
        say(c"crct10dif_common", crc_t10dif_generic(0, data, len) == 0xd0db);
    }
}

fn state() -> *mut u32 {
    (&raw mut STATE).cast()
}

fn ciphers() {
    let sealed = [0xbb, 0xf3, 0x16, 0xe8, 0xd9, 0x40, 0xaf, 0x0a, 0xd3];
    let (key, plain) = (b"Key", b"Plaintext");
    let mut out = [0_u8; 9];
    // SAFETY: the state is larger than any cipher's; lengths are those of the arrays.
    unsafe {
        arc4_setkey(state(), key.as_ptr(), 3);
        arc4_crypt(state(), out.as_mut_ptr(), plain.as_ptr(), 9);
        say(c"libarc4", out == sealed);
        out = [0; 9];
        cifs_arc4_setkey(state(), key.as_ptr(), 3);
        cifs_arc4_crypt(state(), out.as_mut_ptr(), plain.as_ptr(), 9);
        say(c"cifs_arc4", out == sealed);
        let zeros = [0_u8; 16];
        blowfish_setkey(state(), zeros.as_ptr(), 8);
        say(c"blowfish_common", blowfish(0, 0) == (0x4ef9_9745, 0x6198_dd78));
        __twofish_setkey(state(), zeros.as_ptr(), 16);
        say(c"twofish_common", twofish() == [0x5c9f_589f, 0x322c_12f6, 0x2fec_bfb6, 0x5ac3_e82a]);
        say(c"cast_common", (&raw const cast_s1).cast::<u32>().read() == 0x30fb_40d4
            && (&raw const cast_s4).cast::<u32>().read() == 0x9db3_0420);
    }
}

/// Word of the state that `blowfish_setkey` has filled: after 32 bytes of header, 18 keys and four boxes.
fn blowfish_word(index: usize) -> u32 {
    // SAFETY: no index used here is beyond the state.
    unsafe { state().add(8 + index).read() }
}

/// Encrypts one block, as Schneier's paper has it.
fn blowfish(left: u32, right: u32) -> (u32, u32) {
    let sbox = |number: usize, byte: u32| blowfish_word(18 + 256 * number + (byte & 255) as usize);
    let (mut left, mut right) = (left, right);
    for round in 0..16 {
        left ^= blowfish_word(round);
        let sum = sbox(0, left >> 24).wrapping_add(sbox(1, left >> 16)) ^ sbox(2, left >> 8);
        right ^= sum.wrapping_add(sbox(3, left));
        (left, right) = (right, left);
    }
    (right ^ blowfish_word(17), left ^ blowfish_word(16))
}

/// Word of the state that `__twofish_setkey` has filled: four boxes, 8 words to whiten, 32 round keys.
fn twofish_word(index: usize) -> u32 {
    // SAFETY: as in `blowfish_word`.
    unsafe { state().add(index).read() }
}

/// Encrypts a block of zeros, as the Twofish paper has it.
fn twofish() -> [u32; 4] {
    let sbox = |number: usize, byte: u32| twofish_word(256 * number + (byte & 255) as usize);
    let g = |x: u32| sbox(0, x) ^ sbox(1, x >> 8) ^ sbox(2, x >> 16) ^ sbox(3, x >> 24);
    let white = |n: usize| twofish_word(1024 + n);
    let (mut a, mut b, mut c, mut d) = (white(0), white(1), white(2), white(3));
    for round in 0..16 {
        let (t0, t1) = (g(a), g(b.rotate_left(8)));
        let f0 = t0.wrapping_add(t1).wrapping_add(twofish_word(1032 + 2 * round));
        let f1 = t0.wrapping_add(t1).wrapping_add(t1).wrapping_add(twofish_word(1033 + 2 * round));
        let (next_a, next_b) = ((c ^ f0).rotate_right(1), d.rotate_left(1) ^ f1);
        (a, b, c, d) = (next_a, next_b, a, b);
    }
    [c ^ white(4), d ^ white(5), a ^ white(6), b ^ white(7)]
}

fn digests() {
    let abc = [0xa4, 0x48, 0x01, 0x7a, 0xaf, 0x21, 0xd8, 0x52, 0x5f, 0xc1, 0x0a, 0xe8, 0x7a, 0xa6, 0x72, 0x9d];
    let tag = [0xa8, 0x06, 0x1d, 0xc1, 0x30, 0x51, 0x36, 0xc6, 0xc2, 0x2b, 0x8b, 0xaf, 0x0c, 0x01, 0x27, 0xa9];
    let key: [u8; 32] = hex(b"85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b");
    let message = b"Cryptographic Forum Research Group";
    let mut out = [0_u8; 16];
    // SAFETY: as in `ciphers`.
    unsafe {
        cifs_md4_init(state());
        cifs_md4_update(state(), b"abc".as_ptr(), 3);
        cifs_md4_final(state(), out.as_mut_ptr());
        say(c"cifs_md4", out == abc);
        poly1305_init_generic(state(), key.as_ptr());
        poly1305_update_generic(state(), message.as_ptr(), message.len() as u32);
        poly1305_final_generic(state(), out.as_mut_ptr());
        say(c"libpoly1305", out == tag);
        let secret: [u8; 32] = hex(b"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
        let point: [u8; 32] = hex(b"e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
        let shared: [u8; 32] = hex(b"c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
        let mut out = [0_u8; 32];
        curve25519_generic(out.as_mut_ptr(), secret.as_ptr(), point.as_ptr());
        say(c"libcurve25519-generic", out == shared);
    }
}

fn hex(text: &[u8; 64]) -> [u8; 32] {
    let digit = |byte: u8| if byte > b'9' { byte - b'a' + 10 } else { byte - b'0' };
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        if let [high, low] = pair {
            *byte = digit(*high) << 4 | digit(*low);
        }
    }
    bytes
}

fn packers() {
    let (text, packed) = ((&raw mut TEXT).cast::<u8>(), (&raw mut PACKED).cast::<u8>());
    let (text_len, packed_len) = (TEXT_LEN as i32, PACKED_LEN as i32);
    // SAFETY: nobody else uses the statics, and their lengths are passed along.
    unsafe {
        for n in 0..TEXT_LEN {
            // Runs, repetitions, and parts that cannot be packed.
            let noise = (n as u32).wrapping_mul(0x9e37_79b9) >> 24;
            text.add(n).write(if n % 1024 < 300 { noise as u8 } else { (n % 61 / 3) as u8 });
        }
        let len = LZ4_compress_default(text, packed, text_len, packed_len, state());
        say(c"lz4_compress", len > 0 && len < text_len * 3 / 4 && unpacks(len as usize));
        let best = LZ4_compress_HC(text, packed, text_len, packed_len, 9, state());
        say(c"lz4hc_compress", best > 0 && best <= len && unpacks(best as usize));
    }
}

/// Unpacks `len` bytes of `PACKED` and compares with `TEXT`: the LZ4 block format, step by step.
fn unpacks(len: usize) -> bool {
    let (packed, out) = ((&raw const PACKED).cast::<u8>(), (&raw mut UNPACKED).cast::<u8>());
    // SAFETY: callers stay below `len`, which is within `PACKED`; beyond it, zero is read.
    let byte = |at: usize| if at < len { unsafe { packed.add(at).read() } } else { 0 };
    let (mut at, mut end) = (0, 0);
    let extended = |at: &mut usize, nibble: u8| {
        let mut sum = nibble as usize;
        let mut more = nibble == 15;
        while more && *at < len {
            more = byte(*at) == 255;
            sum += byte(*at) as usize;
            *at += 1;
        }
        sum
    };
    while at < len {
        let token = byte(at);
        at += 1;
        let literals = extended(&mut at, token >> 4);
        for _ in 0..literals.min(TEXT_LEN - end) {
            // SAFETY: `end` stays below the array's length.
            unsafe { out.add(end).write(byte(at)) };
            (at, end) = (at + 1, end + 1);
        }
        if at >= len {
            break;
        }
        let back = byte(at) as usize | (byte(at + 1) as usize) << 8;
        at += 2;
        let matched = extended(&mut at, token & 15) + 4;
        if back == 0 || back > end {
            return false;
        }
        for _ in 0..matched.min(TEXT_LEN - end) {
            // SAFETY: both are within the array: `back` is not more than `end`.
            unsafe { out.add(end).write(out.add(end - back).read()) };
            end += 1;
        }
    }
    let text = (&raw const TEXT).cast::<u8>();
    // SAFETY: both arrays have that length.
    end == TEXT_LEN && (0..TEXT_LEN).all(|n| unsafe { out.add(n).read() == text.add(n).read() })
}

fn others() {
    let near = |found: i32, expected: i32| found.abs_diff(expected) <= 16;
    let mut lun = [0_u8; 8];
    let mut read = 0_u32;
    // SAFETY: plain numbers, and arrays of the size that each function wants.
    unsafe {
        // Whole degrees; results in 16.16 fixed point.
        let (thirty, back) = (cordic_calc_iq(30), cordic_calc_iq(-135));
        let held = near(thirty.i, 56_756) && near(thirty.q, 32_768) && near(back.i, -46_341);
        say(c"cordic", held && near(back.q, -46_341));
        // SAM: four levels of two bytes each, the first in the lowest 16 bits.
        int_to_scsilun(0x0123_4567_89ab_cdef, lun.as_mut_ptr());
        let expected = [0xcd, 0xef, 0x89, 0xab, 0x45, 0x67, 0x01, 0x23];
        say(c"scsi_common", lun == expected && scsilun_to_int(lun.as_ptr()) == 0x0123_4567_89ab_cdef);
        // An indirect call from the module back into this one.
        (&raw mut hvpci_block_ops).cast::<Option<ReadBlock>>().write(Some(read_block));
        let result = hyperv_read_cfg_blk(lun.as_mut_ptr(), lun.as_mut_ptr(), 8, 5, &raw mut read);
        say(c"pci-hyperv-intf", result == 42 && read == 13);
    }
}

unsafe extern "C" fn read_block(_device: *mut u8, _buffer: *mut u8, len: u32, block: u32, read: *mut u32) -> i32 {
    // SAFETY: `others` passes a variable of its own.
    unsafe { read.write(len + block) };
    42
}
