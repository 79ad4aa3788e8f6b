//! Huffman tables and entropy-coded bits of JPEG (ITU-T T.81 annexes C and F).

/// A Huffman table: the first eleven bits look up a code at once.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Length in the high byte, value in the low one; 0 for longer codes.
    quick: Vec<u16>,
    /// For each length the code after its last one, left-aligned to 16 bits, and the offset of its values.
    limits: [(u32, i32); 17],
    values: Vec<u8>,
    /// Of coefficients with DCT: a code and the bits of its value at once, where these are not more than [`QUICK`].
    coefficients: Box<[Coefficient; 1 << QUICK]>,
}

const QUICK: u32 = 11;

/// What comes next in a block.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Coefficient {
    /// Not 0, or there is none.
    pub(crate) value: i16,
    /// Places from the last coefficient to this one; to the end of the block and beyond, or over 16 zeros, where there is
    /// none.
    pub(crate) step: u8,
    /// Bits that it takes; 0 where they are not known.
    bits: u8,
}

impl Coefficient {
    /// Without its value.
    fn of(symbol: u8) -> Self {
        let step = match symbol {
            0xF0 => 16,
            // End of block; runs of blocks are of progressive images only.
            symbol if symbol & 15 == 0 => 64,
            symbol => (symbol >> 4) + 1,
        };
        Coefficient {
            value: 0,
            step,
            bits: 0,
        }
    }
}

/// Reads a DHT segment; `put` is given the class (0 DC and lossless, 1 AC), the number, and the table.
pub(crate) fn read_tables(
    mut content: &[u8],
    mut put: impl FnMut(usize, usize, Table),
) -> Result<(), String> {
    while let Some((&class, rest)) = content.split_first() {
        let counts: &[u8] = rest.get(..16).ok_or("a Huffman table is cut off")?;
        let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
        let values = rest
            .get(16..16 + total)
            .filter(|_| total <= 256)
            .ok_or("a Huffman table is cut off")?;
        content = &rest[16 + total..];
        put(
            usize::from(class >> 4 & 1),
            usize::from(class & 3),
            Table::new(counts, values)?,
        );
    }
    Ok(())
}

impl Table {
    fn new(counts: &[u8], values: &[u8]) -> Result<Self, String> {
        let mut quick = vec![0u16; 1 << QUICK];
        let mut limits = [(0, 0); 17];
        let (mut code, mut index) = (0u32, 0usize);
        for length in 1..=16u32 {
            let count = u32::from(counts[length as usize - 1]);
            if code + count > 1 << length {
                return Err("a Huffman table has more codes than fit".to_owned());
            }
            limits[length as usize] = ((code + count) << (16 - length), index as i32 - code as i32);
            for _ in 0..count {
                if length <= QUICK {
                    let entry = (length << 8) as u16 | u16::from(values[index]);
                    let first = (code << (QUICK - length)) as usize;
                    quick[first..first + (1 << (QUICK - length))].fill(entry);
                }
                code += 1;
                index += 1;
            }
            code <<= 1;
        }
        let mut coefficients = Box::new([Coefficient::default(); 1 << QUICK]);
        for ((coefficient, entry), next) in coefficients.iter_mut().zip(&quick).zip(0u32..) {
            let (length, symbol) = (u32::from(entry >> 8), *entry as u8);
            let size = u32::from(symbol & 15);
            if length > 0 && length + size <= QUICK {
                let value = (next >> (QUICK - length - size)) as i32 & ((1 << size) - 1);
                *coefficient = Coefficient {
                    value: signed(value, size) as i16,
                    bits: (length + size) as u8,
                    ..Coefficient::of(symbol)
                };
            }
        }
        Ok(Table {
            quick,
            limits,
            values: values.to_vec(),
            coefficients,
        })
    }

    /// Length and value of a code of more bits than are looked up.
    #[cold]
    #[inline(never)]
    fn long(&self, next: u32) -> Result<(u32, u8), &'static str> {
        const UNKNOWN: &str = "it has a code that its Huffman table has not";
        let length = (QUICK + 1..=16)
            .find(|length| next < self.limits[*length as usize].0)
            .ok_or(UNKNOWN)?;
        let index = (next >> (16 - length)) as i32 + self.limits[length as usize].1;
        let value = usize::try_from(index)
            .ok()
            .and_then(|index| self.values.get(index));
        Ok((length, *value.ok_or(UNKNOWN)?))
    }
}

/// A number of `bits` bits whose first is the sign (T.81 F.2.2.1).
#[inline]
fn signed(value: i32, bits: u32) -> i32 {
    if bits == 0 {
        return 0;
    }
    // Without a branch: signs are as good as random.
    let negative = (value >> (bits - 1)) - 1;
    value + (negative & (1 - (1 << bits)))
}

