//! Tests of `image` on an image made here, on every part of it, and on what is no image.

use super::*;
use std::fs;
use std::io::Write;

/// A small PV kernel: two segments, one of notes.
fn image(notes: &[(u32, &[u8])]) -> Vec<u8> {
    let mut list = Vec::new();
    for (kind, value) in notes {
        let length = u32::try_from(value.len()).unwrap();
        for word in [4, length, *kind] {
            list.extend(word.to_le_bytes());
        }
        list.extend(b"Xen\0");
        list.extend(*value);
        list.resize(list.len().next_multiple_of(4), 0);
    }
    let note_at = 64 + 2 * 56;
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    for half in [2_u16, 62] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1_u32.to_le_bytes());
    for long in [0xffff_ffff_8100_0000_u64, 64, 0] {
        file.extend(long.to_le_bytes());
    }
    file.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 2, 64, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    segment(&mut file, 1, 0, 0x100_0000, 0x5000);
    segment(&mut file, 4, note_at, 0, list.len() as u64);
    file.extend(list);
    file
}

fn segment(file: &mut Vec<u8>, kind: u32, offset: u64, address: u64, size: u64) {
    file.extend(kind.to_le_bytes());
    file.extend(5_u32.to_le_bytes());
    let in_file = if kind == 1 { 0 } else { size };
    for long in [offset, address, address, in_file, size, 4] {
        file.extend(long.to_le_bytes());
    }
}

fn good() -> Vec<u8> {
    let base = 0xffff_ffff_8000_0000_u64.to_le_bytes();
    let list = 0x80_0000_0000_u64.to_le_bytes();
    image(&[(3, &base), (8, b"generic\0"), (5, b"xen-3.0\0"), (15, &list), (16, &1_u32.to_le_bytes())])
}

/// Writes the images of these tests for the fuzz target's corpus: `REVECTOR_SEEDS=fuzz/corpus/check cargo test seeds`.
#[test]
#[ignore = "writes files, for the corpus"]
fn seeds() {
    let folder = std::path::PathBuf::from(std::env::var("REVECTOR_SEEDS").unwrap());
    let plain: (u32, &[u8]) = (3, &0xffff_ffff_8000_0000_u64.to_le_bytes());
    let images = [
        ("both-notes", good()),
        ("plain", image(&[plain])),
        ("no-notes", image(&[])),
        ("text", b"x".to_vec()),
    ];
    for (name, bytes) in images {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

fn message(bytes: &[u8]) -> String {
    format!("{:#}", PvImage::parse(bytes).unwrap_err())
}

#[test]
fn an_images_place_and_notes_are_read() {
    let image = PvImage::parse(&good()).unwrap();
    assert_eq!((image.start, image.end), (0xffff_ffff_8100_0000, 0xffff_ffff_8100_5000));
    assert_eq!(image.text(notes::LOADER), Some("generic"));
    let kernel = image.kernel();
    assert_eq!((kernel.list_at, kernel.ramdisk), (Some(0x80_0000_0000), RamdiskPlace::Unmapped));
}

#[test]
fn every_prefix_of_a_good_image_is_refused_with_a_message_and_the_whole_is_not() {
    let whole = good();
    for length in 0..whole.len() {
        assert!(message(&whole[..length]).len() > 20, "{length}");
    }
    assert!(PvImage::parse(&whole).is_ok());
}

#[test]
fn every_image_with_one_byte_changed_is_read_or_refused_without_a_panic() {
    let whole = good();
    let mut refused = 0;
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            refused += usize::from(PvImage::parse(&bytes).is_err());
        }
    }
    assert!(refused > 50, "only {refused} refused");
}

#[test]
fn a_packed_image_is_the_same_image() {
    let whole = good();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&whole).unwrap();
    let packed = gzip.finish().unwrap();
    let image = PvImage::parse(&packed).unwrap();
    assert_eq!(image.packing, Packing::Whole(unpack::Method::Gzip));
    assert_eq!(image.kernel(), PvImage::parse(&whole).unwrap().kernel());
    let mut kernel = vec![0; 0x1000];
    kernel[0x1f1] = 1;
    kernel[0x202..0x208].copy_from_slice(b"HdrS\x0f\x02");
    let length = u32::try_from(packed.len()).unwrap();
    kernel[0x248..0x24c].copy_from_slice(&(0x1000_u32 - 1024).to_le_bytes());
    kernel[0x24c..0x250].copy_from_slice(&length.to_le_bytes());
    kernel.extend(&packed);
    assert_eq!(PvImage::parse(&kernel).unwrap().packing, Packing::BzImage(unpack::Method::Gzip));
    for length in 0..kernel.len() {
        assert!(PvImage::parse(&kernel[..length]).is_err(), "{length}");
    }
}

