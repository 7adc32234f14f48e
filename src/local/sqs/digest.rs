//! The MD5 digests that SDKs check messages by (Amazon SQS developer guide, "Calculating the MD5 message digest for
//! message attributes").

use md5::{Digest, Md5};
use serde_json::Value;

pub(super) fn hex(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest of message attributes; none for none.
pub(super) fn of_attributes(attributes: &Value) -> Option<String> {
    let attributes = attributes.as_object().filter(|a| !a.is_empty())?;
    let mut names: Vec<&String> = attributes.keys().collect();
    names.sort();
    let mut digest = Md5::new();
    let put = |digest: &mut Md5, bytes: &[u8]| {
        digest.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        digest.update(bytes);
    };
    for name in names {
        let attribute = &attributes[name];
        put(&mut digest, name.as_bytes());
        put(&mut digest, attribute["DataType"].as_str().unwrap_or_default().as_bytes());
        let (mark, value) = match attribute["StringValue"].as_str() {
            Some(text) => (1_u8, text.as_bytes().to_vec()),
            None => (2, base64(attribute["BinaryValue"].as_str().unwrap_or_default())),
        };
        digest.update([mark]);
        put(&mut digest, &value);
    }
    Some(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Standard base64, as JSON has binary values; what is no base64 ends the value.
pub(super) fn base64(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for c in text.bytes() {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn digests_are_the_ones_sdks_compute() {
        assert_eq!(hex(b"hello"), "5d41402abc4b2a76b9719d911017c592");
        assert_eq!(base64("aGVsbG8="), b"hello");
        assert_eq!(of_attributes(&json!({})), None);
        assert_eq!(of_attributes(&Value::Null), None);
        // botocore's and the Java SDK's digest of one String attribute named `a` with value `b`.
        let one = of_attributes(&json!({"a": {"DataType": "String", "StringValue": "b"}})).unwrap();
        let mut bytes = Vec::new();
        for part in ["a", "String"] {
            bytes.extend((part.len() as u32).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes.push(1);
        bytes.extend(1_u32.to_be_bytes());
        bytes.push(b'b');
        assert_eq!(one, hex(&bytes));
    }
}
