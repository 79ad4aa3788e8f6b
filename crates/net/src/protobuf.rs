//! The part of protocol buffers that libp2p's small messages need: varints, length-delimited fields,
//! and a reader that skips what it does not know. Pure and bounded; nothing here allocates by a length
//! that a peer has named.

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// A number of more than ten bytes, or of more than 64 bits.
    #[error("a number never ends")]
    Varint,
    /// The bytes end inside a field.
    #[error("the message ends inside a field")]
    Short,
    /// A field's type does not exist, or field 0 is named.
    #[error("a field has no known form")]
    Field,
}

/// A field's value. Fixed-width numbers are skipped, because none of our messages has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Wire type 0.
    Number(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
}

/// Reads one message, field by field.
#[derive(Debug, Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Over a whole message, without its length prefix.
    pub fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// The next field: its number and its value. `None` at the end.
    pub fn field(&mut self) -> Result<Option<(u64, Value<'a>)>, ProtobufError> {
        loop {
            if self.0.is_empty() {
                return Ok(None);
            }
            let key = self.varint()?;
            let number = key >> 3;
            if number == 0 {
                return Err(ProtobufError::Field);
            }
            match key & 7 {
                0 => return Ok(Some((number, Value::Number(self.varint()?)))),
                2 => {
                    let length = self.varint()?;
                    let length = usize::try_from(length).map_err(|_| ProtobufError::Short)?;
                    return Ok(Some((number, Value::Bytes(self.take(length)?))));
                }
                1 => drop(self.take(8)?),
                5 => drop(self.take(4)?),
                _ => return Err(ProtobufError::Field),
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ProtobufError> {
        let (taken, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(ProtobufError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, ProtobufError> {
        let (value, used) = varint(self.0)?;
        self.0 = &self.0[used..];
        Ok(value)
    }
}

/// Reads a varint from the start of `bytes`: its value and how many bytes it takes.
pub fn varint(bytes: &[u8]) -> Result<(u64, usize), ProtobufError> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if index == 9 && bits > 1 {
            return Err(ProtobufError::Varint);
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((value, index + 1));
        }
    }
    Err(if bytes.len() >= 10 {
        ProtobufError::Varint
    } else {
        ProtobufError::Short
    })
}

/// Appends a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a numeric field.
pub fn put_number(out: &mut Vec<u8>, field: u64, value: u64) {
    put_varint(out, field << 3);
    put_varint(out, value);
}

/// Appends a field of bytes, of text or of an inner message.
pub fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_that_never_ends_is_refused_by_name() {
        assert_eq!(varint(&[0x80; 10]), Err(ProtobufError::Varint));
        assert_eq!(varint(&[0xff; 64]), Err(ProtobufError::Varint));
        assert_eq!(varint(&[0x80; 9]), Err(ProtobufError::Short));
        assert_eq!(varint(&[]), Err(ProtobufError::Short));
        // Bits beyond the 64th.
        assert_eq!(
            varint(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]),
            Err(ProtobufError::Varint)
        );
    }

    #[test]
    fn a_length_beyond_the_message_is_refused() {
        let mut message = Vec::new();
        put_varint(&mut message, 1 << 3 | 2);
        put_varint(&mut message, u64::MAX);
        assert_eq!(Reader::new(&message).field(), Err(ProtobufError::Short));
    }

    proptest! {
        #[test]
        fn numbers_survive(value: u64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            prop_assert_eq!(varint(&bytes), Ok((value, bytes.len())));
        }

        #[test]
        fn fields_survive_among_fields_that_nobody_knows(
            number: u64,
            text in proptest::collection::vec(any::<u8>(), 0..64),
            fixed: [u8; 8],
        ) {
            let mut message = Vec::new();
            put_number(&mut message, 3, number);
            put_varint(&mut message, 9 << 3 | 1);
            message.extend_from_slice(&fixed);
            put_bytes(&mut message, 40, &text);
            let mut reader = Reader::new(&message);
            prop_assert_eq!(reader.field(), Ok(Some((3, Value::Number(number)))));
            prop_assert_eq!(reader.field(), Ok(Some((40, Value::Bytes(&text)))));
            prop_assert_eq!(reader.field(), Ok(None));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let mut reader = Reader::new(&bytes);
            while let Ok(Some(_)) = reader.field() {}
        }
    }
}
