//! A small deterministic generator (SplitMix64), so that a seed means the same data for ever.

#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A stream of its own per purpose: more builds must not change the projects.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mix = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let mut random = Self(purpose.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, mix));
        random.draw();
        random
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound - 1`; 0 for an empty range.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.draw() % (bound.max(1) as u64)) as usize
    }

    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1).max(1) as usize) as i64
    }

    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    pub fn guid(&mut self) -> String {
        let (a, b) = (self.draw(), self.draw());
        let (head, middle, version) = (a >> 32, (a >> 16) & 0xffff, a & 0xfff);
        let (variant, node) = ((b >> 48) & 0x3fff | 0x8000, b & 0xffff_ffff_ffff);
        format!("{head:08x}-{middle:04x}-4{version:03x}-{variant:04x}-{node:012x}")
    }

    pub fn sha1(&mut self) -> String {
        let (a, b, c) = (self.draw(), self.draw(), self.draw());
        format!("{a:016x}{b:016x}{:08x}", c >> 32)
    }
}
