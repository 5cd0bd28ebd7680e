//! Who a client certificate is for: its subject's common name is the user, its organizations are the groups.

/// The user and the groups; `None` when the certificate names no user.
pub(super) fn of(certificate: &[u8]) -> Option<(String, Vec<String>)> {
    const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
    let to_be_signed = parts(parts(certificate).first()?.1).first()?.1;
    let mut fields = parts(to_be_signed);
    // The version is there from X.509 v2 on.
    if fields.first()?.0 == 0xa0 {
        fields.remove(0);
    }
    // Serial number, algorithm, issuer, validity, subject.
    let (mut user, mut groups) = (None, Vec::new());
    for (_, set) in parts(fields.get(4)?.1) {
        for (_, attribute) in parts(set) {
            let attribute = parts(attribute);
            let text = String::from_utf8_lossy(attribute.get(1)?.1).into_owned();
            match attribute.first()?.1 {
                COMMON_NAME => user = Some(text),
                ORGANIZATION => groups.push(text),
                _ => {}
            }
        }
    }
    Some((user?, groups))
}

/// The tags and contents of the DER values that follow each other in `bytes`.
fn parts(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut parts = Vec::new();
    while let [tag, first, rest @ ..] = bytes {
        let (length, rest) = if first & 0x80 == 0 {
            (usize::from(*first), rest)
        } else {
            let (length, rest) = rest.split_at(usize::from(first & 0x7f));
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        };
        let (content, behind) = rest.split_at(length);
        parts.push((*tag, content));
        bytes = behind;
    }
    parts
}
