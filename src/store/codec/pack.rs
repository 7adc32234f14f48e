//! Small texts packed by Zstandard with a dictionary that knows what runs look like.
//!
//! A packed record is the dictionary's number, the text's length, and a Zstandard frame without its magic number, which is
//! always the same (<https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1>). Records are some 100 bytes long: each byte counts.

use std::cell::RefCell;
use std::io;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::CParameter;

use super::CodecError;

/// The dictionaries, by their numbers from 1 on. Records are written with the last one, and the others stay: stores have
/// records of them. `samples.rs` says how they were made.
const DICTIONARIES: [&[u8]; 2] = [include_bytes!("dictionary-1.zstd"), include_bytes!("dictionary-2.zstd")];
const LAST: usize = DICTIONARIES.len() - 1;
const LEVEL: i32 = 3;
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Longer than any text that a store is given; what says so is damaged.
const LONGEST: u64 = 1 << 30;

static TO_PACK: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARIES[LAST], LEVEL));
static TO_UNPACK: [LazyLock<DecoderDictionary<'static>>; DICTIONARIES.len()] = [
    LazyLock::new(|| DecoderDictionary::copy(DICTIONARIES[0])),
    LazyLock::new(|| DecoderDictionary::copy(DICTIONARIES[1])),
];

thread_local! {
    static PACKER: RefCell<Option<Packer>> = const { RefCell::new(None) };
    static UNPACKERS: RefCell<[Option<Unpacker>; DICTIONARIES.len()]> = const { RefCell::new([None, None]) };
}

struct Packer {
    zstd: Compressor<'static>,
    text: Vec<u8>,
    frame: Vec<u8>,
}

struct Unpacker {
    zstd: Decompressor<'static>,
    frame: Vec<u8>,
    text: Vec<u8>,
}

/// What `write` writes, packed.
pub(super) fn packed(write: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>) -> Result<Vec<u8>, CodecError> {
    PACKER.with_borrow_mut(|packer| {
        let packer = ready(packer, Packer::new)?;
        packer.text.clear();
        write(&mut packer.text)?;
        packer.pack()
    })
}

/// What `read` makes of an unpacked record.
pub(super) fn unpacked<T>(record: &[u8], read: impl FnOnce(&[u8]) -> Result<T, CodecError>) -> Result<T, CodecError> {
    let (number, record) = record.split_first().ok_or(CodecError::Cut)?;
    UNPACKERS.with_borrow_mut(|unpackers| {
        let place = usize::from(*number).wrapping_sub(1);
        let unpacker = unpackers.get_mut(place).ok_or(CodecError::Dictionary(*number))?;
        let unpacker = ready(unpacker, || Unpacker::new(&TO_UNPACK[place]))?;
        unpacker.unpack(record)?;
        read(&unpacker.text)
    })
}

fn ready<T>(slot: &mut Option<T>, new: impl FnOnce() -> io::Result<T>) -> io::Result<&mut T> {
    if slot.is_none() {
        *slot = Some(new()?);
    }
    slot.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
}

impl Packer {
    fn new() -> io::Result<Self> {
        let mut zstd = Compressor::with_prepared_dictionary(&TO_PACK)?;
        // They stand in front of the frame, or are known.
        zstd.set_parameter(CParameter::ContentSizeFlag(false))?;
        zstd.set_parameter(CParameter::DictIdFlag(false))?;
        Ok(Self { zstd, text: Vec::new(), frame: Vec::new() })
    }

    fn pack(&mut self) -> Result<Vec<u8>, CodecError> {
        self.frame.clear();
        self.frame.reserve(zstd::zstd_safe::compress_bound(self.text.len()));
        self.zstd.compress_to_buffer(&self.text, &mut self.frame)?;
        let frame = self.frame.strip_prefix(&MAGIC).unwrap_or(&self.frame);
        let mut record = Vec::with_capacity(frame.len() + 4);
        record.push(u8::try_from(DICTIONARIES.len()).unwrap_or_default());
        push_length(&mut record, self.text.len());
        record.extend_from_slice(frame);
        Ok(record)
    }
}

impl Unpacker {
    fn new(dictionary: &'static DecoderDictionary<'static>) -> io::Result<Self> {
        let zstd = Decompressor::with_prepared_dictionary(dictionary)?;
        Ok(Self { zstd, frame: MAGIC.to_vec(), text: Vec::new() })
    }

    fn unpack(&mut self, record: &[u8]) -> Result<(), CodecError> {
        let (length, frame) = take_length(record)?;
        self.frame.truncate(MAGIC.len());
        self.frame.extend_from_slice(frame);
        self.text.clear();
        self.text.reserve(length);
        self.zstd.decompress_to_buffer(&self.frame, &mut self.text)?;
        if self.text.len() == length { Ok(()) } else { Err(CodecError::Cut) }
    }
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn push_length(record: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        record.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    record.push(u8::try_from(length).unwrap_or_default());
}

fn take_length(record: &[u8]) -> Result<(usize, &[u8]), CodecError> {
    let mut length = 0_u64;
    for (n, byte) in record.iter().take(5).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            let fits = usize::try_from(length).ok().filter(|_| length <= LONGEST);
            return Ok((fits.ok_or(CodecError::Length(length))?, &record[n + 1..]));
        }
    }
    Err(CodecError::Cut)
}