/// Bits of entropy-coded data, stuffed zeros taken out. After the end zeros come.
#[derive(Clone, Copy)]
pub(crate) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    cache: u64,
    count: u32,
    /// Zero bits that were made up.
    invented: u32,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Bits {
            data,
            at: 0,
            cache: 0,
            count: 0,
            invented: 0,
        }
    }

    /// At least 32 bits more, when fewer are left.
    #[inline]
    fn fill(&mut self) {
        // Four bytes at once when none of them is 0xFF, which is nearly always.
        if let Some(four) = self.data.get(self.at..).and_then(|rest| rest.first_chunk()) {
            let word = u32::from_be_bytes(*four);
            if (!word).wrapping_sub(0x0101_0101) & word & 0x8080_8080 == 0 {
                self.cache = self.cache << 32 | u64::from(word);
                self.count += 32;
                self.at += 4;
                return;
            }
        }
        // By value, so that whoever inlines this can keep its fields in registers.
        *self = self.filled();
    }

    #[cold]
    #[inline(never)]
    fn filled(mut self) -> Self {
        while self.count <= 48 {
            let byte = match self.data.get(self.at) {
                Some(0xFF) if self.data.get(self.at + 1) == Some(&0) => {
                    self.at += 2;
                    0xFF
                }
                Some(byte) if *byte != 0xFF => {
                    self.at += 1;
                    *byte
                }
                // A marker or the end.
                _ => {
                    self.invented += 8;
                    0
                }
            };
            self.cache = self.cache << 8 | u64::from(byte);
            self.count += 8;
        }
        self
    }

    /// Whether more bits were taken than there were.
    pub(crate) fn overrun(&self) -> bool {
        self.invented > self.count
    }

    /// The next coded value.
    #[inline]
    pub(crate) fn symbol(&mut self, table: &Table) -> Result<u8, &'static str> {
        if self.count < 32 {
            self.fill();
        }
        let next = (self.cache >> (self.count - 16)) as u32 & 0xFFFF;
        let entry = table.quick[(next >> (16 - QUICK)) as usize];
        if entry != 0 {
            self.count -= u32::from(entry >> 8);
            return Ok(entry as u8);
        }
        let (length, value) = table.long(next)?;
        self.count -= length;
        Ok(value)
    }

    /// Bits as they are, at most 16.
    #[inline]
    pub(crate) fn take(&mut self, bits: u32) -> i32 {
        if self.count < 32 {
            self.fill();
        }
        self.count -= bits;
        (self.cache >> self.count) as i32 & ((1 << bits) - 1)
    }

    /// A number of `bits` bits whose first is the sign (T.81 F.2.2.1).
    #[inline]
    pub(crate) fn signed(&mut self, bits: u32) -> i32 {
        signed(self.take(bits), bits)
    }

    /// The next coefficient of a block.
    #[inline]
    pub(crate) fn coefficient(&mut self, table: &Table) -> Result<Coefficient, &'static str> {
        if self.count < 32 {
            self.fill();
        }
        let next = (self.cache >> (self.count - QUICK)) as usize & ((1 << QUICK) - 1);
        let quick = table.coefficients[next];
        if quick.bits != 0 {
            self.count -= u32::from(quick.bits);
            return Ok(quick);
        }
        // By value again.
        let (bits, coefficient) = self.long_coefficient(table)?;
        *self = bits;
        Ok(coefficient)
    }

    #[inline(never)]
    fn long_coefficient(mut self, table: &Table) -> Result<(Self, Coefficient), &'static str> {
        let symbol = self.symbol(table)?;
        let value = self.signed(u32::from(symbol & 15)) as i16;
        let coefficient = Coefficient {
            value,
            ..Coefficient::of(symbol)
        };
        Ok((self, coefficient))
    }

    /// A difference of the lossless process: its length, then its bits.
    #[inline]
    pub(crate) fn difference(&mut self, table: &Table) -> Result<i32, String> {
        match self.symbol(table)? {
            bits @ 0..=15 => Ok(self.signed(u32::from(bits))),
            16 => Ok(32_768),
            other => Err(format!("it has a difference of {other} bits")),
        }
    }

    /// Goes behind the next restart marker.
    pub(crate) fn restart(&mut self) {
        (self.cache, self.count, self.invented) = (0, 0, 0);
        let rest = self.data.get(self.at..).unwrap_or_default();
        if let Some(marker) = rest
            .windows(2)
            .position(|two| two[0] == 0xFF && (0xD0..=0xD7).contains(&two[1]))
        {
            self.at += marker + 2;
        }
    }
}