#[test]
fn what_is_no_kernel_is_named_for_what_it_lacks() {
    assert!(message(b"#!/bin/sh\n").contains("expected a 64-bit ELF file"));
    assert!(
        message(b"\x7fELF\x01\x01\x01").contains("32-bit kernel") && message(b"\x7fELF\x01").contains("PV32")
    );
    assert!(message(&image(&[])).contains("expected Xen notes"));
    assert!(message(&image(&[(4, &8_u64.to_le_bytes())])).contains("PADDR_OFFSET"));
    let wild = 0xffff_ffff_8200_0000_u64.to_le_bytes();
    assert!(
        message(&image(&[(3, &0xffff_ffff_8000_0000_u64.to_le_bytes()), (1, &wild)])).contains("entry point")
    );
}

/// A bzImage whose payload is this, of the boot protocol's version 2.08.
fn bz_image(payload: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 1024];
    file[0x1f1] = 1;
    file[0x202..0x208].copy_from_slice(b"HdrS\x08\x02");
    file[0x24c..0x250].copy_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
    file.extend(payload);
    file
}

/// A frame of LZ4 whose one block has literals only.
fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut block = vec![0xf0];
    let mut more = bytes.len() - 15;
    while more >= 255 {
        block.push(255);
        more -= 255;
    }
    block.push(u8::try_from(more).unwrap());
    block.extend(bytes);
    let length = u32::try_from(block.len()).unwrap();
    [&[0x02, 0x21, 0x4c, 0x18][..], &length.to_le_bytes(), &block, &bytes.len().to_le_bytes()[..4]].concat()
}

#[test]
fn a_payload_of_lz4_is_read_and_one_of_bzip2_is_named() {
    let image = PvImage::parse(&bz_image(&lz4(&good()))).unwrap();
    assert_eq!(image.packing.to_string(), "bzImage, payload compressed by lz4");
    assert_eq!(image.start, 0xffff_ffff_8100_0000);
    assert!(message(&bz_image(b"BZh91AY")).contains("bzip2"));
}

/// `What is packed, is packed, is packed.` by `xz --format=lzma -9`: of unknown length, as Linux has its kernel packed.
const LZMA: [u8; 42] = [
    0x5d, 0x00, 0x00, 0x00, 0x04, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x2b, 0x9a, 0x08,
    0x27, 0x75, 0x19, 0x3d, 0xd5, 0xef, 0xe9, 0xa5, 0x2f, 0x7b, 0xaf, 0x14, 0xc0, 0x55, 0x5c, 0x47, 0x0d,
    0x14, 0xe6, 0x7b, 0xff, 0xff, 0x90, 0x18, 0x00,
];

#[test]
fn a_payload_of_lzma_is_read_with_the_length_after_it_and_a_cut_or_greedy_one_is_refused() {
    // The stream's last byte, and the four bytes of the length that Linux adds.
    let payload = [&LZMA[..], &[0, 37, 0, 0, 0]].concat();
    let file = bz_image(&payload);
    let (packing, unpacked) = unpack::elf(&file).unwrap();
    assert_eq!(packing.to_string(), "bzImage, payload compressed by lzma");
    assert_eq!(unpacked, &b"What is packed, is packed, is packed."[..]);
    let error = format!("{:#}", unpack::elf(&bz_image(&LZMA[..30])).unwrap_err());
    assert!(error.contains("cannot unpack the lzma stream"), "{error}");
    // A dictionary of 3 GiB.
    let mut greedy = payload;
    greedy[4] = 0xc0;
    let error = format!("{:#}", unpack::elf(&bz_image(&greedy)).unwrap_err());
    assert!(error.contains("memory"), "{error}");
}
