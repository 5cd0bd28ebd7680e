//! States by fingerprint: what was visited is remembered by 128 bits of it, not by the state itself.

use std::hash::{BuildHasherDefault, Hash, Hasher};

/// The fingerprint of a state. Two states with the same one are taken for one; among some ten million states that is a thing
/// not to wait for.
pub(super) fn fingerprint(what: &impl Hash) -> u128 {
    let mut mix = Mix::default();
    what.hash(&mut mix);
    mix.end()
}

/// All numbers of the model are small: it is a stream of bytes, mixed eight at a time in two independent ways.
struct Mix {
    word: u64,
    bytes: u32,
    one: u64,
    two: u64,
}

impl Default for Mix {
    fn default() -> Mix {
        Mix {
            word: 0,
            bytes: 0,
            one: 0x9e37_79b9_7f4a_7c15,
            two: 0xd1b5_4a32_d192_ed03,
        }
    }
}

impl Mix {
    fn byte(&mut self, byte: u64) {
        self.word = self.word << 8 | byte;
        self.bytes += 1;
        if self.bytes.is_multiple_of(8) {
            self.mix();
        }
    }

    fn mix(&mut self) {
        let mixed = (self.one ^ self.word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        self.one = (mixed ^ (mixed >> 32)).rotate_left(23);
        let mixed = (self.two.rotate_left(29) ^ self.word).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        self.two = mixed ^ (mixed >> 31);
        self.word = 0;
    }

    fn end(mut self) -> u128 {
        self.mix();
        self.word = u64::from(self.bytes);
        self.mix();
        self.mix();
        u128::from(self.one) << 64 | u128::from(self.two)
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.byte(u64::from(*byte)));
    }

    fn write_u8(&mut self, byte: u8) {
        self.byte(u64::from(byte));
    }

    fn write_u32(&mut self, number: u32) {
        debug_assert!(number < 256, "sets of a model's keys fit into a byte");
        self.byte(u64::from(number));
    }

    fn write_isize(&mut self, variant: isize) {
        debug_assert!((0..256).contains(&variant), "an enum's variants fit into a byte");
        self.byte(variant as u64);
    }

    fn write_usize(&mut self, length: usize) {
        debug_assert!(length < 256, "arrays are short");
        self.byte(length as u64);
    }

    fn finish(&self) -> u64 {
        unreachable!("the fingerprint has 128 bits")
    }
}

/// The hash of a fingerprint: it is one already.
#[derive(Default)]
pub(super) struct First(u64);

impl Hasher for First {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only fingerprints are looked up")
    }

    fn write_u128(&mut self, fingerprint: u128) {
        self.0 = fingerprint as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// For maps and sets of fingerprints.
pub(super) type ByFingerprint = BuildHasherDefault<First>;
